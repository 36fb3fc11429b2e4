"""Records of any kind, read by their keys or by a mapping that was drafted from them."""

import gzip
import json
import shutil
import tomllib

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from artsim.cli import cli
from artsim.errors import ReaderError
from artsim.inspection import inspect_collection
from artsim.readers import ReaderOptions, draft_map, read_collection

RECORDS = [
    {
        "nr": "X-1",
        "photo": "a.jpg",
        "creator": [{"full_name": "A", "role": None}, {"full_name": "B", "role": "printer"}],
        "size": {"h": 12.5},
        "tags": [],
    },
    {"nr": "X-2", "photo": "b.jpg", "creator": [{"full_name": "C", "role": ""}], "title": "a | b"},
]
ROWS = [
    {
        "id": "X-1",
        "image": "a.jpg",
        "nr": "X-1",
        "photo": "a.jpg",
        "creator.full_name": ["A", "B"],
        "creator.role": [None, "printer"],
        "size.h": 12.5,
        "tags": None,
        "title": None,
    },
    {
        "id": "X-2",
        "image": "b.jpg",
        "nr": "X-2",
        "photo": "b.jpg",
        "creator.full_name": ["C"],
        "creator.role": [None],
        "size.h": None,
        "tags": None,
        "title": "a | b",
    },
]


def read(source, **options):
    catalog = read_collection(source, options=ReaderOptions(**options))
    return [row for batch in catalog.batches() for row in batch.to_pylist()]


def workbook(file, *rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.create_sheet("notes").append(["x"])
    book.save(file)
    return file


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("works.json", json.dumps(RECORDS)),
        ("works.json", json.dumps({"data": RECORDS, "total": 2})),
        ("works.json", json.dumps({"items": RECORDS})),
        ("works.jsonl", "\n".join(json.dumps({"artObject": each}) for each in RECORDS)),
        ("works.jsonl.gz", "\n".join(map(json.dumps, RECORDS))),
    ],
)
def test_records_are_flattened_in_any_file_and_wrapper(name, text, tmp_path):
    data = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert read(tmp_path) == read(f"records:{tmp_path / name}") == ROWS


def test_a_folder_of_one_record_a_file_is_read_file_by_file(tmp_path):
    for number, record in enumerate(RECORDS):
        file = tmp_path / "sub" / f"{number}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(record))
    assert read(tmp_path) == ROWS


def test_parquet_records_may_be_nested(tmp_path):
    table = pa.Table.from_pylist([RECORDS[0] | {"title": None}, RECORDS[1]])
    pq.write_table(table, tmp_path / "works.parquet")
    assert read(f"records:{tmp_path}") == ROWS


@pytest.mark.parametrize("reader", ["", "table:", "records:"])
def test_excel_and_packed_csv_are_tables(reader, tmp_path):
    text = "object_id,image,year,material\n0042,a.jpg,1799,etching|ink\n0043,b.jpg,,ink\n"
    (tmp_path / "works.csv.gz").write_bytes(gzip.compress(text.encode()))
    cells = [line.split(",") for line in text.split()]
    workbook(tmp_path / "works.xlsx", [], *cells[:1], ["0042", "a.jpg", 1799.0, "etching|ink"],
             ["0043", "b.jpg", None, "ink"])  # fmt: skip
    packed, book = (read(f"{reader}{tmp_path / f'works.{each}'}") for each in ("csv.gz", "xlsx"))
    for rows in (packed, book):
        assert [(row["id"], row["image"], row["year"]) for row in rows] == [
            ("0042", "a.jpg", 1799),
            ("0043", "b.jpg", None),
        ]
    if not reader.startswith("records"):
        assert packed == book
        assert packed[0]["material"] == ["etching", "ink"]


