"""Real museum files: what their README states, row for row."""

import csv
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from artsim.readers import ReaderOptions, read_collection

DATA = Path(os.environ.get("ARTSIM_DATA") or Path(__file__).parents[2] / "shared" / "data")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA} (ARTSIM_DATA)")


def table(catalog) -> pa.Table:
    return pa.Table.from_batches(catalog.batches(), catalog.schema)


def lithographs(rows: pa.Table) -> int:
    is_one = pc.match_substring(rows["medium"], "lithograph", ignore_case=True)
    return pc.sum(is_one).as_py()


def counts(column) -> dict[str, int]:
    return {pair["values"]: pair["counts"] for pair in pc.value_counts(column).to_pylist()}


class TestPaintings:
    def test_every_row_and_picture_is_read(self):
        catalog = read_collection(DATA / "paintings")
        rows = table(catalog)
        assert (catalog.name, catalog.reader, rows.num_rows) == ("paintings", "table", 2273)
        assert len(counts(rows["artist"])) == 24
        assert len(counts(rows["style"])) == 6
        assert {min(counts(rows["artist"]).values()), max(counts(rows["artist"]).values())} == {
            66,
            100,
        }
        assert all((catalog.root / image).is_file() for image in rows["image"].to_pylist())

    def test_columns_have_their_types(self):
        schema = read_collection(DATA / "paintings").schema
        text = ("id", "image", "title", "artist", "style", "genre", "rights")
        assert {field.name: field.type for field in schema} == dict.fromkeys(
            text, pa.string()
        ) | dict.fromkeys(("year", "artist_died", "width_catalog", "height_catalog"), pa.int64())

    def test_the_pictures_alone_are_read_as_a_folder(self):
        rows = table(read_collection(f"folder:{DATA / 'paintings'}"))
        assert rows.num_rows == 2273
        assert counts(rows["class"]) == {"images": 2273}


class TestAntiquities:
    def test_every_row_and_picture_is_read(self):
        catalog = read_collection(DATA / "antiquities")
        rows = table(catalog)
        assert rows.num_rows == 968
        assert len(counts(rows["object_type"])) == 4
        assert all((catalog.root / image).is_file() for image in rows["image"].to_pylist())

    def test_semicolons_in_titles_media_and_periods_make_no_lists(self):
        schema = read_collection(DATA / "antiquities").schema
        assert set(schema.types) == {pa.string()}


class TestMame:
    def test_the_given_split_is_kept(self):
        rows = table(read_collection(DATA / "mame"))
        assert rows.num_rows == 37_407
        assert counts(rows["split"]) == {"train": 20_300, "val": 1_450, "test": 15_657}

    def test_there_are_29_media_without_trailing_spaces(self):
        media = counts(table(read_collection(DATA / "mame"))["medium"])
        assert len(media) == 29
        assert "Woven fabric" in media
        assert all(medium == medium.strip() for medium in media)

    def test_sizes_are_whole_pixels(self):
        rows = table(read_collection(DATA / "mame"))
        assert rows.schema.field("pixel_width").type == pa.int64()
        product = pc.multiply(rows["pixel_width"], rows["pixel_height"])
        assert product.equals(rows["pixel_count"])
        ratio = pc.divide(rows["pixel_width"].cast(pa.float64()), rows["pixel_height"])
        assert pc.max(pc.abs(pc.subtract(ratio, rows["aspect_ratio"]))).as_py() < 1e-4

    def test_no_column_contains_instance_ids(self):
        rows = table(read_collection(DATA / "mame"))
        assert len(set(rows["id"].to_pylist())) == 37_407
        for name in set(rows.column_names) - {"id", "image"}:
            assert "29.100.60" not in map(str, rows[name].to_pylist()), name


class TestMoma:
    def test_the_layout_of_2015(self):
        rows = table(read_collection(DATA / "moma" / "Artworks_2015_sample.csv"))
        assert rows.num_rows == 12_000
        assert lithographs(rows) == 1_788

    def test_the_layout_of_29_columns(self):
        rows = table(read_collection(DATA / "moma" / "Artworks_29col.csv"))
        assert rows.num_rows == 1_589
        # the README says 2, but its rule, "in any case", gives 25 with Python's csv module too
        assert lithographs(rows) == 25
        assert len(rows.schema) == 31  # and the years, and the date in words
        last = rows.slice(1_588).to_pylist()[0]  # where the download was cut off
        assert (last["id"], last["title"], last["image"]) == ("2302", "Domino Table", None)

    def test_lives_are_read_and_zero_is_unknown(self):
        rows = table(read_collection(DATA / "moma" / "Artworks_29col.csv"))
        born, died = counts(rows["artist_born"]), counts(rows["artist_died"])
        assert (born[1901], born[1886]) >= (120, 100)
        assert 0 not in born
        assert 0 not in died
        assert died[None] > 600

    def test_several_nationalities_are_several(self):
        rows = table(read_collection(DATA / "moma" / "Artworks_29col.csv"))
        values = rows["nationality"].combine_chunks()
        named = set(values.flatten().to_pylist())
        assert {"American", "Dutch", "Japanese"} <= named
        assert not any(set("()") & set(name) for name in named)
        assert pc.max(pc.list_value_length(values)).as_py() == 10

    def test_most_dates_are_years(self):
        rows = table(read_collection(DATA / "moma" / "Artworks_2015_sample.csv"))
        years = rows["years"].combine_chunks()
        assert rows.num_rows - years.null_count == 11_626
        begin, end = years.field("begin").drop_null(), years.field("end").drop_null()
        assert (pc.min(begin).as_py(), pc.max(end).as_py()) == (
            601,
            2015,
        )  # a bowl, 7th-8th century


