"""The same three records, tab-separated and as JSON."""

import json

import pytest

from artsim.errors import ReaderError
from artsim.readers import ReaderOptions, read_collection

RECORDS = [
    {
        "identifier": "SK-C-5",
        "creator": "Rembrandt van Rijn",
        "material": ["canvas", "oil paint (paint)"],
        "type": ["painting"],
        "year": 1642,
    },
    {"identifier": "RP-P-1", "creator": None, "material": ["paper"], "type": ["print", "proof"]},
    {"identifier": "BK-1", "creator": "anonymous", "material": [], "type": [], "year": None},
]
ROWS = [
    {
        "id": "SK-C-5",
        "image": "SK-C-5.jpg",
        "creator": "Rembrandt van Rijn",
        "material": ["canvas", "oil paint (paint)"],
        "type": ["painting"],
        "year": 1642,
    },
    {
        "id": "RP-P-1",
        "image": "RP-P-1.jpg",
        "creator": None,
        "material": ["paper"],
        "type": ["print", "proof"],
        "year": None,
    },
    {
        "id": "BK-1",
        "image": "BK-1.jpg",
        "creator": "anonymous",
        "material": None,
        "type": None,
        "year": None,
    },
]


def tabs(join, header="identifier\tcreator\tmaterial[]\ttype[]\tyear"):
    lines = [
        "\t".join(
            (
                *(record["identifier"], record["creator"] or ""),
                *(join(record["material"]), join(record["type"])),
                str(record.get("year") or ""),
            )
        )
        for record in RECORDS
    ]
    return "\n".join([header, *lines, ""])


def read(path, **options):
    catalog = read_collection(path, options=ReaderOptions(**options))
    assert catalog.reader == "rijks"
    return catalog


def rows(folder, text, name):
    (folder / name).write_text(text, encoding="utf-8")
    return [row for batch in read(folder).batches() for row in batch.to_pylist()]


@pytest.mark.parametrize(
    "join", ["|".join, "; ".join, ", ".join, json.dumps, lambda values: str(values)]
)
def test_tab_separated_lists_in_any_encoding(tmp_path, join):
    assert rows(tmp_path, tabs(join), "records.tsv") == ROWS


def test_json_in_a_list_or_one_a_line_or_wrapped(tmp_path):
    lines = "\n".join(json.dumps(record) for record in RECORDS)
    for text in (
        json.dumps(RECORDS, indent=1),
        lines,
        json.dumps({"count": 3, "records": RECORDS}),
    ):
        assert rows(tmp_path, text, "records.json") == ROWS


def test_a_list_is_a_list_where_every_record_has_one_value(tmp_path):
    record = {"id": "1", "creator": "x", "material": "paper", "type": ["print"]}
    (row,) = rows(tmp_path, json.dumps([record]), "records.jsonl")
    assert (row["material"], row["type"]) == (["paper"], ["print"])


def test_a_column_without_a_value_stays_a_column(tmp_path):
    record = {"id": "1", "creator": "x", "material": "paper", "type": "print", "place": None}
    (row,) = rows(tmp_path, json.dumps([record]), "records.jsonl")
    assert row["place"] is None
    columns, values = "id\tcreator\tmaterial\ttype\tplace", "1\tx\tpaper\tprint\t"
    (tmp_path / "records.jsonl").unlink()
    (row,) = rows(tmp_path, f"{columns}\n{values}\n", "records.tsv")
    assert row["place"] is None


def test_alternative_column_names_of_the_museum(tmp_path):
    record = {
        "objectNumber": "SK-A-1",
        "principalMaker": "Jan Asselijn",
        "materials": ["canvas"],
        "objectTypes": ["painting"],
        "webImage": {"url": "https://lh3.ggpht.com/x=s0", "width": 9},
        "title": "The Threatened Swan",
        "colors": ["#fff", "#000"],
        "width": 144.0,
        "hasImage": True,
    }
    assert rows(tmp_path, json.dumps([record]), "records.json") == [
        {
            "id": "SK-A-1",
            "image": "https://lh3.ggpht.com/x=s0",
            "creator": "Jan Asselijn",
            "material": ["canvas"],
            "type": ["painting"],
            "title": "The Threatened Swan",
            "colors": ["#fff", "#000"],
            "width_catalog": 144.0,
            "hasImage": "true",
        }
    ]


def test_pictures_are_found_in_a_folder_next_to_the_records(tmp_path):
    (tmp_path / "jpg").mkdir()
    (tmp_path / "jpg" / "BK-1.jpg").touch()
    rows(tmp_path, json.dumps(RECORDS), "records.json")
    assert read(tmp_path).root == tmp_path / "jpg"
    assert read(tmp_path / "records.json", images=tmp_path).root == tmp_path


def test_missing_fields_list_the_existing_ones(tmp_path):
    file = tmp_path / "records.tsv"
    file.write_text("identifier\tmaker\tmaterial\n1\tx\ty\n")
    with pytest.raises(ReaderError, match=r"no field 'type' .*; its fields are identifier, maker"):
        read_collection(f"rijks:{file}")
    file.write_text("identifier\tmaker\tmaterial\ttype\n")
    with pytest.raises(ReaderError, match="and no rows below it"):
        read(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"id": 1,]', "line 1, column 11: not JSON"),
        ('{"id": 1}\n{"id": }\n', "line 2, column 8: not JSON"),
        ("[]", "holds no records"),
        ('"x"', "holds no records"),
        ("[" * 200_000, "nested too deeply"),
    ],
)
def test_broken_json_gives_a_one_line_error(tmp_path, text, message):
    (tmp_path / "records.json").write_text(text)
    with pytest.raises(ReaderError, match=rf"records\.json.*{message}"):
        read_collection(f"rijks:{tmp_path / 'records.json'}", options=ReaderOptions(strict=True))


def test_json_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "records.json").write_bytes(b'[{"creator": "D\xfcrer"}]')
    with pytest.raises(ReaderError, match=r"records\.json is not UTF-8"):
        read_collection(f"rijks:{tmp_path / 'records.json'}")


def test_several_files_require_a_choice(tmp_path):
    rows(tmp_path, json.dumps(RECORDS), "a.json")
    (tmp_path / "b.tsv").write_text(tabs("|".join))
    with pytest.raises(ReaderError, match=r"expected one file .* found a\.json, b\.tsv;"):
        read(tmp_path)


@pytest.mark.parametrize("wrapped", [False, True])
def test_nested_values_are_columns_named_by_their_paths(wrapped, tmp_path):
    record = {
        "objectNumber": "SK-A-1",
        "principalMaker": "Breitner",
        "materials": ["doek"],
        "objectTypes": ["schilderij"],
        "webImage": {"url": "https://example.org/a.jpg"},
        "dating": {"yearEarly": 1885, "yearLate": 1886},
        "dimensions": [{"unit": "cm", "value": "115"}, {"unit": "cm", "value": "77,5"}],
    }
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"artObject": record} if wrapped else [record]))
    (batch,) = read_collection(f"rijks:{file}").batches()
    (row,) = batch.to_pylist()
    assert (row["dating.yearEarly"], row["dating.yearLate"]) == (1885, 1886)
    assert row["dimensions.value"] == ["115", "77,5"]
    assert (row["id"], row["image"]) == ("SK-A-1", "https://example.org/a.jpg")
