"""Delimited files: what is read from sound ones, and where broken ones are said to be broken."""

import csv
import io

import hypothesis.strategies as st
import pytest
from hypothesis import given

from artsim.errors import ReaderError
from artsim.readers.delimited import decoding, faults, open_delimited


def read(path, content, **options):
    path = path / options.pop("name", "list.csv")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    file = open_delimited(path, **options)
    return [tuple(row.values()) for batch in file.batches() for row in batch.to_pylist()]


def fault(path, content, **options):
    with pytest.raises(ReaderError) as raised:
        read(path, content, **options)
    message = str(raised.value)
    assert "\n" not in message
    return message.removeprefix(f"{path}/")


def test_values_are_stripped_and_empty_ones_are_null(tmp_path):
    assert read(tmp_path, "id,title\n 1 , Pietà\u00a0\n2,   \n3,\n") == [
        ("1", "Pietà"),
        ("2", None),
        ("3", None),
    ]


def test_quoted_values_can_contain_delimiters_quotes_and_line_breaks(tmp_path):
    assert read(tmp_path, 'a,b\r\n"1,5","say ""so""\r\nagain"\r\n') == [
        ("1,5", 'say "so"\r\nagain')
    ]


def test_quotes_inside_a_value_without_quotes_are_letters(tmp_path):
    assert read(tmp_path, 'a,b\n14 x 18" (35 cm),"x"\n') == [('14 x 18" (35 cm)', "x")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path, delimiter):
    assert read(tmp_path, f'a{delimiter}"b,;,;"\n1{delimiter}2\n') == [("1", "2")]


def test_a_tab_separated_file_may_use_quotes_as_letters(tmp_path):
    content = 'a\tb\n"Untitled" (blue)\t14"\n"open\tx\n'
    assert read(tmp_path, content, name="list.tsv") == [
        ('"Untitled" (blue)', '14"'),
        ('"open', "x"),
    ]
    assert read(tmp_path, 'a\tb\n"1\n2"\tx\n', name="list.tsv") == [("1\n2", "x")]


def test_blank_rows_are_left_out(tmp_path):
    assert read(tmp_path, "a,b\n\n1,2\n,\n , \n\n3,\n,\n") == [("1", "2"), ("3", None)]


@pytest.mark.parametrize("content", [b"a,b\n", b"a,b", b"\xef\xbb\xbfa,b\r\n", b"a,b\n\n\n"])
def test_a_header_alone_has_no_rows(tmp_path, content):
    assert read(tmp_path, content) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_encodings_are_found(tmp_path, encoding):
    content = "näme,b\nDürer,\U0001f3a8\n".encode(encoding)
    assert read(tmp_path, content) == [("Dürer", "\U0001f3a8")]


def test_another_encoding_is_read_when_named(tmp_path):
    assert read(tmp_path, "a,b\nDürer,1\n".encode("cp1252"), encoding="cp1252") == [("Dürer", "1")]


def test_another_encoding_is_refused_when_not_named(tmp_path):
    assert fault(tmp_path, b'a,artist\n"x\ny",1\n2,D\xfcrer\n') == (
        "list.csv, row 2 (line 4), column 'artist': text that is not UTF-8 (byte 0xfc); "
        "save the file as UTF-8 or name its encoding with --set encoding=cp1252"
    )
    assert fault(tmp_path, b"a,k\xfcnstler\n1,2\n").startswith(
        "list.csv, row of column names, column 2: text that is not UTF-8 (byte 0xfc)"
    )
    assert fault(tmp_path, b"a,b\n1,\x81\n", encoding="cp1252").startswith(
        "list.csv, row 1 (line 2), column 'b': text that is not CP1252 (byte 0x81)"
    )
    assert fault(tmp_path, "a,b\n1,".encode("utf-16") + b"\x00\xd8\n\0", encoding=None).startswith(
        "list.csv, row 1 (line 2), column 'b': text that is not UTF-16;"
    )


def test_an_unknown_encoding_is_named(tmp_path):
    assert fault(tmp_path, "a\n1\n", encoding="latin-99").startswith("no encoding named 'latin-99'")


def test_a_nul_byte_is_found(tmp_path):
    assert fault(tmp_path, b"a,b\n1,2\n3,x\0y\n") == (
        "list.csv, row 2 (line 3), column 'b': a NUL byte; the file is damaged, export it again"
    )


