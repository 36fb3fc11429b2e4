"""Tables written out in the tests, so that every row and type can be read off by eye."""

import datetime
import json
from decimal import Decimal
from pathlib import Path

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from artsim.errors import ReaderError
from artsim.readers import ReaderOptions, batches, read_collection
from artsim.readers.columns import ColumnGuess, ColumnType, convert, field_names, is_identifier
from artsim.readers.delimited import file as delimited_file


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def read(path, text=None, **options):
    if text is not None:
        write(path / "objects.csv", text)
    return read_collection(path, options=ReaderOptions(**options))


def rows(catalog):
    return [row for batch in catalog.batches() for row in batch.to_pylist()]


def types(catalog):
    return {field.name: str(catalog.schema.field(field.name).type) for field in catalog.fields}


def guess(*values, name="column", **options):
    column = ColumnGuess(name, **options)
    column.add(pa.array(values, pa.string()))
    return column.decide()


def test_columns_are_typed_and_kept(tmp_path):
    catalog = read(
        tmp_path,
        "object_id,image,artist,year,height_cm,material\n"
        "0042,a.jpg,Goya,1799,21.5,etching|aquatint\n"
        "0043,b.jpg,,,7,etching\n",
    )
    assert types(catalog) == {
        "artist": "string",
        "year": "int64",
        "height_cm": "double",
        "material": "list<item: string>",
    }
    assert rows(catalog) == [
        {
            "id": "0042",
            "image": "a.jpg",
            "artist": "Goya",
            "year": 1799,
            "height_cm": 21.5,
            "material": ["etching", "aquatint"],
        },
        {
            "id": "0043",
            "image": "b.jpg",
            "artist": None,
            "year": None,
            "height_cm": 7.0,
            "material": ["etching"],
        },
    ]


def test_rows_without_an_id_or_an_image_are_kept(tmp_path):
    assert rows(read(tmp_path, "id,image\n1,\n,b.jpg\n")) == [
        {"id": "1", "image": None},
        {"id": None, "image": "b.jpg"},
    ]


def test_without_an_id_column_the_image_is_the_id(tmp_path):
    assert rows(read(tmp_path, "file_name,text\na.jpg,x\n")) == [
        {"id": "a.jpg", "image": "a.jpg", "text": "x"}
    ]


@pytest.mark.parametrize(
    ("header", "id_", "image"),
    [
        ("ID,Image", "ID", "Image"),
        ("Object Number,Image Path", "Object Number", "Image Path"),
        ("objectID,primaryImage", "objectID", "primaryImage"),
        ("accession_number,thumbnailURL", "accession_number", "thumbnailURL"),
    ],
)
def test_well_known_columns_are_found(tmp_path, header, id_, image):
    catalog = read(tmp_path, f"title,{header}\nx,1,a.jpg\n")
    assert rows(catalog) == [{"id": "1", "image": "a.jpg", "title": "x"}]


def test_a_file_is_preferred_to_an_address(tmp_path):
    catalog = read(tmp_path, "id,image_url,image\n1,https://x.org/a,a.jpg\n")
    assert rows(catalog) == [{"id": "1", "image": "a.jpg", "image_url": "https://x.org/a"}]


def test_columns_can_be_named(tmp_path):
    catalog = read(tmp_path, "id,image,nr,scan\n1,a,2,b\n", id_column="nr", image_column="SCAN")
    assert rows(catalog) == [{"id": "2", "image": "b", "id_catalog": "1", "image_catalog": "a"}]


def test_the_only_column_that_names_pictures_has_them(tmp_path):
    catalog = read(
        tmp_path, "Inv. No.,Note,Scan\nL 1,see b.jpg now,a b.JPG\nL 2,,\nL 3,c.png,c.png\n"
    )
    assert [row["image"] for row in rows(catalog)] == ["a b.JPG", None, "c.png"]
    assert [row["id"] for row in rows(catalog)] == ["L 1", "L 2", "L 3"]
    assert catalog.notes == ("the pictures are those that the column 'Scan' names",)
    address = "https://x.org/a.jpg?size=9"
    catalog = read(tmp_path, f"id,Link,Scan\n1,{address},a.jpg|b.jpg\n")
    assert rows(catalog)[0]["image"] == "a.jpg"
    assert rows(read(tmp_path, f"id,Link\n1,{address}\n"))[0]["image"] == address