@pytest.fixture(scope="module")
def wikiart():
    return table(read_collection(DATA / "wikiart"))


class TestWikiart:
    @pytest.mark.parametrize(
        ("task", "train", "val", "classes"),
        [
            ("style", 57_025, 24_421, 27),
            ("genre", 45_503, 19_491, 10),  # 19,492 rows in val: one picture twice
            ("artist", 13_346, 5_706, 23),
        ],
    )
    def test_every_list_is_read_whole(self, wikiart, task, train, val, classes):
        split = counts(wikiart[f"{task}_split"])
        assert (split["train"], split["val"]) == (train, val)
        assert len(counts(wikiart[task].drop_null())) == classes
        assert wikiart[task].null_count == split.get(None, 0) == wikiart.num_rows - train - val

    def test_the_one_repeated_row_keeps_its_first_class(self, wikiart):
        lines = (DATA / "wikiart" / "genre_val.csv").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 19_492
        name = "Post_Impressionism/maurice-de-vlaminck_the-village.jpg"
        assert [line for line in lines if line.startswith(name)] == [f"{name},1", f"{name},4"]
        (row,) = wikiart.filter(pc.equal(wikiart["id"], name)).to_pylist()
        assert (row["genre"], row["genre_split"]) == ("cityscape", "val")

    def test_every_picture_is_one_row(self, wikiart):
        assert len(set(wikiart["id"].to_pylist())) == wikiart.num_rows == 57_025 + 24_421

    def test_213_pictures_are_val_for_style_and_train_for_genre(self, wikiart):
        style, genre = wikiart["style_split"], wikiart["genre_split"]
        both = pc.and_(pc.equal(style, "val"), pc.equal(genre, "train"))
        assert pc.sum(both).as_py() == 213

    def test_the_class_is_not_the_name_of_the_directory(self, wikiart):
        is_nouveau = pc.equal(wikiart["style"], "Art_Nouveau")
        directories = {id_.split("/")[0] for id_ in wikiart.filter(is_nouveau)["id"].to_pylist()}
        assert directories == {"Art_Nouveau_Modern"}

    def test_file_names_are_kept_as_on_the_disk(self, wikiart):
        ids = set(wikiart["id"].to_pylist())
        assert "Naive_Art_Primitivism/gr\u00e3\u00a9goire-michonze_birds.jpg" in ids
        assert "Abstract_Expressionism/gene-davis_untitled-1979(3).jpg" in ids


class TestNga:
    """The real samples, put where the reader finds them; objects are named as they need."""

    def museum(self, folder, works):
        """Write works as objects.csv and published_images.csv, with the real other tables."""
        for name in ("objects_terms", "objects_dimensions"):
            shutil.copy(DATA / "nga" / f"{name}.sample.csv", folder / f"{name}.csv")
        shutil.copy(DATA / "nga" / "constituents.csv", folder)
        objects = ["objectid,title,attribution,beginyear,endyear"]
        images = ["uuid,iiifurl,viewtype,sequence,width,height,depictstmsobjectid"]
        for id_, (title, attribution, begin, end, address) in works.items():
            objects.append(f'{id_},"{title}",{attribution},{begin},{end}')
            images.append(f"{id_},{address},primary,0,4000,3000,{id_}")
        (folder / "objects.csv").write_text("\n".join(objects), encoding="utf-8")
        (folder / "published_images.csv").write_text("\n".join(images), encoding="utf-8")
        return table(read_collection(folder)).to_pylist()

    def test_twelve_works_with_their_addresses_and_artist(self, tmp_path):
        file = DATA / "nga" / "vgww_object-details.csv"
        with file.open(encoding="utf-8-sig", newline="") as lines:
            works = {
                number: (work[6], work[4], work[12], work[13], work[37])
                for number, work in enumerate(csv.reader(lines))
            }
        rows = self.museum(tmp_path, works)
        assert len(rows) == 12
        assert [row["image"] for row in rows] == [
            f"{work[4]}/full/!512,512/0/default.jpg" for work in works.values()
        ]
        assert rows[0]["title"] == "La Mousmé"
        assert rows[0]["years"] == {"begin": 1888, "end": 1888}
        artists = [(row["artist"], row["nationality"]) for row in rows]
        assert artists.count((["Vincent van Gogh"], ["Dutch"])) == 10
        assert artists.count((["Anonymous Artist"], None)) == 2

    def test_terms_and_dimensions_of_the_samples(self, tmp_path):
        ids = (0, 2, 29, 55, 119, 127, 52461, 12784, 163360, 68228)
        rows = self.museum(tmp_path, dict.fromkeys(ids, ("", "", "", "", "https://x")))
        found = {
            row["id"]: {
                name: value
                for name, value in row.items()
                if value is not None and (name.endswith("_cm") or isinstance(value, list))
            }
            for row in rows
        }
        assert found == {
            "0": {"height_cm": 62.2, "width_cm": 34.8},
            "2": {"height_cm": 197.0, "width_cm": 80.0},
            "29": {"height_cm": 95.0},
            "55": {},  # a weight
            "119": {"depth_cm": 33.5},
            "127": {"diameter_cm": 60.9601219202},
            "12784": {"place_executed": ["Illinois"]},
            "52461": {"school": ["Czech"]},
            "68228": {"keyword": ["New York"]},
            "163360": {"theme": ["Themes"]},
        }

    def test_the_real_constituents_are_whole(self, tmp_path):
        shutil.copy(DATA / "nga" / "constituents.csv", tmp_path)
        rows = table(
            read_collection(
                f"table:{tmp_path / 'constituents.csv'}",
                options=ReaderOptions(id_column="constituentid", image_column="forwarddisplayname"),
            )
        )
        assert rows.num_rows == 27_438