@pytest.mark.parametrize(
    "content",
    [
        'a,b,c\n1,"2,3\n4,5,6\n',  # never closed
        'a,b,c\n1,"2,3\n4,"5",6\n',  # closed by the next one's opening
        'a,b,c\n1,"2"x,3\n4,5,6\n',  # goes on after closing
    ],
)
def test_quotes_that_do_not_pair_up_are_found_where_they_open(tmp_path, content):
    assert fault(tmp_path, content) == (
        "list.csv, row 1 (line 2), column 'b': quotes that do not pair up; write a quote inside "
        "a value twice and quote it all"
    )


def test_a_quote_left_open_in_the_last_column_does_not_swallow_the_rest(tmp_path):
    content = 'a,b\n1,2\n3,"4\n' + "5,6\n" * 9
    assert fault(tmp_path, content).startswith("list.csv, row 2 (line 3), column 'b': quotes that")


def test_rows_of_another_length_are_found(tmp_path):
    assert fault(tmp_path, 'a,b,c\n"1\n1",2,3\n4,5\n') == (
        "list.csv, row 2 (line 4), column 'c': the row ends after 2 of 3 values; "
        "is a delimiter or quote missing?"
    )
    assert fault(tmp_path, "a,b\n1,2\n\n3,4,5\n") == (
        "list.csv, row 2 (line 4), column 'b': the row has 3 values for 2 columns; "
        "put values with delimiters in quotes"
    )


def test_two_columns_of_one_name_are_refused(tmp_path):
    assert fault(tmp_path, "id,title, title\n1,2,3\n") == (
        "list.csv has two columns named 'title' (columns 2 and 3); rename one"
    )


def test_a_column_without_a_name_is_numbered(tmp_path):
    (tmp_path / "list.csv").write_text(",a,\n0,1,\n")
    assert open_delimited(tmp_path / "list.csv").names == ("unnamed_1", "a", "unnamed_3")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_reported(tmp_path, content):
    assert fault(tmp_path, content).startswith("list.csv is empty; expected a row of column names")


def test_endless_values_are_refused_in_constant_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "BLOCK", 1000)
    quoted = 'a,b\n1,2\n3,"' + "x\n" * 5000 + '"\n'
    assert fault(tmp_path, quoted).startswith(
        "list.csv, row 2 (line 3), column 'b': a value longer"
    )
    bare = "a,b\n1,2\n3," + "x" * 10_000 + "\n"
    assert fault(tmp_path, bare).startswith("list.csv, line 3: longer than")


def test_a_file_damaged_after_its_inspection_gives_a_one_line_error(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("a,b\n1,2\n")
    file = open_delimited(path)
    path.write_text("a,b\n1,2,3\n")
    with pytest.raises(ReaderError, match=r"row 1 \(line 2\), column 'b': the row has 3 values"):
        list(file.batches())


def test_a_file_without_header_is_read_with_names(tmp_path):
    assert read(tmp_path, "1,x\n2,y\n", names=("a", "b"), delimiter=",") == [
        ("1", "x"),
        ("2", "y"),
    ]


_VALUES = st.text(st.sampled_from('ab ",;\t\n\r|é\U0001f3a8'), max_size=6)


@given(
    st.lists(st.tuples(_VALUES, _VALUES, _VALUES), min_size=1, max_size=8),
    st.sampled_from(",;\t"),
    st.integers(1, 64),
)
def test_what_python_writes_is_read_back(tmp_path_factory, rows, delimiter, block):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b", "c"), *rows])
    stripped = [tuple(value.strip() or None for value in row) for row in rows]
    expected = [row for row in stripped if any(row)]
    with pytest.MonkeyPatch.context() as patch:
        # blocks far smaller than rows would be refused: quotes are what is tried here
        patch.setattr(decoding, "BLOCK", 200 + block)
        assert read(tmp_path_factory.mktemp("csv"), text.getvalue()) == expected


@given(st.text(st.sampled_from('a",\n'), max_size=30), st.integers(1, 7))
def test_quotes_are_checked_as_python_checks_them(text, block):
    data = text.encode()
    blocks = iter([data[at : at + block] for at in range(0, len(data), block)])
    try:
        rows = list(csv.reader(text.splitlines(keepends=True), strict=True))
    except csv.Error:
        rows = None
    is_sound = rows is not None
    has_letters = is_sound and any('"' in value for row in rows for value in row)
    # a broken file never passes, and a sound one does unless quotes may be letters in it
    assert faults.quotes_pair_up(blocks, ord(",")) in (
        {is_sound, False} if has_letters else {is_sound}
    )
