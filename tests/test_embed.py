"""Embedding: the right vectors with the right rows, whatever is new, changed, gone or broken."""

import csv
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from conftest import ROOT, MeanColor, toy_passport, without_umap

from artsim import loader
from artsim.datatypes import Catalog
from artsim.embedding import EmbedSettings, embed_collection
from artsim.errors import ImageError, PassportError, ReaderError, ResourcesError, StoreError
from artsim.index import is_current, make_layout, read_layout
from artsim.models import Extractor
from artsim.readers import ReaderOptions, read_collection
from artsim.store import Store

SMALL = EmbedSettings(batch_size=2, workers=2, part_rows=3)


def embed(collection, path, extractor, settings=SMALL, **options):
    return embed_collection(
        read_collection(collection), path, extractor, settings=settings, **options
    )


def contents(path):
    """Return every row of an index by id, the vectors as lists."""
    store = Store.open(path)
    table = pa.concat_tables([store.read_part(n) for n in range(len(store.manifest.parts))])
    return {row.pop("id"): row for row in table.to_pylist()}


def write_table(folder, rows, header=("id", "image", "artist")):
    with (folder / "objects.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return folder


@pytest.fixture
def museum(tmp_path, paint):
    """Six pictures with an artist each."""
    folder = tmp_path / "museum"
    rows = []
    for n in range(6):
        paint(folder / "images" / f"{n}.png", (40 * n, 0, 255 - 40 * n))
        rows.append((f"p{n}", f"images/{n}.png", "Ada" if n < 3 else "Ben"))
    return write_table(folder, rows)


def test_every_picture_has_its_own_vector_and_metadata(museum, tmp_path, toy):
    summary = embed(museum, tmp_path / "i", toy)
    assert (summary.rows, summary.embedded, summary.failures) == (6, 6, 0)
    rows = contents(tmp_path / "i")
    for n in range(6):
        row = rows[f"p{n}"]
        np.testing.assert_allclose(row["rgb"], [40 * n, 0, 255 - 40 * n], rtol=5e-4)
        assert row["image"] == f"images/{n}.png"
        assert row["artist"] == ("Ada" if n < 3 else "Ben")
        assert (row["width"], row["height"]) == (12, 10)
    assert [part.rows for part in Store.open(tmp_path / "i").manifest.parts] == [3, 3]


@pytest.mark.parametrize(
    ("works", "numbers", "rows"),
    [
        (999_999, 512, 1024),
        (1_000_000, 512, 16_384),
        (1_000_000, 8192, 2048),  # a map of 4 x 4 x 512
        (10, 8192 * 10, 204),  # and its tiles
        (10, 1 << 30, 1),
    ],
)
def test_parts_are_larger_in_a_large_catalog_but_never_too_large_for_memory(works, numbers, rows):
    assert EmbedSettings().rows_of_part(works, numbers) == rows
    assert EmbedSettings(part_rows=7).rows_of_part(works, numbers) == 7


@pytest.mark.parametrize(
    ("works", "text", "rows"),
    [
        (1000, 1000 * 1200, 1024),
        (1000, 1000 << 20, 16),  # a novel for each
        (2_000_000, 2_000_000 * 1200, 13_981),
        (3, 3 << 30, 1),
    ],
)
def test_parts_are_smaller_where_texts_are_long(works, text, rows):
    assert EmbedSettings().rows_of_part(works, 512, text) == rows


@pytest.mark.parametrize(("many", "tiles", "by_torch"), [(7, 0, 0), (6, 0, 6), (30, 2, 30)])
def test_many_pictures_and_tiles_are_resized_by_torch(
    museum, tmp_path, toy, monkeypatch, many, tiles, by_torch
):
    resized = []
    resize = loader._by_torch
    monkeypatch.setattr(loader, "_MANY", many)
    monkeypatch.setattr(loader, "_by_torch", lambda *args: resized.append(1) or resize(*args))
    embed(museum, tmp_path / "i", toy, EmbedSettings(tiles=tiles))
    assert len(resized) == by_torch


def test_wide_vectors_and_tiles_make_smaller_parts(museum, tmp_path, toy, monkeypatch):
    monkeypatch.setattr("artsim.embedding.chunks._PART_BYTES", 4 * 3 * (1 + 2**2) * 2)
    embed(museum, tmp_path / "i", toy, EmbedSettings(batch_size=2, tiles=2))
    assert [part.rows for part in Store.open(tmp_path / "i").manifest.parts] == [2, 2, 2]


def test_long_texts_make_smaller_parts_and_the_same_rows(museum, tmp_path, toy, monkeypatch):
    embed(museum, tmp_path / "i", toy)
    whole = contents(tmp_path / "i")
    monkeypatch.setattr("artsim.embedding.chunks._PART_TEXT", 1)
    embed(museum, tmp_path / "j", toy, EmbedSettings(batch_size=2))
    assert [part.rows for part in Store.open(tmp_path / "j").manifest.parts] == [1] * 6
    assert contents(tmp_path / "j") == whole


def test_the_search_index_is_built_too(museum, tmp_path, toy):
    embed(museum, tmp_path / "i", toy)
    assert is_current(Store.open(tmp_path / "i"), "rgb")


def test_pictures_go_through_the_network_in_batches(museum, tmp_path):
    network = MeanColor()
    embed(museum, tmp_path / "i", Extractor(network, toy_passport()))
    assert network.batches == [2, 1, 2, 1]


def test_several_taps_are_several_columns(museum, tmp_path):
    embed(museum, tmp_path / "i", Extractor(MeanColor(taps=2), toy_passport(("rgb", "bgr"))))
    row = contents(tmp_path / "i")["p1"]
    assert row["rgb"] == row["bgr"][::-1]


def test_progress_is_reported_to_the_end(museum, tmp_path, toy):
    calls = []
    embed(museum, tmp_path / "i", toy, progress=lambda *numbers: calls.append(numbers))
    assert calls[0] == (0, 6, 0)
    assert calls[-1] == (6, 6, 0)
    assert [done for done, _, _ in calls] == sorted(done for done, _, _ in calls)


def test_a_second_run_embeds_nothing_and_touches_no_part(museum, tmp_path, toy):
    embed(museum, tmp_path / "i", toy)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "i" / "parts").iterdir()}
    summary = embed(museum, tmp_path / "i", toy)
    assert (summary.embedded, summary.kept, summary.rows) == (0, 6, 6)
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / "i" / "parts").iterdir()} == before