def test_of_several_columns_that_name_pictures_none_is_guessed(tmp_path):
    with pytest.raises(
        ReaderError,
        match=r"has several columns that name pictures \(Front, Back\); .*--image-column",
    ):
        read(tmp_path, "id,Front,Back\n1,a.jpg,b.jpg\n")


def test_a_missing_column_lists_the_existing_ones(tmp_path):
    with pytest.raises(
        ReaderError,
        match=r"objects\.csv has no image column; its columns are a, b; .*--image-column.*folder:",
    ):
        read(tmp_path, "a,b\n1,2\n")
    with pytest.raises(ReaderError, match="no column named 'scan'; its columns are a, image"):
        read(tmp_path, "a,image\n1,2\n", image_column="scan")
    with pytest.raises(ReaderError, match=r"no column named 'nr'; its columns .* --id-column"):
        read(tmp_path, "a,image\n1,2\n", id_column="nr")


def test_a_header_alone_is_refused(tmp_path):
    with pytest.raises(ReaderError, match=r"objects\.csv has a row of column names and no rows"):
        read(tmp_path, "id,image\n")


def test_names_that_artsim_writes_itself_are_changed(tmp_path):
    catalog = read(tmp_path, "id,image,Width,height,width_catalog\n1,a.jpg,2,3,4\n")
    assert list(types(catalog)) == ["Width_catalog", "height_catalog", "width_catalog"]
    assert field_names(["width", "width_catalog"]) == ["width_catalog_", "width_catalog"]


def test_a_note_names_the_columns_that_are_renamed(tmp_path):
    (tmp_path / "objects.csv").write_text("id,image,Width,height,depth\n1,a.jpg,2,3,4\n")
    assert read_collection(tmp_path).notes == (
        "renamed, as the picture file has its own: Width to Width_catalog, "
        "height to height_catalog",
    )


class TestFindingTheTable:
    def test_objects_comes_before_metadata_and_any_other(self, tmp_path):
        for name in ("a.csv", "metadata.csv", "objects.tsv"):
            write(
                tmp_path / name,
                "image\tx\na.jpg\t1\n".replace("\t", "," if "csv" in name else "\t"),
            )
        assert list(types(read(tmp_path))) == ["x"]
        (tmp_path / "objects.tsv").unlink()
        assert read_collection(tmp_path).name == tmp_path.name

    def test_a_single_table_of_any_name_is_taken(self, tmp_path):
        write(tmp_path / "._list.csv", "\0")
        write(tmp_path / "List.CSV", "image\na.jpg\n")
        assert rows(read(tmp_path)) == [{"id": "a.jpg", "image": "a.jpg"}]

    def test_several_tables_require_a_choice(self, tmp_path):
        write(tmp_path / "train.csv", "image\na.jpg\n")
        write(tmp_path / "test.csv", "image\nb.jpg\n")
        with pytest.raises(ReaderError, match=r"several tables \(test.csv, train.csv\); name one"):
            read(tmp_path)
        assert read_collection(tmp_path / "train.csv").name == "train"

    def test_a_folder_without_a_table_says_so(self, tmp_path):
        write(tmp_path / "a.jpg")
        with pytest.raises(ReaderError, match="no table in"):
            read_collection(f"table:{tmp_path}")


