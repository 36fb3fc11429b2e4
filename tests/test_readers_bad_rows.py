"""A bad row of a table is left out and counted, in every reader; strict reading refuses it."""

import json

import pytest

from artsim.errors import ReaderError
from artsim.readers import ReaderOptions, read_collection
from artsim.readers.delimited import open_delimited

STRICT = ReaderOptions(strict=True)


def table(folder, content, name="objects.csv"):
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
    return folder


def ids(catalog):
    return [row["id"] for batch in catalog.batches() for row in batch.to_pylist()]


ROWS = b"id,image,note\n1,a.jpg,\xc3\xa9t\xc3\xa9\n2,b.jpg,%s\n3,c.jpg,x\n4,d.jpg,y\n"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"x,y", r"row 2 \(line 3\), column 'note': the row has 4 values for 3 columns"),
        (b'"x" y', r"row 2 \(line 3\), column 'note': quotes that do not pair up"),
        (b'"x', r"row 2 \(line 3\), column 'note': quotes that do not pair up"),
        (b"x\0y", r"row 2 \(line 3\), column 'note': a NUL byte"),
        (b"x\xfcy", r"row 2 \(line 3\), column 'note': text that is not UTF-8"),
        (b'"x\n2b,b2.jpg', r"row 2 \(line 3\), column 'note': quotes that do not pair up"),
    ],
)
def test_a_bad_row_does_not_cost_the_others(bad, message, tmp_path):
    catalog = read_collection(table(tmp_path, ROWS % bad))
    assert ids(catalog) == ["1", "3", "4"]
    (note,) = catalog.notes
    assert "left out, first " in note
    with pytest.raises(ReaderError, match=message):
        read_collection(tmp_path, options=STRICT)


def test_the_note_counts_the_bad_rows_and_names_the_first(tmp_path):
    text = "id,image\n1,a.jpg\n2\n3,c.jpg,z\n4,d.jpg\n5,e.jpg\n"
    (note,) = read_collection(table(tmp_path, text)).notes
    assert note == (
        f"2 bad rows are left out, first {tmp_path / 'objects.csv'}, row 2 (line 3), column "
        "'image': the row ends after 1 of 2 values; is a delimiter or quote missing?; --strict "
        "refuses such a table"
    )


def test_a_table_that_is_misread_is_refused(tmp_path):
    with pytest.raises(ReaderError, match="the row has 3 values for 2 columns"):
        read_collection(table(tmp_path, "id,image\n1,a.jpg,x\n2,b.jpg,y\n3,c.jpg\n"))


def test_a_table_in_another_encoding_is_refused_however_few_letters_show_it(tmp_path):
    rows = "".join(f"{n},{n}.jpg,x\n" for n in range(50))
    with pytest.raises(ReaderError, match="name its encoding with --set encoding=cp1252"):
        read_collection(
            table(tmp_path, f"id,image,artist\n{rows}50,50.jpg,Dürer\n".encode("cp1252"))
        )


def test_empty_values_beyond_the_last_column_are_no_fault(tmp_path):
    catalog = read_collection(table(tmp_path, "id,image\n1,a.jpg,\n2,b.jpg,,\n"), options=STRICT)
    assert (ids(catalog), catalog.notes) == (["1", "2"], ())


def test_a_bad_line_of_json_lines_does_not_cost_the_others(tmp_path):
    lines = [json.dumps({"file_name": f"{n}.jpg"}) for n in range(3)]
    table(tmp_path, "\n".join((*lines[:1], '{"file_name": x}', *lines[1:])), "metadata.jsonl")
    catalog = read_collection(tmp_path)
    assert ids(catalog) == ["0.jpg", "1.jpg", "2.jpg"]
    assert catalog.notes[0].startswith(f"1 bad line is left out, first {tmp_path}/metadata.jsonl, ")
    with pytest.raises(ReaderError, match="line 2, column 15: not JSON"):
        read_collection(tmp_path, options=STRICT)


def test_a_bad_row_of_the_galleries_tables_does_not_cost_the_others(tmp_path):
    table(tmp_path, "objectid,beginyear,endyear\n1,1880,1880\n2,1890,1890\n")
    images = "uuid,iiifurl,viewtype,sequence,width,height,depictstmsobjectid,assistivetext\n"
    row = "{0},https://api.example.org/{0},primary,0,30,20,{0},{1}\n"
    table(
        tmp_path,
        images + row.format(1, "a jug, a plate") + row.format(2, "x"),
        "published_images.csv",
    )
    catalog = read_collection(tmp_path)
    assert ids(catalog) == ["2"]
    assert "column 'assistivetext': the row has 9 values for 8 columns" in catalog.notes[0]


TITLE = "Export of 12 March, 2024\nCollection: Prints\n\n"


@pytest.mark.parametrize(
    ("above", "delimiter"),
    [
        ("sep=;\n", ";"),
        ('"sep=,"\n', ","),
        ("SEP=\t\r\n", "\t"),
        ("sep=;\nList of prints\n", ";"),
        (TITLE, ","),
        (TITLE, ";"),
        ("Export,,,\n,,,\n", ","),
        ("\n\n", ","),
    ],
)
def test_what_stands_above_the_column_names_is_left_out(above, delimiter, tmp_path):
    rows = ["id,image,artist,title", "1,a.jpg,Ada,Ship", "2,b.jpg,Bo,Jug"]
    text = above + "\n".join(rows).replace(",", delimiter)
    catalog = read_collection(table(tmp_path, text))
    assert ids(catalog) == ["1", "2"]
    assert [field.name for field in catalog.fields] == ["artist", "title"]
    if above == TITLE:
        assert catalog.notes == (
            "what stands above the column names is left out: 'Export of 12 March, 2024', "
            "'Collection: Prints'",
        )


def test_rows_below_a_title_are_named_by_their_lines(tmp_path):
    text = TITLE + "id,image,note\n1,a.jpg,x\n2,b.jpg,x,y\n3,c.jpg,z\n"
    assert "row 2 (line 6), column 'note'" in read_collection(table(tmp_path, text)).notes[1]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("image,\na/b,Ada\nc/d,Bo\n", ("image", "unnamed_2")),
        (",image\nx,a\ny,b\n", ("unnamed_1", "image")),
        ("a\nx, y\nz\n", ("a",)),
        ("0,1,2\nx,y,z\nx,y,z\n", ("0", "1", "2")),
        ("id,image,note\n1,a.jpg,x\n", ("id", "image", "note")),
        ("id,image,note\n", ("id", "image", "note")),
    ],
)
def test_the_first_row_has_the_names_where_nothing_speaks_against_it(text, names, tmp_path):
    assert open_delimited(table(tmp_path, text) / "objects.csv", strict=False).names == names