def test_a_new_picture_is_embedded_alone(museum, tmp_path, toy, paint):
    embed(museum, tmp_path / "i", toy)
    paint(museum / "images" / "6.png", (1, 2, 3))
    with (museum / "objects.csv").open("a") as file:
        file.write("p6,images/6.png,Cy\n")
    summary = embed(museum, tmp_path / "i", toy)
    assert (summary.embedded, summary.kept, summary.dropped) == (1, 6, 0)
    assert contents(tmp_path / "i")["p6"]["rgb"] == [1, 2, 3]
    assert len(contents(tmp_path / "i")) == 7


def test_a_changed_picture_is_embedded_again(museum, tmp_path, toy, paint):
    embed(museum, tmp_path / "i", toy)
    paint(museum / "images" / "2.png", (9, 9, 9))
    summary = embed(museum, tmp_path / "i", toy)
    assert (summary.embedded, summary.kept, summary.dropped) == (1, 5, 1)
    assert contents(tmp_path / "i")["p2"]["rgb"] == [9, 9, 9]


def test_a_catalog_read_before_a_change_finds_it_at_its_next_use(museum, tmp_path, toy, paint):
    catalog = read_collection(museum)
    embed_collection(catalog, tmp_path / "i", toy, settings=SMALL)
    paint(museum / "images" / "2.png", (1, 2, 3), size=(20, 10))
    (museum / "images" / "3.png").unlink()
    again = embed_collection(catalog, tmp_path / "i", toy, settings=SMALL)
    assert (again.kept, again.embedded, again.failures) == (4, 1, 1)
    assert contents(tmp_path / "i")["p2"]["width"] == 20


def test_a_plan_asks_for_no_picture_that_the_reader_saw(museum, tmp_path, toy, monkeypatch):
    embed(museum, tmp_path / "i", toy)
    catalog = read_collection(museum)
    monkeypatch.setattr("artsim.places.status", None)
    monkeypatch.setattr("artsim.places.statuses", None)
    done = embed_collection(catalog, tmp_path / "i", toy, settings=SMALL)
    assert (done.kept, done.embedded, done.failures) == (6, 0, 0)