class TestImageRoot:
    def test_the_image_folder_is_that_of_the_table(self, tmp_path):
        write(tmp_path / "images" / "b.jpg")
        write(tmp_path / "a.jpg")
        assert read(tmp_path, "image\ngone.jpg\na.jpg\nb.jpg\n").root == tmp_path

    def test_the_image_folder_is_images_if_only_that_has_the_files(self, tmp_path):
        write(tmp_path / "images" / "b.jpg")
        assert read(tmp_path, "image\nhttps://x.org/a.jpg\nb.jpg\n").root == tmp_path / "images"

    def test_the_image_folder_can_be_named(self, tmp_path):
        write(tmp_path / "scans" / "a.jpg")
        write(tmp_path / "a.jpg")
        assert (
            read(tmp_path, "image\na.jpg\n", images=tmp_path / "scans").root == tmp_path / "scans"
        )
        with pytest.raises(ReaderError, match=r"folder of pictures .*lost does not exist"):
            read(tmp_path, images=tmp_path / "lost")

    def test_impossible_file_names_are_reported_later(self, tmp_path):
        assert read(tmp_path, f"image\n{'x' * 9999}\n").root == tmp_path


class TestGuessing:
    @pytest.mark.parametrize(
        ("values", "parsing"),
        [
            (["1", "-20", "0"], "integer"),
            (["1", None], "integer"),
            (["1", "NaN", "n/a"], "integer"),
            (["1", "2.5", "-0.125"], "decimal"),
            (["1642.0", "1650.0", None], "decimal"),  # as pandas writes whole numbers beside none
            (["1e-05", "2.5e+16", "0.30000000000000004"], "decimal"),
            (["1", "007"], "text"),  # a leading zero makes a code
            # what would print back differently, so that two values could become one
            (["1990.1", "1990.10"], "text"),
            (["12", "12.0"], "text"),
            (["+5", "6"], "text"),
            ([".5"], "text"),
            (["5."], "text"),
            (["-0"], "text"),
            (["0.1234567890123456789"], "text"),
            (["2.5E+3"], "text"),
            (["1", "c. 1890"], "text"),
            (["1.2.3"], "text"),
            (["1,024"], "text"),
            (["12e3"], "text"),  # as likely the end of a hash
            (["1" * 19], "text"),  # too long to be exact
            (["nan", "none"], "text"),
            ([None, None], "text"),
        ],
    )
    def test_numbers_are_distinguished_from_codes(self, values, parsing):
        assert guess(*values) == ColumnType(parsing)

    def test_one_late_value_decides(self):
        column = ColumnGuess("year")
        column.add(pa.array(["1"] * 1000))
        column.add(pa.array(["c. 2"]))
        assert column.decide() == ColumnType("text")

    @pytest.mark.parametrize(
        "name",
        [
            "id",
            "ID",
            "objectid",
            "Object ID",
            "ulanid",
            "accession_number",
            "ObjectNumber",
            "image_id",
        ],
    )
    def test_identifiers_stay_text(self, name):
        assert is_identifier(name)
        assert guess("1", "2", name=name) == ColumnType("text")

    @pytest.mark.parametrize(
        "name", ["year", "width", "period", "grid", "number of figures", "notes"]
    )
    def test_measures_are_no_identifiers(self, name):
        assert not is_identifier(name)

    def test_pipes_make_lists(self):
        assert guess("oil|canvas", "bronze") == ColumnType("list", "|")
        assert guess("oil|wood", "oil", "wood", "bronze", "ink") == ColumnType("list", "|")
        assert guess("Archives (A | B)", *(f"Gift {n}" for n in range(200))) == ColumnType("text")

    def test_titles_with_bars_stay_text(self):
        titles = (*(f"View {n} | Verso {n}" for n in range(9)), *(f"Title {n}" for n in range(20)))
        assert guess(*titles) == ColumnType("text")

    def test_semicolons_make_lists_of_a_vocabulary(self):
        materials = ["oil;canvas", "oil;panel", "ink;paper", "canvas", "panel; ink", "paper"]
        assert guess(*materials) == ColumnType("list", ";")

    def test_semicolons_in_sentences_do_not(self):
        assert guess("Bus Driver; a poster", "Mask; verso", "Mask") == ColumnType("text")
        # thirty prints of one title are no vocabulary either
        assert guess(*["Seeing It Through; Bus Driver"] * 30, "Seeing It Through") == ColumnType(
            "text"
        )

    def test_lists_are_stripped_and_empty_values_left_out(self):
        column = pa.array(["oil ; canvas", ";", None, " ink;;"])
        assert convert(column, ColumnType("list", ";")).to_pylist() == [
            ["oil", "canvas"],
            None,
            None,
            ["ink"],
        ]

    @given(st.lists(st.from_regex(r"[+-]?[0-9]{0,3}\.?[0-9]{0,2}", fullmatch=True), min_size=1))
    def test_numbers_found_without_a_type_are_as_many_as_the_texts(self, texts):
        texts = [text for text in texts if text]
        column = convert(pa.array(texts, pa.string()), guess(*texts))
        if not pa.types.is_list(column.type):
            assert len(set(column.to_pylist())) == len(set(texts))

    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
    def test_decimals_are_read_back_unchanged(self, numbers):
        column = pa.array(list(map(repr, numbers)))
        assert convert(column, guess(*column.to_pylist())).to_pylist() == numbers

    @given(st.lists(st.one_of(st.none(), st.integers(-(10**17), 10**17))))
    def test_whole_numbers_are_read_back_unchanged(self, numbers):
        column = pa.array([None if n is None else str(n) for n in numbers], pa.string())
        type_ = guess(*column.to_pylist())
        if any(n is not None for n in numbers):
            assert convert(column, type_).to_pylist() == numbers


