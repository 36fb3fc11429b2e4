"""What every reader does with values: words for no value, and codes of classes."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artsim.readers import ReaderOptions, read_collection

HEADER, VALUES = (
    ("id", "image", "style", "year"),
    [
        ("1", "a.jpg", "nan", "1642"),
        ("2", "b.jpg", "N/A", "NULL"),
        ("3", "c.jpg", "Baroque", "-"),
        ("4", "d.jpg", "Nan", "1650"),
    ],
)


def column(catalog, name):
    return [row[name] for batch in catalog.batches() for row in batch.to_pylist()]


def csv(folder, rows=VALUES, header=HEADER):
    text = "\n".join(",".join(each) for each in (header, *rows))
    (folder / "objects.csv").write_text(text)
    return folder


def parquet(folder):
    columns = zip(*VALUES, strict=True)
    pq.write_table(pa.table(dict(zip(HEADER, columns, strict=True))), folder / "objects.parquet")
    return folder


def imagefolder(folder):
    names = ("id", "file_name", "style", "year")
    lines = [json.dumps(dict(zip(names, each, strict=True))) for each in VALUES]
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


def rijks(folder):
    records = [
        dict(zip(HEADER, each, strict=True)) | {"creator": "x", "material": "y", "type": "z"}
        for each in VALUES
    ]
    (folder / "records.json").write_text(json.dumps(records))
    return folder


def test_one_word_counts_as_missing(tmp_path):
    (tmp_path / "a.csv").write_text("id,image,style\n1,a.png,n/a\n2,b.png,Baroque\n")
    (note,) = [each for each in read_collection(tmp_path / "a.csv").notes if "missing" in each]
    assert note.startswith("'n/a' counts as missing (style 1);")


@pytest.mark.parametrize("write", [csv, parquet, imagefolder, rijks])
def test_words_for_no_value_are_missing_in_every_reader_and_are_counted(write, tmp_path):
    catalog = read_collection(write(tmp_path))
    assert column(catalog, "style") == [None, None, "Baroque", "Nan"]
    assert any(
        note.startswith("'nan', 'N/A', 'NULL' count as missing (style 2, year 1)")
        for note in catalog.notes
    )


@pytest.mark.parametrize("write", [csv, imagefolder, rijks])
def test_named_words_are_missing_in_numbers_too(write, tmp_path):
    catalog = read_collection(write(tmp_path), options=ReaderOptions(null=("-", "Nan")))
    assert column(catalog, "style") == [None, None, "Baroque", None]
    assert column(catalog, "year") == [1642, None, None, 1650]


def test_an_empty_word_keeps_the_usual_ones(tmp_path):
    catalog = read_collection(csv(tmp_path), options=ReaderOptions(null=("", "-")))
    assert column(catalog, "style") == ["nan", "N/A", "Baroque", "Nan"]


@pytest.mark.parametrize("write", [csv, imagefolder, rijks])
def test_a_type_can_be_declared_in_every_reader_of_records(write, tmp_path):
    catalog = read_collection(write(tmp_path), options=ReaderOptions(types={"year": "number"}))
    assert column(catalog, "year") == [1642, None, None, 1650]


def codes(folder, *numbers, **options):
    rows = [(str(n), f"{n}.jpg", code) for n, code in enumerate(numbers)]
    csv(folder, rows, ("id", "image", "style"))
    return read_collection(folder, options=ReaderOptions(**options)).notes


def test_whole_numbers_that_may_be_codes_are_pointed_out(tmp_path):
    assert codes(tmp_path, *"0120120") == (
        "'style' is read as a number and holds 3 of them, 0 to 2; if they are codes of classes, "
        "add --type style=text",
    )
    assert codes(tmp_path, *"0120120", types={"style": "number"}) == ()
    assert codes(tmp_path, *"0120120", types={"style": "text"}) == ()


@pytest.mark.parametrize(
    "numbers",
    [
        ("1", "2", "3", "4"),  # the rows, numbered
        ("1640", "1641", "1640", "1641"),  # years
        ("1", "20", "300", "1", "20", "300"),  # measures
        ("1", "1", "1"),
    ],
)
def test_numbers_that_count_or_measure_are_not(numbers, tmp_path):
    assert codes(tmp_path, *numbers) == ()


def test_numbers_of_json_print_back_as_they_are_written(tmp_path):
    numbers = [("1990.10", "2.5"), ("1990.1", "3.0"), ("1990.100", "1e2")]
    lines = [
        f'{{"file_name": "{n}.jpg", "inventory": {one}, "weight": {two}}}'
        for n, (one, two) in enumerate(numbers)
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    for n in range(3):
        (tmp_path / f"{n}.jpg").touch()
    catalog = read_collection(tmp_path)
    assert column(catalog, "inventory") == ["1990.10", "1990.1", "1990.100"]
    assert column(catalog, "weight") == [2.5, 3.0, 100.0]