def test_what_was_seen_of_other_rows_is_not_taken(museum, tmp_path, toy):
    embed(museum, tmp_path / "i", toy)
    catalog = read_collection(museum)
    lines = (museum / "objects.csv").read_text().splitlines()
    (museum / "objects.csv").write_text("\n".join([lines[0], *lines[:0:-1]]))  # in other order
    done = embed_collection(catalog, tmp_path / "i", toy, settings=SMALL)
    assert (done.kept, done.embedded, done.failures) == (6, 0, 0)


def test_a_picture_changed_with_its_old_date_is_found_by_rehash(museum, tmp_path, toy, paint):
    file = museum / "images" / "2.png"
    embed(museum, tmp_path / "i", toy)
    status = file.stat()
    paint(file, (81, 0, 176))  # as long a file as before
    if file.stat().st_size != status.st_size:
        pytest.skip("PNG of another size")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert embed(museum, tmp_path / "i", toy).embedded == 0
    settings = EmbedSettings(part_rows=3, rehash=True)
    assert embed(museum, tmp_path / "i", toy, settings=settings).embedded == 1


def test_a_touched_picture_is_read_but_not_embedded(museum, tmp_path, toy):
    embed(museum, tmp_path / "i", toy)
    os.utime(museum / "images" / "2.png", ns=(1, 1))
    summary = embed(museum, tmp_path / "i", toy)
    assert (summary.embedded, summary.kept) == (0, 6)
    assert contents(tmp_path / "i")["p2"]["file_mtime_ns"] == 1


def test_a_missing_picture_is_dropped(museum, tmp_path, toy):
    embed(museum, tmp_path / "i", toy)
    write_table(museum, [(f"p{n}", f"images/{n}.png", "Ada") for n in (0, 1, 2, 4, 5)])
    summary = embed(museum, tmp_path / "i", toy)
    assert (summary.embedded, summary.kept, summary.dropped) == (0, 5, 1)
    assert sorted(contents(tmp_path / "i")) == ["p0", "p1", "p2", "p4", "p5"]


def test_corrected_metadata_reaches_the_index_without_embedding(museum, tmp_path, toy):
    embed(museum, tmp_path / "i", toy)
    before = contents(tmp_path / "i")["p4"]["rgb"]
    write_table(museum, [(f"p{n}", f"images/{n}.png", f"Artist {n}") for n in range(6)])
    summary = embed(museum, tmp_path / "i", toy)
    assert (summary.embedded, summary.kept) == (0, 6)
    rows = contents(tmp_path / "i")
    assert [rows[f"p{n}"]["artist"] for n in range(6)] == [f"Artist {n}" for n in range(6)]
    assert rows["p4"]["rgb"] == before


def test_a_column_is_added_and_another_removed(museum, tmp_path, toy):
    embed(museum, tmp_path / "i", toy)
    rows = [(f"p{n}", f"images/{n}.png", 1800 + n) for n in range(6)]
    write_table(museum, rows, header=("id", "image", "year"))
    embed(museum, tmp_path / "i", toy)
    assert contents(tmp_path / "i")["p3"]["year"] == 1803
    assert "artist" not in contents(tmp_path / "i")["p3"]
    assert [field.name for field in Store.open(tmp_path / "i").manifest.fields] == ["year"]


def test_swapped_ids_swap_their_vectors(museum, tmp_path, toy):
    embed(museum, tmp_path / "i", toy)
    rows = [(f"p{n}", f"images/{5 - n}.png", "Ada") for n in range(6)]
    embed(write_table(museum, rows), tmp_path / "i", toy, EmbedSettings(allow_loss=True))
    np.testing.assert_allclose(contents(tmp_path / "i")["p0"]["rgb"], [200, 0, 55], rtol=5e-4)