def test_options_are_the_same_as_plain_values_and_are_written_as_they_are_typed(tmp_path):
    options = ReaderOptions(
        id_column="nr", images=tmp_path, types={"year": "text"}, null=("", "n. d."),
        exclude=("*.gif",), settings={"views": "all"},
    )  # fmt: skip
    assert ReaderOptions.from_json(json.loads(json.dumps(options.to_json()))) == options
    assert options.flags == [
        *("--id-column nr", f"--images {tmp_path}", "--type year=text", "--null ''"),
        *("--null 'n. d.'", "--exclude '*.gif'", "--set views=all"),
    ]
    assert ReaderOptions().to_json() == {}
    assert ReaderOptions.from_json({"of a later version": 1}, strict=True) == ReaderOptions(
        strict=True
    )


@pytest.mark.parametrize("name", ["Inventory", "inventory_no.", "Accession Nr", "object no"])
def test_a_column_of_numbers_by_which_museums_name_works_has_the_ids(name, tmp_path):
    (tmp_path / "objects.csv").write_text(f"title,{name},image\nA,P.1,a.jpg\nB,P.2,b.jpg\n")
    catalog = read_collection(tmp_path)
    (batch,) = catalog.batches()
    assert batch["id"].to_pylist() == ["P.1", "P.2"]
    assert catalog.notes == ()


def test_pictures_are_found_in_the_only_folder_beside_a_table_that_has_them(tmp_path):
    (tmp_path / "list.csv").write_text("id,image\n1,a.jpg\n2,b.jpg\n")
    for name in ("Photos 2019", "notes"):
        (tmp_path / name).mkdir()
    (tmp_path / "Photos 2019" / "b.jpg").touch()
    assert read_collection(tmp_path).root == tmp_path / "Photos 2019"
    (tmp_path / "notes" / "b.jpg").touch()  # which of them?
    assert read_collection(tmp_path).root == tmp_path
    (tmp_path / "a.jpg").touch()
    assert read_collection(tmp_path).root == tmp_path


def test_without_a_column_of_ids_a_note_says_what_the_ids_are(tmp_path):
    (tmp_path / "objects.csv").write_text("title,image,sheet\nA,a.jpg,1a\nB,b.jpg,1b\n")
    catalog = read_collection(tmp_path)
    assert catalog.notes == (
        "no column of ids was found, so each work has its picture's path as its id, such as "
        "'a.jpg'; to use another column, name it with --id-column",
    )
    assert read_collection(tmp_path, options=ReaderOptions(id_column="sheet")).notes == ()


