"""Real museum files: what their README states, row for row."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from artsim.readers import read_collection

DATA = Path(os.environ.get("ARTSIM_DATA") or Path(__file__).parents[2] / "shared" / "data")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA} (ARTSIM_DATA)")


def table(catalogue) -> pa.Table:
    return pa.Table.from_batches(catalogue.batches(), catalogue.schema)


def counts(column) -> dict[str, int]:
    return {pair["values"]: pair["counts"] for pair in pc.value_counts(column).to_pylist()}


class TestPaintings:
    def test_every_row_and_picture_is_there(self):
        catalogue = read_collection(DATA / "paintings")
        rows = table(catalogue)
        assert (catalogue.name, catalogue.reader, rows.num_rows) == ("paintings", "table", 2273)
        assert len(counts(rows["artist"])) == 24
        assert len(counts(rows["style"])) == 6
        assert {min(counts(rows["artist"]).values()), max(counts(rows["artist"]).values())} == {
            66,
            100,
        }
        assert all((catalogue.root / image).is_file() for image in rows["image"].to_pylist())

    def test_columns_have_their_types(self):
        schema = read_collection(DATA / "paintings").schema
        text = ("id", "image", "title", "artist", "style", "genre", "rights")
        assert {field.name: field.type for field in schema} == dict.fromkeys(
            text, pa.string()
        ) | dict.fromkeys(
            ("year", "artist_died", "width_catalogue", "height_catalogue"), pa.int64()
        )

    def test_the_pictures_alone_are_read_as_a_folder(self):
        rows = table(read_collection(f"folder:{DATA / 'paintings'}"))
        assert rows.num_rows == 2273
        assert counts(rows["class"]) == {"images": 2273}


class TestAntiquities:
    def test_every_row_and_picture_is_there(self):
        catalogue = read_collection(DATA / "antiquities")
        rows = table(catalogue)
        assert rows.num_rows == 968
        assert len(counts(rows["object_type"])) == 4
        assert all((catalogue.root / image).is_file() for image in rows["image"].to_pylist())

    def test_semicolons_in_titles_media_and_periods_make_no_lists(self):
        schema = read_collection(DATA / "antiquities").schema
        assert set(schema.types) == {pa.string()}