def test_an_updated_index_equals_a_new_one(museum, tmp_path, toy, paint):
    embed(museum, tmp_path / "i", toy)
    (museum / "images" / "0.png").unlink()
    (museum / "images" / "1.png").rename(museum / "images" / "one.png")
    paint(museum / "images" / "7.png", (70, 0, 7))
    names = ["one", "2", "3", "4", "5", "7"]
    write_table(museum, [(f"q{name}", f"images/{name}.png", "Cy") for name in names])
    embed(museum, tmp_path / "i", toy, EmbedSettings(part_rows=3, allow_loss=True))
    embed(museum, tmp_path / "fresh", toy)
    assert contents(tmp_path / "i") == contents(tmp_path / "fresh")


# --- broken things ------------------------------------------------------------------------


def failures(path):
    return {
        row["id"]: (row["stage"], row["reason"]) for row in Store.open(path).failures().to_pylist()
    }


def test_pictures_that_cannot_be_embedded_are_listed_with_the_reason(museum, tmp_path, toy):
    images = museum / "images"
    (images / "1.png").write_text("<!DOCTYPE html><p>404</p>")
    (images / "2.png").write_bytes(b"")
    (images / "3.png").unlink()
    data = (images / "4.png").read_bytes()
    (images / "4.png").write_bytes(data[: len(data) // 2])
    with (museum / "objects.csv").open("a") as file:
        file.write("p5,images/5.png,Again\n,images/5.png,No id\np7,,No image\n")
        file.write("p8,http://example.org/a.jpg,Far\n")
    summary = embed(museum, tmp_path / "i", toy)
    assert sorted(contents(tmp_path / "i")) == ["p0", "p5"]
    assert summary.failures == 8
    found = failures(tmp_path / "i")
    assert found["p1"][0] == "decode"
    assert "<!DOCTYPE html>" in found["p1"][1]
    assert found["p2"][0] == "read"
    assert found["p3"][0] == "read"
    assert found["p3"][1].endswith("3.png is missing")
    assert found["p4"][0] == "decode"
    assert found["p5"] == (
        "catalog",
        "row 6 has the id 'p5' too; give each row its own id",
    )
    assert found[None] == ("catalog", "row 8 has no id")
    assert found["p7"] == ("catalog", "row 9 names no picture")
    assert found["p8"][0] == "catalog"
    assert contents(tmp_path / "i")["p5"]["artist"] == "Ben"


def test_a_repaired_picture_is_embedded_and_no_longer_a_failure(museum, tmp_path, toy, paint):
    (museum / "images" / "1.png").write_text("torn")
    (museum / "images" / "2.png").unlink()
    embed(museum, tmp_path / "i", toy)
    assert sorted(failures(tmp_path / "i")) == ["p1", "p2"]
    assert embed(museum, tmp_path / "i", toy).embedded == 0
    assert sorted(failures(tmp_path / "i")) == ["p1", "p2"]
    paint(museum / "images" / "1.png", (1, 1, 1))
    paint(museum / "images" / "2.png", (2, 2, 2))
    assert embed(museum, tmp_path / "i", toy).embedded == 2
    assert failures(tmp_path / "i") == {}
    assert contents(tmp_path / "i")["p2"]["rgb"] == [2, 2, 2]


def test_a_bomb_is_refused_before_it_is_decoded(museum, tmp_path, toy):
    import struct
    import zlib

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    (museum / "images" / "1.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + header
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )
    embed(museum, tmp_path / "i", toy)
    stage, reason = failures(tmp_path / "i")["p1"]
    assert stage == "decode"
    assert "60,000" in reason or "60000" in reason
    assert "--max-pixels" in reason


def test_vectors_that_are_not_finite_are_failures(museum, tmp_path):
    class Overflowing(MeanColor):
        def __call__(self, pixels):
            vectors = super().__call__(pixels)
            vectors[0][vectors[0][:, 0] == 80] = np.inf
            return vectors

    embed(museum, tmp_path / "i", Extractor(Overflowing(), toy_passport()))
    assert sorted(contents(tmp_path / "i")) == ["p0", "p1", "p3", "p4", "p5"]
    assert failures(tmp_path / "i") == {
        "p2": ("forward", "the network computed numbers that are not finite")
    }


def test_no_readable_picture_leaves_no_index(museum, tmp_path, toy):
    for file in (museum / "images").iterdir():
        file.write_bytes(b"")
    message = (
        r"no picture of '.*museum' could be embedded \(6 at read\); the first: p0: .* is empty"
    )
    for _ in range(2):
        with pytest.raises(ReaderError, match=message):
            embed(museum, tmp_path / "i", toy)
        assert not (tmp_path / "i").exists()


def test_no_readable_picture_removes_no_file_of_others(museum, tmp_path, toy):
    for file in (museum / "images").iterdir():
        file.write_bytes(b"")

    def leave_a_note(*_counts):
        (tmp_path / "i" / "note.txt").write_text("mine")

    with pytest.raises(ReaderError):
        embed(museum, tmp_path / "i", toy, progress=leave_a_note)
    assert [file.name for file in (tmp_path / "i").iterdir()] == ["note.txt"]


def test_an_index_whose_pictures_all_broke_keeps_its_failures(museum, tmp_path, toy):
    embed(museum, tmp_path / "i", toy)
    for file in (museum / "images").iterdir():
        file.write_bytes(b"")
    summary = embed(museum, tmp_path / "i", toy, replace(SMALL, allow_loss=True))
    assert (summary.rows, summary.dropped, summary.failures) == (0, 6, 6)
    assert Store.open(tmp_path / "i").failures().num_rows == 6


def test_a_catalog_of_no_rows_is_refused(museum, tmp_path, toy):
    def nothing():
        return iter(())

    catalog = read_collection(museum)
    empty = Catalog(
        name="none",
        reader="table",
        source=catalog.source,
        root=catalog.root,
        schema=catalog.schema,
        batches=nothing,
    )
    with pytest.raises(ReaderError, match="lists no pictures; nothing to embed"):
        embed_collection(empty, tmp_path / "i", toy)


def test_an_index_of_another_network_is_left_alone(museum, tmp_path, toy):
    embed(museum, tmp_path / "i", toy)
    other = Extractor(MeanColor(), toy_passport(spec="toy:other", weights_sha256="1" * 64))
    with pytest.raises(PassportError, match="spec: toy:mean-color, not toy:other; weights_sha256"):
        embed(museum, tmp_path / "i", other)
    assert len(contents(tmp_path / "i")) == 6


def test_rows_of_two_precisions_are_not_mixed(museum, tmp_path, toy):
    embed(museum, tmp_path / "i", toy)
    rough = Extractor(MeanColor(), toy_passport(compute_dtype="bfloat16"))
    with pytest.raises(PassportError, match="compute_dtype: float32, not bfloat16"):
        embed(museum, tmp_path / "i", rough)


def test_losing_most_of_a_large_index_needs_confirmation(tmp_path, toy, paint):
    folder = tmp_path / "many"
    for n in range(150):
        paint(folder / f"{n}.png", (n, n, n), size=(2, 2))
    embed(folder, tmp_path / "i", toy)
    for n in range(120):
        (folder / f"{n}.png").unlink()
    with pytest.raises(StoreError, match=r"120 of the 150 pictures .*--allow-loss"):
        embed(folder, tmp_path / "i", toy)
    assert len(contents(tmp_path / "i")) == 150
    summary = embed(folder, tmp_path / "i", toy, EmbedSettings(allow_loss=True))
    assert (summary.rows, summary.dropped) == (30, 120)


def test_another_collection_of_the_same_name_does_not_empty_an_index(tmp_path, toy, paint):
    for name in ("a", "b"):
        paint(tmp_path / name / "photos" / f"{name}.png", (9, 9, 9))
    embed(tmp_path / "a" / "photos", tmp_path / "i", toy)
    with pytest.raises(StoreError, match=r"1 of the 1 pictures .*/a/photos', are not in .*/b/ph"):
        embed(tmp_path / "b" / "photos", tmp_path / "i", toy)
    assert list(contents(tmp_path / "i")) == ["a.png"]


def test_other_ids_of_the_same_pictures_are_named_and_empty_no_index(tmp_path, toy, paint):
    folder = tmp_path / "c"
    paint(folder / "x.png", (9, 9, 9))
    paint(folder / "y.png", (8, 8, 8))
    (folder / "objects.csv").write_text("image,number\nx.png,1\ny.png,2\n")
    embed(folder, tmp_path / "i", toy)
    numbered = read_collection(folder, options=ReaderOptions(id_column="number"))
    with pytest.raises(StoreError, match=r"have another id now, such as '1' instead of 'x.png';"):
        embed_collection(numbered, tmp_path / "i", toy)
    assert list(contents(tmp_path / "i")) == ["x.png", "y.png"]


def test_a_map_stays_as_long_as_no_row_is_dropped_or_added(tmp_path, toy, paint, monkeypatch):
    without_umap(monkeypatch)
    for number in range(5):
        paint(tmp_path / "c" / f"{number}.png", (number, 9, 9))
    table = tmp_path / "c" / "objects.csv"
    rows = [f"{number},{number}.png,1900\n" for number in range(5)]
    table.write_text("".join(["id,image,made\n", *rows]))
    embed(tmp_path / "c", tmp_path / "i", toy)
    points = make_layout(Store.open(tmp_path / "i"), "rgb")
    table.write_text(table.read_text().replace("1900", "unknown"))
    assert embed(tmp_path / "c", tmp_path / "i", toy).kept == 5
    store = Store.open(tmp_path / "i")
    assert store.read(["made"]).column(0).to_pylist() == ["unknown"] * 5
    assert read_layout(store, "rgb").tolist() == points.tolist()
    table.write_text("".join(["id,image,made\n", *rows[:4]]))
    embed(tmp_path / "c", tmp_path / "i", toy)
    assert read_layout(Store.open(tmp_path / "i"), "rgb") is None


def test_an_unreadable_collection_is_not_reported_as_a_fault_of_the_index(museum, tmp_path, toy):
    def torn():
        raise OSError(5, "Input/output error", "/mnt/nas/objects.csv")
        yield

    catalog = replace(read_collection(museum), batches=torn)
    with pytest.raises(ReaderError, match=r"cannot read '/mnt/nas/objects.csv': Input/output"):
        embed_collection(catalog, tmp_path / "i", toy)


def test_a_picture_refused_for_its_size_is_tried_again_with_a_higher_limit(
    museum, tmp_path, toy, paint
):
    low, high = (EmbedSettings(part_rows=3, max_pixels=pixels) for pixels in (100, 1000))
    paint(museum / "images" / "0.png", (0, 0, 0), size=(9, 9))
    assert embed(museum, tmp_path / "i", toy, low).failures == 5
    assert embed(museum, tmp_path / "i", toy, low).embedded == 0
    assert embed(museum, tmp_path / "i", toy, high).embedded == 5


@pytest.fixture
def first_alone(museum, monkeypatch):
    """Return what makes all pictures but the first fail with an error; None ends that."""
    from artsim import images

    decode = images.decode
    first = (museum / "images" / "0.png").read_bytes()

    def fail_with(error):
        def failing(data, **options):
            if error is not None and data != first:
                raise error
            return decode(data, **options)

        monkeypatch.setattr(images, "decode", failing)

    return fail_with


def test_rehash_retries_failures(museum, tmp_path, toy, first_alone):
    first_alone(ImageError("torn"))
    assert embed(museum, tmp_path / "i", toy).failures == 5
    assert failures(tmp_path / "i")["p1"] == ("decode", "torn")
    first_alone(None)
    assert embed(museum, tmp_path / "i", toy).embedded == 0
    assert embed(museum, tmp_path / "i", toy, EmbedSettings(rehash=True)).embedded == 5


@pytest.mark.parametrize("error", [MemoryError(), ResourcesError("not enough threads")])
def test_a_passing_shortage_is_tried_again_by_the_next_run(
    museum, tmp_path, toy, first_alone, error
):
    first_alone(error)
    assert embed(museum, tmp_path / "i", toy).failures == 5
    assert failures(tmp_path / "i")["p1"][0] == "resources"
    first_alone(None)
    assert embed(museum, tmp_path / "i", toy).embedded == 5
    assert failures(tmp_path / "i") == {}


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), "memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."), "memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "memory"),
        (RuntimeError("can't start new thread"), "threads"),
    ],
)
def test_a_shortage_while_the_network_computes_is_tried_again(
    museum, tmp_path, toy, monkeypatch, error, short
):
    def fail(_):
        raise error

    index = tmp_path / "i"
    with monkeypatch.context() as patch:
        patch.setattr(toy, "embed_batch", fail)
        with pytest.raises(ReaderError, match=f"at resources.*not enough {short} to compute"):
            embed(museum, index, toy)
    embed(museum, index, toy)
    assert failures(index) == {}