def test_sheets_that_are_not_read_are_named(tmp_path):
    file = workbook(tmp_path / "objects.xlsx", ["id", "image"], ["1", "a.jpg"])
    catalog = read_collection(tmp_path)
    assert (catalog.name, catalog.source) == (tmp_path.name, tmp_path)
    assert catalog.notes == ("other sheets of objects.xlsx are not read: notes",)
    workbook(file, ["id", "image", "id"], ["1", "a.jpg", "2"])
    with pytest.raises(ReaderError, match="column 3 has the name 'id' of another; name it"):
        read_collection(tmp_path)
    file.write_text("no workbook")
    with pytest.raises(ReaderError, match="is no Excel workbook"):
        read_collection(tmp_path)


def test_a_torn_packed_csv_is_refused(tmp_path):
    packed = gzip.compress(b"id,image\n" + b"1,a.jpg\n" * 1000)
    (tmp_path / "works.csv.gz").write_bytes(packed[:-12])
    with pytest.raises(ReaderError, match="cannot be unpacked"):
        read_collection(tmp_path)


def test_the_keys_of_id_and_picture_can_be_named(tmp_path):
    file = tmp_path / "works.json"
    file.write_text(json.dumps([{"a": {"key": n}, "b": {"scan": f"x{n}"}} for n in range(2)]))
    with pytest.raises(ReaderError, match=r"looks like the picture; the keys are a\.key, b\.scan;"):
        read_collection(file)
    rows = read(file, id_column="b.scan", image_column="a.key")
    assert [(row["id"], row["image"]) for row in rows] == [("x0", "0"), ("x1", "1")]
    with pytest.raises(ReaderError, match=r"no record of .* has a value at 'a\.no'"):
        read(file, id_column="a.no", image_column="a.key")


def test_a_value_with_the_name_of_a_mapped_column_is_kept(tmp_path):
    (tmp_path / "m.toml").write_text(
        "id = 'nr'\nimage = 'scan'\n[columns]\ntitle = 'titles.main'\nmedium = 'medium'\n"
    )
    record = {"nr": 1, "id": 7, "image": "b.jpg", "scan": "a.jpg", "title": "Short",
              "titles": {"main": "Long"}, "medium": "oil"}  # fmt: skip
    (tmp_path / "r.json").write_text(json.dumps(record))
    (row,) = read(f"map:{tmp_path / 'm.toml'}")
    assert row == {
        "id": "1",
        "image": "a.jpg",
        "title": "Long",
        "medium": "oil",
        "nr": "1",
        "scan": "a.jpg",
        "titles.main": "Long",
        "id_record": "7",
        "image_record": "b.jpg",
        "title_record": "Short",
    }


def test_pictures_with_one_sidecar_each_are_a_folder_of_pictures(tmp_path, paint):
    for name in "ab":
        paint(tmp_path / f"{name}.png", (1, 2, 3))
        (tmp_path / f"{name}.json").write_text('{"id": "x", "image": "a.png"}')
    assert read_collection(tmp_path).reader == "folder"


# --- drafts -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("museum", "id_", "image", "artist"),
    [
        ("tate", "id", "thumbnailUrl", "contributors.fc"),
        ("cmoa", "id", "images.image_url", "creator.full_name"),
    ],
)
def test_a_drafted_mapping_reads_the_museum_at_once(
    museum, id_, image, artist, museum_data, tmp_path
):
    folder = shutil.copytree(museum_data / "museums" / museum, tmp_path / museum)
    text = draft_map(folder)
    found = tomllib.loads(text)
    assert (found["id"], found["image"]) == (id_, image)
    role = f"{artist.partition('.')[0]}.role"
    assert found["columns"]["artist"] == {"path": artist, "qualifier": role}
    files = tmp_path / "m.toml"
    files.write_text(text)
    catalog = read_collection(f"map:{files}")
    known = read_collection(f"{museum}:{folder}")
    one, other = (
        {row["image"]: row for batch in each.batches() for row in batch.to_pylist() if row["image"]}
        for each in (catalog, known)
    )
    assert len(one) > 190
    assert one.keys() == other.keys()
    columns = ("title", "artist", "artist_qualifier", "years", "date_text", "medium")
    for address, row in one.items():
        expected = other[address]
        assert {name: row[name] for name in columns} == {name: expected[name] for name in columns}
    assert inspect_collection(catalog).rows == 300