class TestDeclaredTypes:
    def test_declared_types_win_over_detected_ones(self, tmp_path):
        catalog = read(
            tmp_path,
            "image,year,medium,span,when\na.jpg,1890,oil; ink,1880-1890,5\nb.jpg,,oil,1900,7.5\n",
            types={"year": "text", "medium": "list", "span": "years", "when": "number"},
        )
        assert rows(catalog)[0] == {
            "id": "a.jpg",
            "image": "a.jpg",
            "year": "1890",
            "medium": ["oil", "ink"],
            "span": {"begin": 1880, "end": 1890},
            "when": 5.0,
        }
        assert rows(catalog)[1]["span"] == {"begin": 1900, "end": 1900}

    def test_a_list_may_use_commas(self, tmp_path):
        catalog = read(tmp_path, 'image,m\na,"oil, ink"\n', types={"m": "list"})
        assert rows(catalog)[0]["m"] == ["oil", "ink"]

    def test_an_identifier_may_be_declared_a_number(self, tmp_path):
        assert types(read(tmp_path, "image,artist_id\na,7\n", types={"artist_id": "number"})) == {
            "artist_id": "int64"
        }

    def test_inventory_numbers_stay_as_they_are_written_in_any_language(self, tmp_path):
        names = ("Inventarnummer", "Standort", "Numero inventario", "shelfmark", "series")
        numbers = ("1990.1", "1990.10", "1990.100", "1991.2")
        lines = [",".join((f"{n}.jpg", *[each] * 5)) for n, each in enumerate(numbers)]
        catalog = read(tmp_path, "\n".join((",".join(("image", *names)), *lines)))
        assert [[row[name] for row in rows(catalog)] for name in names] == [[*numbers]] * 5
        assert catalog.notes[0].startswith(
            "columns of numbers stay text where a number would be written differently: "
            "Inventarnummer (1990.10 in row 2), Standort (1990.10 in row 2), "
        )

    def test_a_number_that_is_declared_may_be_written_in_any_way(self, tmp_path):
        text = "image,height,count\na,045.70,007\nb,+.5,+8\nc,5.,nan\n"
        catalog = read(tmp_path, text, types={"height": "number", "count": "number"})
        assert [tuple(row.values())[2:] for row in rows(catalog)] == [
            (45.7, 7),
            (0.5, 8),
            (5, None),
        ]
        assert not [note for note in catalog.notes if "count" in note]

    @pytest.mark.parametrize("type_", ["number", "years"])
    def test_an_invalid_value_is_missing_and_named_with_its_row(self, type_, tmp_path):
        file = tmp_path / "objects.csv"
        file.write_text("image,year\na,1890\nb,gone\nc,lost\nd,\ne,n.d.\n")
        catalog = read_collection(file, options=ReaderOptions(types={"year": type_}))
        (batch,) = catalog.batches()
        assert batch["year"].is_valid().to_pylist() == [True, *[False] * 4]
        note, _ = catalog.notes
        odd = 2 if type_ == "years" else 3  # n.d. is a date that says there is none
        assert note.endswith(f"count as missing: {odd}, first 'gone' in row 2")

    def test_a_word_for_no_date_leaves_a_column_of_years_numbers(self, tmp_path):
        (tmp_path / "objects.csv").write_text("image,year\na,1819\nb,no date\nc,n.d.\n")
        (batch,) = read_collection(tmp_path).batches()
        assert batch["year"].to_pylist() == [1819, None, None]

    def test_a_column_without_a_value_of_its_type_is_named(self, tmp_path):
        text = "image,year\na,late\nb,c. 1890\n"
        with pytest.raises(ReaderError, match=r"row 1, column 'year': 'late' is not .*number"):
            read(tmp_path, text, types={"year": "number"})

    def test_an_invalid_date_is_missing_without_an_error(self, tmp_path):
        text = "image,year\na,1890\nb,c. 1890\nc,no idea\nd,n.d.\n"
        catalog = read(tmp_path, text, types={"year": "years"})
        assert [row["year"] for row in rows(catalog)] == [
            {"begin": 1890, "end": 1890},
            {"begin": 1885, "end": 1895},
            None,
            None,
        ]

    def test_unknown_columns_and_types_list_the_known(self, tmp_path):
        with pytest.raises(
            ReaderError, match=r"no column named 'yaer'.*its columns are image, year"
        ):
            read(tmp_path, "image,year\na,1\n", types={"yaer": "number"})
        with pytest.raises(ReaderError, match=r"no type named 'int'.*text, list, number, years"):
            read(tmp_path, types={"year": "int"})