def test_any_other_error_of_the_network_is_raised(museum, tmp_path, toy, monkeypatch):
    def fail(_):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(toy, "embed_batch", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        embed(museum, tmp_path / "i", toy)


def test_pictures_are_loaded_without_threads_where_none_can_be_started(
    museum, tmp_path, toy, monkeypatch
):
    def fail(*_, **__):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("artsim.loader.ThreadPoolExecutor.submit", fail)
    assert embed(museum, tmp_path / "i", toy).embedded == 6


def test_a_pipe_a_device_and_a_file_of_30_gb_are_a_failure_each(museum, tmp_path, toy):
    images = museum / "images"
    for n in (1, 2, 3):
        (images / f"{n}.png").unlink()
    os.mkfifo(images / "1.png")
    (images / "2.png").symlink_to("/dev/zero")
    with (images / "3.png").open("wb") as file:
        file.truncate(30 * 10**9)
    summary = embed(museum, tmp_path / "i", toy)
    assert sorted(contents(tmp_path / "i")) == ["p0", "p4", "p5"]
    assert summary.reasons == {"read": 3}
    found = failures(tmp_path / "i")
    assert found["p1"][1] == f"{images / '1.png'} is a pipe; name a picture file"
    assert found["p2"][1] == f"{images / '2.png'} is a device; name a picture file"
    assert "has 30,000,000,000 bytes, more than the limit of " in found["p3"][1]


def test_an_index_cannot_be_inside_its_collection(museum, toy):
    with pytest.raises(StoreError, match="is not empty and not an index"):
        embed(museum, museum, toy)
    assert sorted(file.name for file in museum.iterdir()) == ["images", "objects.csv"]


@pytest.mark.skipif(os.name == "nt", reason="/sys is Linux's")
def test_a_folder_that_cannot_be_written_gives_a_one_line_error(museum, toy):
    from pathlib import Path

    if not Path("/sys/kernel").is_dir():
        pytest.skip("no /sys to fail to write to")
    with pytest.raises(StoreError, match="cannot write '/sys/kernel/artsim'") as error:
        embed(museum, Path("/sys/kernel/artsim"), toy)
    assert "\n" not in str(error.value)


def test_a_full_disk_gives_a_one_line_error_and_keeps_finished_parts(tmp_path, paint):
    """A limit on file sizes fails the writing of a part as a full disk does."""
    if os.name == "nt":
        pytest.skip("no resource limits on Windows")
    folder = tmp_path / "many"
    for n in range(40):
        paint(folder / f"{n:02}.png", (n, n, n), size=(4, 4))
    code = f"""
import resource, signal, sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from conftest import MeanColor, toy_passport
from artsim.embedding import (EmbedSettings, embed_collection)
from artsim.errors import StoreError
from artsim.models import Extractor
from artsim.readers import read_collection
from pathlib import Path

def stop_after(done, total, failures):
    if done == 20:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))

try:
    embed_collection(
        read_collection({str(folder)!r}), Path({str(tmp_path / "i")!r}),
        Extractor(MeanColor(), toy_passport()),
        settings=EmbedSettings(part_rows=10, batch_size=5), progress=stop_after,
    )
except StoreError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cannot write ")
    assert "what is finished is safe" in done.stdout
    assert done.stdout.count("\n") == 1
    store = Store.open(tmp_path / "i")
    assert store.rows == 10
    assert store.damaged_parts() == []
    embed(folder, tmp_path / "i", Extractor(MeanColor(), toy_passport()))
    assert len(contents(tmp_path / "i")) == 40


@pytest.mark.parametrize("stops", [(1,), (8,), (4, 7), (6, 6, 1)])
def test_a_stopped_run_ends_as_an_uninterrupted_one_where_parts_become_larger(
    stops, tmp_path, paint, toy, monkeypatch
):
    for name, value in (("_LARGE", 20), ("_PART", 4), ("_LARGE_PART", 6)):
        monkeypatch.setattr(f"artsim.embedding.chunks.{name}", value)
    settings = EmbedSettings(batch_size=2)
    rows = [(f"p{n}", f"{n}.png", "") for n in range(30)]
    for n in range(30):
        paint(tmp_path / "museum" / f"{n}.png", (8 * n, 3 * n, 255 - 8 * n))
    (tmp_path / "museum" / "7.png").write_bytes(b"no picture")
    museum = write_table(tmp_path / "museum", rows[:14])
    for path in ("stopped", "straight"):
        embed(museum, tmp_path / path, toy, settings)
    write_table(museum, rows)  # 30 works, of which 16 are new
    embed(museum, tmp_path / "straight", toy, settings)
    for tried in stops:

        def stop(done, total, failures, tried=tried):
            if done >= tried:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            embed(museum, tmp_path / "stopped", toy, settings, progress=stop)
    embed(museum, tmp_path / "stopped", toy, settings)
    stopped, straight = (Store.open(tmp_path / path) for path in ("stopped", "straight"))
    assert [part.rows for part in straight.manifest.parts] == [4, 3, 4, 2, 6, 6, 4]
    assert stopped.manifest.parts == straight.manifest.parts  # names, rows and checksums
    assert contents(stopped.path) == contents(straight.path)
    found, expected = (each.path / "faiss" / "rgb.index" for each in (stopped, straight))
    assert found.read_bytes() == expected.read_bytes()


# --- killed -------------------------------------------------------------------------------


def test_a_run_killed_at_ten_moments_equals_an_uninterrupted_one(tmp_path, paint):
    folder = tmp_path / "many"
    for n in range(120):
        if n % 11 == 3:
            (folder / f"{n:03}.jpg").write_text("not a picture")
        else:
            paint(folder / f"{n:03}.jpg", (2 * n, 255 - 2 * n, n), size=(30, 20))
    # Each run is a fork of one process, which has imported everything; it is killed a moment after
    # it has begun to compute a batch.
    code = f"""
import os, random, signal, sys, threading, time
sys.path.insert(0, {str(ROOT / "tests")!r})
from conftest import MeanColor, toy_passport
from artsim.embedding import EmbedSettings, embed_collection
from artsim.models import Extractor
from artsim.readers import read_collection
from artsim.store import Store
from pathlib import Path

killed, straight = map(Path, sys.argv[1:])
rng = random.Random(0)

class Killed(MeanColor):
    def __call__(self, pixels):
        if len(self.batches) == self.last:
            end = os.getpid(), signal.SIGKILL
            threading.Timer(rng.uniform(0.0, 0.02), os.kill, end).start()
        time.sleep(0.01)
        return super().__call__(pixels)

def run(index, last):
    child = os.fork()
    if not child:
        network = Killed()
        network.last = last
        try:
            embed_collection(
                read_collection({str(folder)!r}), index, Extractor(network, toy_passport()),
                settings=EmbedSettings(part_rows=4, batch_size=2),
            )
        except BaseException:
            os._exit(1)
        os._exit(0)
    rng.random()  # the next has another delay
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

for last in (0, 2, 1, 3, 1, 2, 0, 3, 1, 2):
    assert run(killed, last) == -signal.SIGKILL
    if (killed / "manifest.json").exists():
        assert Store.open(killed).damaged_parts() == []
for path in (killed, straight):
    assert run(path, None) == 0
"""
    names = [str(tmp_path / path) for path in ("killed", "straight")]
    subprocess.run([sys.executable, "-c", code, *names], check=True)
    killed, straight = (Store.open(tmp_path / path) for path in ("killed", "straight"))
    assert killed.manifest.parts == straight.manifest.parts  # names, rows and checksums
    assert contents(killed.path) == contents(straight.path)
    assert failures(killed.path) == failures(straight.path)
    assert len(failures(killed.path)) == 11
    assert (killed.path / "faiss" / "rgb.index").read_bytes() == (
        straight.path / "faiss" / "rgb.index"
    ).read_bytes()
    left = {file.name for file in killed.path.rglob("*") if file.is_file()}
    assert left == {file.name for file in straight.path.rglob("*") if file.is_file()}