def test_the_command_prints_a_draft_with_samples(tmp_path):
    (tmp_path / "works.json").write_text(json.dumps(RECORDS))
    done = CliRunner().invoke(cli, ["inspect", str(tmp_path), "--draft-map"])
    assert done.exit_code == 0, done.output
    assert 'id = "nr"  # "X-1", "X-2"\nimage = "photo"  # "a.jpg", "b.jpg"\n' in done.stdout
    assert '# creator.role  1  "printer"\n' in done.stdout
    assert (
        done.stderr == "Save it in the folder of the records, and read them with map:FILE.toml.\n"
    )
    (tmp_path / "museum.toml").write_text(done.stdout)
    assert [row["artist"] for row in read(f"map:{tmp_path / 'museum.toml'}")] == ["A", "C"]
    refused = CliRunner().invoke(cli, ["inspect", str(tmp_path / "no"), "--draft-map"])
    assert "no does not exist; name the folder or file of the records" in refused.stderr


def test_the_separator_of_lists_can_be_set(tmp_path):
    records = [
        {"nr": "1", "image": "1.jpg", "material": "doek$olieverf", "title": "a|b", "size": "4"},
        {"nr": "2", "image": "2.jpg", "material": "papier", "title": "a|c", "size": "5"},
    ]
    (tmp_path / "a.json").write_text(json.dumps(records), encoding="utf-8")
    found = read(f"records:{tmp_path / 'a.json'}", settings={"separator": "$"})
    assert [(row["material"], row["title"], row["size"]) for row in found] == [
        (["doek", "olieverf"], "a|b", 4),
        (["papier"], "a|c", 5),
    ]


@pytest.mark.parametrize(
    ("record", "columns"),
    [
        (
            {"titel": {"de": "Dorf"}, "kuenstler": [{"name": "Ann", "rolle": "Werkstatt"}],
             "datierung": {"text": "um 1650"}, "technik": "Holz", "rechte": "CC0"},
            {"title": "titel.de", "date_text": "datierung.text", "medium": "technik",
             "rights": "rechte",
             "artist": {"path": "kuenstler.name", "qualifier": "kuenstler.rolle"},
             "years": {"text": "datierung.text", "type": "years"}},
        ),
        (
            {"titre": "Village", "auteur": "Ann", "datation": "vers 1650", "matériaux": "bois"},
            {"title": "titre", "artist": "auteur", "date_text": "datation", "medium": "matériaux",
             "years": {"text": "datation", "type": "years"}},
        ),
        (
            {"titel": "Dorp", "vervaardiger": "Ann", "datering": "1650", "materiaal": "hout"},
            {"title": "titel", "artist": "vervaardiger", "date_text": "datering",
             "medium": "materiaal", "years": {"text": "datering", "type": "years"}},
        ),
        (
            {"titolo": "Borgo", "autore": "Ann", "datazione": "sec. XVII", "tecnica": "olio"},
            {"title": "titolo", "artist": "autore", "date_text": "datazione", "medium": "tecnica",
             "years": {"text": "datazione", "type": "years"}},
        ),
        ({"maker": {"name": "Ann"}}, {"artist": "maker.name"}),  # a person's name is no title
    ],
)  # fmt: skip
def test_keys_of_other_languages_are_drafted(record, columns, tmp_path):
    records = [{"nr": f"A{n}", "bild": f"{n}.jpg", **record} for n in range(3)]
    (tmp_path / "objects.json").write_text(json.dumps(records))
    assert tomllib.loads(draft_map(tmp_path / "objects.json")).get("columns") == columns