class TestParquet:
    def test_types_are_kept(self, tmp_path):
        table = pa.table(
            {
                "object_id": pa.array([1.0, 2.0, None]),  # as pandas keeps integers beside a null
                "image": ["a.jpg", " b.jpg ", ""],
                "year": pa.array([1890, None, 1900], pa.int16()),
                "code": ["01", "2", "3"],
                "price": pa.array([Decimal("1.5"), None, None]),
                "style": pa.array(["Rococo", None, "Rococo"]).dictionary_encode(),
                "terms": pa.array([["a", "b"], [], None]),
                "tags": ["a|b", "b", None],
                "seen": [True, False, None],
                "acquired": [datetime.date(1997, 1, 15), None, None],
                "span": [{"begin": 1, "end": 2}, None, None],
                "vector": [[0.5, 0.5], None, None],
                "thumbnail": [b"\xff\xd8", None, None],
            }
        )
        pq.write_table(table, tmp_path / "objects.parquet")
        catalog = read(tmp_path)
        assert types(catalog) == {
            "year": "int64",
            "code": "string",
            "price": "double",
            "style": "string",
            "terms": "list<item: string>",
            "tags": "list<item: string>",
            "seen": "string",
            "acquired": "string",
            "span": "struct<begin: int32, end: int32>",
        }
        first, second, third = rows(catalog)
        assert first == {
            "id": "1",
            "image": "a.jpg",
            "year": 1890,
            "code": "01",
            "price": 1.5,
            "style": "Rococo",
            "terms": ["a", "b"],
            "tags": ["a", "b"],
            "seen": "true",
            "acquired": "1997-01-15",
            "span": {"begin": 1, "end": 2},
        }
        assert (second["id"], second["image"], second["terms"]) == ("2", "b.jpg", None)
        assert (third["id"], third["image"], third["year"]) == (None, None, 1900)

    def test_numbers_can_be_declared_text_and_lists_cannot(self, tmp_path):
        pq.write_table(pa.table({"image": ["a"], "n": [7], "m": [["x"]]}), tmp_path / "a.parquet")
        assert rows(read(tmp_path, types={"n": "text"})) == [
            {"id": "a", "image": "a", "n": "7", "m": ["x"]}
        ]
        with pytest.raises(ReaderError, match=r"column 'm': list<.*> cannot become text"):
            read(tmp_path, types={"m": "text"})

    def test_placeholders_are_missing_in_numbers_and_lists_as_well(self, tmp_path):
        columns = {
            "image": ["a", "b", "c", "d"],
            "n": [1.5, float("nan"), float("inf"), None],
            "m": [["x ", None, ""], [], [" "], None],
        }
        pq.write_table(pa.table(columns), tmp_path / "a.parquet")
        found = rows(read(tmp_path))
        assert [row["n"] for row in found] == [1.5, None, None, None]
        assert [row["m"] for row in found] == [["x"], None, None, None]

    def test_a_file_that_is_not_parquet_gives_a_one_line_error(self, tmp_path):
        write(tmp_path / "objects.parquet", "id,image\n1,a.jpg\n")
        with pytest.raises(
            ReaderError, match=r"^[^\n]*objects\.parquet cannot be read as Parquet[^\n]*$"
        ):
            read(tmp_path)


def test_batches_do_not_grow_with_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited_file, "BATCH_ROWS", 100)
    text = "id,image\n" + "".join(f"{n},{n}.jpg\n" for n in range(1050))
    found = list(read(tmp_path, text).batches())
    assert max(batch.num_rows for batch in found) == 100
    assert [id_ for batch in found for id_ in batch["id"].to_pylist()] == [
        str(n) for n in range(1050)
    ]


def sizes_of_batches(catalog):
    return [batch.num_rows for batch in catalog.batches()]


def test_batches_hold_fewer_rows_where_texts_are_long(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "BATCH_BYTES", 1000)
    short = [{"id": str(n), "image": f"{n}.jpg", "title": "x"} for n in range(20)]
    long = [row | {"title": f"{n} " + "x" * 600} for n, row in enumerate(short)]
    for name, table, most in (("short", short, 20), ("long", long, 1)):
        file = tmp_path / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist(table), file, use_dictionary=False)
        assert sizes_of_batches(read_collection(file)) == [most] * (20 // most)
        assert [row["title"] for row in rows(read_collection(file))] == [
            row["title"] for row in table
        ]
    write(tmp_path / "bad.csv", "id,image,title\n1,a.jpg\n" + f"2,b.jpg,{'x' * 600}\n" * 5)
    bad = read_collection(tmp_path / "bad.csv", options=ReaderOptions(strict=False))
    assert sizes_of_batches(bad) == [2, 2, 1]
    write(
        tmp_path / "records.json",
        json.dumps([{"id": str(n), "image": "a.jpg", "about": ["x" * 600]} for n in range(3)]),
    )
    assert sizes_of_batches(read_collection(f"records:{tmp_path / 'records.json'}")) == [2, 1]


def test_the_values_that_are_examined_for_lists_are_few_where_they_are_long(monkeypatch):
    monkeypatch.setattr("artsim.readers.columns._CHARACTERS", 10)
    terms = ["ab; cd", "cd; ab", "ab; ef", "ef; cd"]
    few, many = ColumnGuess("subject"), ColumnGuess("subject")
    for value in terms:
        few.add(pa.array([value, value]))
    assert (list(few._distinct), few._characters) == (terms[:2], 12)
    many.add(pa.array(terms))
    assert few.decide() == many.decide() == ColumnType("list", ";")


def test_a_qualifier_in_an_artists_name_has_its_own_column(tmp_path):
    text = "id,image,artist\n1,a.jpg,Rembrandt\n2,b.jpg,Workshop of Rembrandt\n3,c.jpg,\n"
    (tmp_path / "objects.csv").write_text(text)
    catalog = read_collection(tmp_path)
    (batch,) = catalog.batches()
    assert batch["artist"].to_pylist() == ["Rembrandt", "Rembrandt", None]
    assert batch["artist_qualifier"].to_pylist() == [None, "workshop of", None]
    assert batch.schema == catalog.schema


def test_a_genitive_is_the_name_that_occurs_without_it(tmp_path):
    artists = ["Rembrandt", "Werkstatt Rembrandts", "Umkreis Rubens'", "Peter Paul Rubens",
               "Rubens", "Nachfolger Tizians", "Werkstatt Frans Hals"]  # fmt: skip
    lines = [f"{n},{n}.jpg,{artist}" for n, artist in enumerate(artists)]
    (tmp_path / "works.csv").write_text("\n".join(["id,image,artist", *lines]))
    found = rows(read(tmp_path / "works.csv"))
    assert [(row["artist"], row["artist_qualifier"]) for row in found] == [
        ("Rembrandt", None),
        ("Rembrandt", "workshop of"),
        ("Rubens", "circle of"),
        ("Peter Paul Rubens", None),
        ("Rubens", None),
        ("Tizians", "follower of"),  # nothing says that he is called Tizian
        ("Frans Hals", "workshop of"),
    ]


def test_qualifiers_in_a_list_of_artists_keep_their_places(tmp_path):
    text = "id,image,artist\n1,a.jpg,Hals|after Rembrandt\n2,b.jpg,Hals\n"
    (tmp_path / "objects.csv").write_text(text)
    (batch,) = read_collection(tmp_path).batches()
    assert batch["artist"].to_pylist() == [["Hals", "Rembrandt"], ["Hals"]]
    assert batch["artist_qualifier"].to_pylist() == [[None, "after"], None]


class TestLists:
    TEXT = 'id,image,maker\n1,a.jpg,"Naam, Een$Naam, Twee"\n2,b.jpg,anoniem\n3,c.jpg,anoniem$X\n'

    def makers(self, folder, types=None, null=(), **settings):
        (folder / "objects.csv").write_text(self.TEXT)
        options = ReaderOptions(settings=settings, types=types or {}, null=null)
        (batch,) = read_collection(folder, options=options).batches()
        return batch["maker"].to_pylist()

    @pytest.mark.parametrize("types", [{}, {"maker": "list"}])
    def test_a_separator_can_be_given_and_names_keep_their_commas(self, types, tmp_path):
        assert self.makers(tmp_path, types, separator="$") == [
            ["Naam, Een", "Naam, Twee"],
            ["anoniem"],
            ["anoniem", "X"],
        ]

    def test_words_for_no_value_are_missing_alone_and_in_lists(self, tmp_path):
        assert self.makers(tmp_path, separator="$", null=("anoniem", "unknown")) == [
            ["Naam, Een", "Naam, Twee"],
            None,
            [None, "X"],
        ]

    def test_an_empty_role_keeps_its_place(self, tmp_path):
        text = "id,image,name,role\n1,a.jpg,A|C,|publisher\n2,b.jpg,B|C,after|\n3,c.jpg,A,\n"
        (tmp_path / "objects.csv").write_text(text)
        (batch,) = read_collection(tmp_path).batches()
        assert batch["role"].to_pylist() == [[None, "publisher"], ["after", None], None]


class TestViews:
    TEXT = "id,image_url\n1,https://e.org/1.jpg\n2,https://e.org/2a.jpg|https://e.org/2b.jpg\n3,\n"

    def rows(self, folder, **settings):
        (folder / "objects.csv").write_text(self.TEXT)
        (batch,) = read_collection(folder, options=ReaderOptions(settings=settings)).batches()
        return batch.to_pylist()

    def test_the_first_of_several_addresses_in_a_cell_is_the_picture(self, tmp_path):
        assert [(row["id"], row["image"]) for row in self.rows(tmp_path)] == [
            ("1", "https://e.org/1.jpg"),
            ("2", "https://e.org/2a.jpg"),
            ("3", None),
        ]

    def test_a_note_counts_the_rows_of_which_pictures_are_left_out(self, tmp_path):
        (tmp_path / "objects.csv").write_text(self.TEXT)
        assert read_collection(tmp_path).notes == (
            "1 row names several pictures: the first is read; --set views=all makes a row of each "
            "picture",
        )
        every = ReaderOptions(settings={"views": "all"})
        assert read_collection(tmp_path, options=every).notes == ()

    def test_all_views_are_rows_that_share_their_object(self, tmp_path):
        assert [tuple(row.values()) for row in self.rows(tmp_path, views="all")] == [
            ("1", "https://e.org/1.jpg", "1", 1),
            ("2_1", "https://e.org/2a.jpg", "2", 1),
            ("2_2", "https://e.org/2b.jpg", "2", 2),
            ("3", None, "3", 1),
        ]


def test_pictures_inside_a_parquet_file_are_named_as_such(tmp_path):
    picture = pa.array([{"bytes": b"", "path": "a.jpg"}])
    pq.write_table(pa.table({"image": picture, "artist": ["A"]}), tmp_path / "train.parquet")
    match = r"holds the pictures themselves, in the column 'image'; read it with imageparquet:"
    with pytest.raises(ReaderError, match=match):
        read_collection(f"table:{tmp_path}")
