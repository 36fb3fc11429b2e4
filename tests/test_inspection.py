"""A collection with every fault planted, a clean one, and each part against a plainer way."""

import csv
import io
import json
import os
import re
import sys
from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from conftest import noise_picture
from hypothesis import given, settings
from pages import check_page
from PIL import Image
from test_images import SWAPPED, cmyk_profile

from artsim.cli import cli
from artsim.errors import ReaderError, StoreError
from artsim.images.phash import groups_of, near_pairs
from artsim.inspection import (
    FindingKind,
    InspectSettings,
    OddValue,
    OddValues,
    inspect_collection,
)
from artsim.inspection.bars import black_bars
from artsim.inspection.baselines import FOLDS, find_best_column
from artsim.inspection.coding import number_values, texts_of
from artsim.inspection.columns import codes_of, count_classes, describe_columns, spellings
from artsim.inspection.files import NONE, UNNAMED, WEB, list_files, match
from artsim.inspection.stored import StoredTable
from artsim.labels import why_not_label
from artsim.readers import ReaderOptions, read_collection
from artsim.report import inspection_page
from artsim.report.figures import histogram
from artsim.splits import k_fold
from artsim.store import large_text

ORIENTATION = 0x0112
SIZE = (120, 100)
CAP = 300 * 300  # pixels


def inspected(path, **changes):
    changes = {"examples": 100, "max_pixels": CAP} | changes
    return inspect_collection(read_collection(path), settings=InspectSettings(**changes))


def names_of(inspection):
    """What was found of each kind: the names of its examples."""
    return {
        str(finding.kind): [example.names for example in finding.examples]
        for finding in inspection.findings
    }


def write_table(folder, rows, header=("id", "image", "medium", "artist")):
    with (folder / "objects.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])


# ---- the broken collection ----


class Planter:
    """Writes pictures, each of other noise, and the rows that name them."""

    def __init__(self, folder):
        self.folder = folder
        self.rows = []
        (folder / "images").mkdir(parents=True)

    def noise(self, size=SIZE):
        drawn = np.random.default_rng(len(self.rows)).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        return Image.fromarray(drawn).resize(size, Image.Resampling.BICUBIC)

    def row(self, id_, image, medium="oil"):
        artist = f"Artist {len(self.rows) % 3}"
        self.rows.append((id_, image, medium, artist))

    def picture(self, id_, name=None, image=None, **save):
        """Plant a picture and its row."""
        path = self.folder / "images" / (name or f"{id_}.jpg")
        (image or self.noise()).save(path, **save)
        self.row(id_, f"images/{path.name}")
        return path

    def data(self, id_, data):
        (self.folder / "images" / f"{id_}.jpg").write_bytes(data)
        self.row(id_, f"images/{id_}.jpg")


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A collection with every fault there is, each planted once."""
    folder = tmp_path_factory.mktemp("inspection") / "broken"
    plant = Planter(folder)
    for n in range(6):
        plant.picture(f"good-{n}")
    # rows
    plant.picture("", "no-id.jpg")
    plant.picture("good-0", "same-id.jpg")
    plant.row("nameless", "")
    plant.row("web", "https://example.org/a.jpg")
    plant.row("lost", "images/lost.jpg")
    plant.noise().save(folder / "images" / "Renamed.png")
    plant.row("renamed", "images/renamed.jpg")
    plant.row("again", "images/good-1.jpg")
    # files
    plant.data("html", b"<html>404 not found</html>")
    plant.data("empty", b"")
    whole = io.BytesIO()
    plant.noise().save(whole, "JPEG")
    plant.data("drawing", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    plant.data("blanks", b"\r\n" + whole.getvalue())
    plant.data("cut", whole.getvalue()[: len(whole.getvalue()) // 2])
    plant.data("copy", (folder / "images" / "good-2.jpg").read_bytes())
    with Image.open(folder / "images" / "good-3.jpg") as original:
        plant.picture("smaller", image=original.resize((90, 75)))
    # headers
    plant.picture("huge", image=plant.noise((400, 300)))
    plant.picture("tiny", image=plant.noise((40, 80)))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    plant.picture("turned", exif=exif)
    plant.picture("wide-gamut", icc_profile=SWAPPED)
    plant.picture("bad-profile", icc_profile=b"junk")
    plant.picture("print", image=plant.noise().convert("CMYK"), icc_profile=cmyk_profile())
    deep = np.asarray(plant.noise().convert("L")).astype(np.uint16) * 257
    plant.picture("deep", "deep.png", Image.fromarray(deep))
    plant.picture(
        "pages", "pages.tif", save_all=True, append_images=[Image.new("RGB", SIZE, "red")]
    )
    # pixels
    clear = plant.noise().convert("RGBA")
    clear.putalpha(0)
    plant.picture("clear", "clear.png", clear)
    barred = Image.new("RGB", (SIZE[0] + 60, SIZE[1]))
    barred.paste(plant.noise(), (30, 0))
    plant.picture("bars", image=barred)
    plant.noise().save(folder / "images" / "spelt.jpg")
    plant.row("spelt", "images/spelt.jpg", medium="OIL")
    (folder / "images" / "spelt.json").write_text("{}", encoding="utf-8")
    write_table(folder, plant.rows)
    return folder


EVERY_FAULT = {
    "no_id": [("row 7",)],
    "duplicate_id": [("good-0",)],
    "no_image": [("nameless",)],
    "web_image": [("web",)],
    "orphan_row": [("lost",), ("renamed",)],
    "not_a_picture": [("html",), ("empty",)],
    "unsupported": [("drawing",)],
    "damaged": [("cut",)],
    "huge": [("huge",)],
    "orphan_image": [("images/Renamed.png",)],
    "shared_image": [("good-1", "again")],
    "duplicate_bytes": [("good-2", "copy")],
    "near_duplicate": [("good-3", "smaller")],
    "tiny": [("tiny",)],
    "black_bars": [("bars",)],
    "transparent": [("clear",)],
    "mended": [("blanks",)],
    "orientation": [("turned",)],
    "profile": [("wide-gamut",)],
    "broken_profile": [("bad-profile",)],
    "cmyk": [("print",)],
    "deep": [("deep",)],
    "pages": [("pages",)],
    "other_file": [("images/spelt.json",)],
    "label_spelling": [("oil", "OIL")],
}
DECODED = {"damaged", "near_duplicate", "black_bars", "transparent"}  # found only with hashes


def sorted_values(found):
    return {kind: sorted(names) for kind, names in found.items()}


def test_every_planted_fault_is_found_and_nothing_else(broken):
    inspection = inspected(broken, hashes=True)
    assert sorted_values(names_of(inspection)) == sorted_values(EVERY_FAULT)
    assert {f.kind: f.count for f in inspection.findings} == {
        FindingKind(kind): len(names) for kind, names in EVERY_FAULT.items()
    }


def test_every_kind_of_fault_is_planted_and_explained():
    # a shortage is of the machine, and cannot be planted; the others have tests of their own
    others = {"shortage", "mojibake", "no_value", "series"}
    assert set(EVERY_FAULT) == {str(kind) for kind in FindingKind} - others
    assert all(kind.summary and kind.advice for kind in FindingKind)
    assert FindingKind("tiny") is FindingKind.TINY


def test_headers_show_every_fault_that_needs_no_pixels(broken):
    found = names_of(inspected(broken))
    expected = {kind: names for kind, names in EVERY_FAULT.items() if kind not in DECODED}
    assert sorted_values(found) == sorted_values(expected)


@pytest.mark.parametrize("workers", [1, 5])
def test_the_order_and_the_number_of_threads_change_nothing(broken, workers):
    one = inspected(broken, hashes=True, workers=workers)
    two = inspected(broken, hashes=True, workers=2)
    assert one.findings == two.findings
    assert one.labels == two.labels


def test_a_missing_file_is_listed_with_a_similar_name(broken):
    (finding,) = (f for f in inspected(broken).findings if f.kind is FindingKind.ORPHAN_ROW)
    assert [example.detail for example in finding.examples] == [
        "images/lost.jpg",
        "images/renamed.jpg; there is images/Renamed.png",
    ]


def test_contradicting_copies_are_listed(tmp_path):
    noise_picture(tmp_path / "a.png", (80, 80))
    noise_picture(tmp_path / "b.png", (80, 80))
    rows = [("a", "a.png", "oil", "Ann"), ("b", "b.png", "tempera", "Ann")]
    write_table(tmp_path, rows)
    (finding,) = inspected(tmp_path).findings
    assert (finding.kind, finding.examples[0].detail) == (
        FindingKind.DUPLICATE_BYTES,
        "medium oil / tempera",
    )


def test_a_clean_collection_has_no_faults(tmp_path):
    rows = []
    for n in range(6):
        noise_picture(tmp_path / f"{n}.jpg", (100, 90 + n), seed=n)
        rows.append((n, f"{n}.jpg", ("oil", "tempera")[n % 2], f"Artist {n % 3}"))
    write_table(tmp_path, rows)
    inspection = inspected(tmp_path, hashes=True)
    assert inspection.findings == ()
    assert (inspection.rows, inspection.pictures, inspection.listed) == (6, 6, 6)
    assert inspection.formats == {"JPEG": 6}
    assert inspection.sizes.heights.tolist() == [90, 91, 92, 93, 94, 95]
    assert inspection.sizes.quantiles()["height"] == (90, 90.25, 92.5, 94.75, 95)


def test_only_the_first_examples_are_kept_and_all_are_counted(tmp_path):
    noise_picture(tmp_path / "a.jpg", (80, 80))
    write_table(tmp_path, [("a", "a.jpg", "", ""), *((n, f"{n}.jpg", "", "") for n in range(9))])
    (finding,) = inspected(tmp_path, examples=2).findings
    assert (finding.kind, finding.count, len(finding.examples)) == (FindingKind.ORPHAN_ROW, 9, 2)


def test_a_table_of_addresses_has_no_pictures_and_no_orphans(tmp_path):
    noise_picture(tmp_path / "beside.jpg", (80, 80))
    write_table(tmp_path, [(n, f"https://example.org/{n}.jpg", "oil", "Ann") for n in range(3)])
    inspection = inspected(tmp_path)
    assert (inspection.pictures, inspection.sizes.quantiles()) == (0, {})
    assert names_of(inspection) == {"web_image": [("0",), ("1",), ("2",)]}


def test_broken_characters_are_found_and_sound_ones_are_not(tmp_path):
    artists = ["DÃ¼rer", "Dürer", "Lâ€™Hermite", "L\ufffdon", "João Câmara", "JOÃO", "«Ä Ö» £5"]
    noise_picture(tmp_path / "a.jpg", (80, 80))
    write_table(tmp_path, [(n, "a.jpg", "oil", artist) for n, artist in enumerate(artists)])
    (found,) = (f for f in inspected(tmp_path).findings if f.kind is FindingKind.MOJIBAKE)
    assert [(each.names, each.detail) for each in found.examples] == [
        (("0",), "artist: DÃ¼rer"),
        (("2",), "artist: Lâ€™Hermite"),
        (("3",), "artist: L\ufffdon"),
    ]


def test_every_column_has_examples(tmp_path):
    noise_picture(tmp_path / "a.jpg", (80, 80))
    rows = [(n, "a.jpg", "oil|ink" if n else "", "x" * 100) for n in range(3)]
    write_table(tmp_path, rows)
    medium, artist = inspected(tmp_path).columns
    assert medium.examples == ("oil|ink",)
    assert artist.examples == ("x" * 60 + "...",)


def test_pictures_on_the_web_are_to_be_fetched_first(tmp_path):
    write_table(tmp_path, [("a", "https://example.org/a.jpg", "oil", "Ann")])
    source = tmp_path / "objects.csv"
    output = CliRunner().invoke(cli, ["inspect", str(source), "--table"]).output
    wanted = f"artsim fetch table:{source} {tmp_path.name}-pictures/"
    assert f"Get the pictures first: {wanted}" in output


def test_progress_ends_with_all_files(broken):
    calls = []
    inspect_collection(
        read_collection(broken), progress=lambda done, total, failed: calls.append((done, total))
    )
    assert calls[-1][0] == calls[-1][1]


def test_a_catalog_without_rows_is_refused(tmp_path, monkeypatch):
    noise_picture(tmp_path / "a.jpg", (80, 80))
    catalog = read_collection(tmp_path)
    monkeypatch.setitem(catalog.__dict__, "batches", lambda: iter(()))
    with pytest.raises(ReaderError, match="lists no picture"):
        inspect_collection(catalog)


# ---- rows and files ----


def matched(tmp_path, *images):
    found = match(images, tmp_path, list_files(tmp_path))
    return [
        found.files.paths[file] if file >= 0 else int(file) for file in found.file_of_row
    ], sorted(found.files.paths[number] for number in found.orphans())


def test_rows_find_their_files_by_any_spelling_of_the_path(tmp_path, paint):
    paint(tmp_path / "in" / "a b é.png", "red")
    paint(tmp_path / "in" / "spare.png", "red")
    paint(tmp_path / ".hidden" / "x.png", "red")
    (tmp_path / "in" / "notes.txt").write_text("")
    names = ("in/a b é.png", "./in/a b é.png", str(tmp_path / "in" / "a b é.png"))
    files, orphans = matched(tmp_path, *names, "in/no.png", "", None, "HTTP://x/a.png", "in", "\0")
    assert files == [*names, NONE, UNNAMED, UNNAMED, WEB, NONE, NONE]
    assert orphans == ["in/spare.png"]


def test_a_picture_outside_of_the_folder_is_found(tmp_path, paint):
    paint(tmp_path / "elsewhere" / "a.png", "red")
    (tmp_path / "here").mkdir()
    assert matched(tmp_path / "here", "../elsewhere/a.png") == (["../elsewhere/a.png"], [])


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights there")
def test_links_are_followed_once_and_lead_to_the_same_picture(tmp_path, paint):
    paint(tmp_path / "b" / "1.png", "red")
    paint(tmp_path / "b" / "2.png", "red")
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "ring").symlink_to(tmp_path)
    (tmp_path / "b" / "self").symlink_to("self")
    (tmp_path / "b" / "2-too.png").symlink_to("2.png")
    assert matched(tmp_path, "a/1.png", "b/2-too.png") == (["a/1.png", "b/2-too.png"], [])
    assert matched(tmp_path, "b/1.png") == (["b/1.png"], ["b/2-too.png"])


# ---- near-duplicates ----


def bars(width, height, left=0, top=0, inside=200):
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[top : height - top, left : width - left] = inside
    return pixels


def test_black_bars_are_found_where_they_are():
    found = black_bars(bars(100, 60, left=20))
    assert (found.where, found.share, found.inside) == (
        "left and right",
        0.4,
        (slice(None), slice(20, 80)),
    )
    found = black_bars(bars(100, 60, top=3))
    assert (found.where, found.share) == ("above and below", 0.1)


def test_dark_areas_are_not_mistaken_for_bars():
    y, x = np.mgrid[:100, :100]
    round_thing = np.where((x - 50) ** 2 + (y - 50) ** 2 < 30**2, 200, 0)
    one_side = bars(100, 100)
    one_side[:, :30] = 0
    for pixels in (
        np.dstack([round_thing] * 3).astype(np.uint8),  # before a black background
        bars(100, 100),
        bars(100, 100, left=1),  # an edge of the scan
        bars(100, 100, left=20, inside=10),  # black altogether
        np.full((100, 100, 3), 255, np.uint8),
        one_side,
        np.zeros((1, 1, 3), np.uint8),
    ):
        assert black_bars(pixels) is None


@given(st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=40), st.integers(0, 5))
def test_near_pairs_are_those_of_comparing_all(drawn, within):
    close = [value ^ 0b101 for value in drawn[:10]]
    hashes = list(dict.fromkeys([*drawn, *close]))
    expected = {
        (i, j)
        for j in range(len(hashes))
        for i in range(j)
        if (hashes[i] ^ hashes[j]).bit_count() <= within
    }
    found = list(near_pairs(np.array(hashes, dtype=np.uint64), within))
    assert (len(found), set(found)) == (len(expected), expected)


def test_pairs_that_share_a_member_are_one_group():
    assert groups_of([(5, 6), (1, 2), (2, 3), (9, 6)]) == [[1, 2, 3], [5, 6, 9]]
    assert groups_of([]) == []


# ---- columns, labels, baselines ----


TABLE = pa.table(
    {
        "id": list("abcdef"),
        "image": list("abcdef"),
        "style": ["x", "x", "y", None, "x", "y"],
        "title": ["1", "2", "3", "4", "5", "5"],
        "terms": pa.array([["p", "q"], ["p"], [], None, ["q", "q"], ["r"]]),
        "year": [1900.0, None, float("nan"), 1901.0, 1900.0, 1902.0],
        "number": [3, 4, 5, 6, 7, 8],
        "object_id": ["u", "u", "v", "v", "u", "v"],
        "years": pa.array(
            [{"begin": 1, "end": 2}, None] * 3,
            pa.struct([("begin", pa.int32()), ("end", pa.int32())]),
        ),
    }
)


def stored(table):
    return StoredTable(table.to_batches(), table.schema)


def described_columns(table):
    return [column for column, _ in describe_columns(stored(table), str)]


def codes_by_column(table):
    table = stored(table)
    found = list(describe_columns(table, str))
    return {column.name: codes_of(table, column, values).tolist() for column, values in found}


def test_columns_are_described_by_their_values():
    described = {column.name: column for column in described_columns(TABLE)}
    assert {name: (c.missing, c.distinct, c.names_rows) for name, c in described.items()} == {
        "style": (1, 2, False),
        "title": (0, 5, True),
        "terms": (2, 3, False),
        "year": (2, 3, False),
        "number": (0, 6, True),  # the rows, numbered
        "object_id": (0, 2, True),  # by its name
        "years": (3, 1, False),
    }
    assert {name: c.not_a_label for name, c in described.items()} == {
        "style": None,
        "title": "only 2 of 6 rows share their value with another row",
        "terms": None,
        "year": "it holds numbers; name it with --label to predict them",
        "number": "it holds numbers; name it with --label to predict them",
        "object_id": None,
        "years": "it holds years; name it with --label to predict them",
    }


def test_classes_are_counted_once_a_row():
    table = stored(TABLE)
    style, terms = (
        count_classes(table, name, number_values(table, name)) for name in ("style", "terms")
    )
    assert style == (("x", 3), ("y", 2))
    assert terms == (("p", 2), ("q", 2), ("r", 1))


def test_empty_lists_are_missing_values():
    table = pa.table({"id": ["1", "2"], "image": ["a", "b"], "terms": [[None], [None, None]]})
    table = table.set_column(2, "terms", table["terms"].cast(pa.list_(pa.string())))
    [terms] = described_columns(table)
    assert (terms.missing, terms.distinct, terms.not_a_label) == (2, 0, "no row has a value")


def test_a_table_in_parts_is_described_as_a_whole(monkeypatch):
    whole = described_columns(TABLE)
    monkeypatch.setattr("artsim.inspection.stored._PART", 1)
    table = StoredTable(TABLE.to_batches(max_chunksize=1), TABLE.schema)
    assert [len(part) for part in table.parts("title")] == [1, 1, 1, 1, 1, 1, 0]
    assert [column for column, _ in describe_columns(table, str)] == whole
    values = number_values(table, "terms")
    assert texts_of(table, "terms", values, [2, 0, 1]) == ["r", "p", "q"]
    assert table.take([5, 0, 5], ["style", "id"]).to_pydict() == {
        "style": ["y", "x", "y"],
        "id": ["f", "a", "f"],
    }


words = st.none() | st.sampled_from("abcdefgh")


@given(st.lists(words) | st.lists(st.none() | st.lists(st.sampled_from("abcdefgh"), max_size=3)))
def test_possible_labels_are_those_that_the_evaluation_accepts(values):
    is_list = any(isinstance(value, list) for value in values)
    column = pa.array(values, pa.list_(pa.string()) if is_list else pa.string())
    (described,) = described_columns(pa.table({"x": column}))
    assert described.not_a_label == why_not_label(values)


def test_no_baseline_uses_ids(tmp_path):
    noise_picture(tmp_path / "a.jpg", (80, 80))
    rows = [(n, "a.jpg", f"t{n}", n, "ab"[n % 2], n % 3, n % 4) for n in range(9)]
    names = ("id", "image", "title", "number", "style", "term_id", "shelf")
    write_table(tmp_path, rows, names)
    labels = {label.name: label for label in inspected(tmp_path).labels}
    assert dict(labels["style"].best_column.by_column).keys() == {"shelf"}


def test_texts_and_lists_are_coded_as_they_appear():
    codes = codes_by_column(TABLE)
    assert codes["style"] == [0, 0, 1, -1, 0, 1]
    assert codes["terms"] == [0, 1, 2, -1, 3, 4]
    assert codes["years"] == [0, -1, 0, -1, 0, -1]


@pytest.mark.parametrize("name", ["item", "element"])
def test_lists_in_large_text_predict_as_others_do(name):
    lists = pa.list_(pa.field(name, pa.string()))
    table = large_text(pa.table({"terms": pa.array([["a", "b"], ["a"], None, ["a", "b"]], lists)}))
    assert table.schema.field("terms").type == pa.list_(pa.large_string())
    assert codes_by_column(table) == {"terms": [0, 1, -1, 0]}


def plain_baseline(truth, values, fold):
    """Right answers in each fold, counted one by one."""
    right = np.zeros(FOLDS, int)
    for f in range(FOLDS):
        train = [(v, c) for v, c, g in zip(values, truth, fold, strict=True) if g != f]
        everywhere = Counter(c for _, c in train)
        fallback = min(everywhere, key=lambda c: (-everywhere[c], c))
        for v, c, g in zip(values, truth, fold, strict=True):
            if g == f:
                met = Counter(other for value, other in train if value == v)
                right[f] += c == (min(met, key=lambda o: (-met[o], o)) if met else fallback)
    return right


@settings(deadline=None)
@given(st.data(), st.integers(10, 40))
def test_each_columns_accuracy_equals_counting_one_by_one(data, n):
    labels = ["c0", "c1", "c2", *(data.draw(st.sampled_from(["c0", "c1", "c2"])) for _ in range(n))]
    values = np.array(data.draw(st.lists(st.integers(-1, 5), min_size=n + 3, max_size=n + 3)))
    truth = np.array([int(label[1]) for label in labels])
    fold = np.empty(len(truth), int)
    for number, rows in enumerate(k_fold(truth, FOLDS, seed=3)):
        fold[rows] = number
    baseline = find_best_column(truth, {"v": values}, ["v"], seed=3)
    assert baseline.by_column == (("v", plain_baseline(truth, values, fold).sum() / len(truth)),)


def test_a_revealing_column_is_found_and_noise_is_not():
    rng = np.random.default_rng(0)
    label = np.minimum(np.arange(300) % 3, 1)
    noise = {f"noise {n}": rng.integers(0, 40, 300) for n in range(5)}
    known = noise | {"twin": np.arange(300) % 3}
    printed = find_best_column(label, known, list(known), seed=0)
    assert (printed.accuracy, printed.column, printed.by_column[0]) == (1.0, "twin", ("twin", 1.0))
    untold = find_best_column(label, {}, [], seed=0)
    assert (untold.accuracy, untold.column) == (pytest.approx(2 / 3), "")
    assert find_best_column(label, noise, list(noise), seed=0).accuracy == pytest.approx(
        2 / 3, abs=0.04
    )


def test_a_column_of_unique_values_predicts_nothing():
    label = np.array([0, 1] * 50 + [0] * 10)
    baseline = find_best_column(label, {"serial": np.arange(110)}, ["serial"], seed=0)
    assert (baseline.accuracy, baseline.column) == (pytest.approx(60 / 110), "")


def test_too_few_rows_have_no_baseline():
    assert find_best_column(np.array([0, 1, -1, 0]), {}, [], seed=0) is None


def test_a_split_column_is_counted_but_no_predictor(tmp_path):
    sides = ["train", "train", "Test", "val"] * 5
    noise_picture(tmp_path / "a.jpg", (80, 80))
    rows = [(n, "a.jpg", side, "ab"[n % 2]) for n, side in enumerate(sides)]
    write_table(tmp_path, rows, ("id", "image", "split", "medium"))
    labels = {label.name: label for label in inspected(tmp_path).labels}
    assert labels["split"].classes == (("train", 10), ("Test", 5), ("val", 5))
    assert labels["split"].best_column is None
    assert "split" not in dict(labels["medium"].best_column.by_column)


def test_spellings_of_one_class_are_grouped():
    classes = {"oil": 3, "Oil": 9, "oil  ": 1, "Ol": 2, "caf\u00e9": 1, "cafe\u0301": 2}
    assert list(spellings(classes)) == [("Oil", "oil", "oil  "), ("cafe\u0301", "caf\u00e9")]


# ---- the command ----


def run(*args, code=0, columns=120):
    result = CliRunner(env={"COLUMNS": str(columns)}).invoke(
        cli, ["inspect", *(str(arg) for arg in args)], catch_exceptions=False
    )
    assert result.exit_code == code, result.output
    return result.output


def test_json_has_one_object_a_line_with_its_kind_first(broken):
    lines = run(broken, "--json", "--hashes", "--max-pixels", CAP).splitlines()
    objects = [json.loads(line) for line in lines]
    assert all(next(iter(each)) == "kind" for each in objects)
    assert Counter(each["kind"] for each in objects) == {
        "collection": 1,
        "finding": len(EVERY_FAULT),
        "column": 2,
        "label": 2,
        "size": 5,
    }
    assert {each["fault"] for each in objects if each["kind"] == "finding"} == set(EVERY_FAULT)
    medium = next(each for each in objects if each["kind"] == "label")
    assert medium["name"] == "medium"
    assert medium["classes"]["OIL"] == 1
    assert medium["best_column"]["folds"] == FOLDS


def test_the_table_names_faults_labels_columns_and_sizes(broken):
    output = run(broken, "--table", "--examples", "1", "--max-pixels", CAP)
    assert "        2  rows whose picture is missing\n           lost: images/lost.jpg" in output
    assert "Renamed.png; " not in output  # the second example
    assert "--hashes" in output
    assert re.search(r"artist +3 +\d+ +0\.\d{3} +0\.\d{3}", output)
    assert re.search(r"medium +text +2 +0 +0% +oil · OIL", output)
    assert "megapixels" in output


def test_a_column_of_the_same_values_predicts_no_label_and_is_named(tmp_path):
    rows = [(str(n), f"https://m.example/{n}.jpg", f"c{n % 3}", f"{n % 3} C") for n in range(30)]
    write_table(tmp_path, rows, ("id", "image", "classification", "class_of_the_source"))
    first, second = inspected(tmp_path).labels
    assert first.best_column.by_column == second.best_column.by_column == ()
    assert (first.same_as, second.same_as) == (("class_of_the_source",), ("classification",))
    output = run(tmp_path, "--table")
    assert output.count("the same classes, one for one: class_of_the_source, classification") == 1


def test_words_for_no_value_are_named_as_classes_that_may_be_none(tmp_path):
    words = ["unknown", "-", "?", "Oil", "oil on panel", "Anonymous"]
    rows = [(str(n), f"https://m.example/{n}.jpg", words[n % 6]) for n in range(30)]
    write_table(tmp_path, rows, ("id", "image", "medium"))
    (found,) = [f for f in inspected(tmp_path).findings if f.kind is FindingKind.NO_VALUE]
    assert (found.count, {each.names for each in found.examples}) == (
        15,
        {("unknown",), ("-",), ("?",)},
    )


@pytest.mark.parametrize(("shared", "count"), [(6, 6), (4, 4), (2, None)])
def test_titles_of_several_rows_may_be_a_series(tmp_path, shared, count):
    titles = ["Shawabty" if n < shared else f"Work {n}" for n in range(40)]
    rows = [(str(n), f"https://m.example/{n}.jpg", title) for n, title in enumerate(titles)]
    write_table(tmp_path, rows, ("id", "image", "title"))
    found = [f for f in inspected(tmp_path).findings if f.kind is FindingKind.SERIES]
    assert [f.count for f in found] == ([] if count is None else [count])
    assert all(f.examples[0].names == ("Shawabty",) for f in found)


def test_odd_values_are_named_with_their_rows(tmp_path):
    dates = [*["c. 1880", "1903-05", "early 16th century"] * 4, "lost", "l860s", "lost", "n.d."]
    sizes = [*map(str, range(14)), "12 cm", ""]
    rows = [
        (f"w{n}", "https://m.example/a.jpg" if n != 4 else "x", date, size, f"S{n} 1900", "A1")
        for n, (date, size) in enumerate(zip(dates, sizes, strict=True))
    ]
    write_table(tmp_path, rows, ("id", "url", "date", "weight", "accession_number", "shelf"))
    found = inspect_collection(
        read_collection(tmp_path, options=ReaderOptions(image_column="url")),
    )
    odd = {column.name: column.odd for column in found.columns if column.odd}
    assert odd == {
        "date": OddValues(
            expected="date",
            rows=3,
            distinct=2,
            values=(
                OddValue(value="lost", rows=2, row=13, id="w12"),
                OddValue(value="l860s", rows=1, row=14, id="w13"),
            ),
        ),
        "weight": OddValues(
            expected="number",
            rows=1,
            distinct=1,
            values=(OddValue(value="12 cm", rows=1, row=15, id="w14"),),
        ),
    }
    output = run(tmp_path, "--image-column", "url", "--table", columns=80)
    assert (
        "Values that read otherwise than most of their column\n"
        "  date: 3 values are no date: 'lost' (2 rows, first w12), 'l860s' (w13)\n"
        "  weight: 1 value is no number: '12 cm' (w14)\n"
    ) in output


def test_the_table_is_readable_at_80_columns(tmp_path):
    long = "a vocabulary of many words " * 8
    rows = [
        (f"w{n}", f"https://m.example/{n}.jpg", long + str(n % 2), long + str(n), "x")
        for n in range(6)
    ]
    names = ("id", "image", "subjects.children.children.name", "title", "shelf")
    write_table(tmp_path, rows, names)
    output = run(tmp_path, "--table", columns=80)
    lines = [line for line in output.splitlines() if "artsim fetch" not in line]
    assert max(map(len, lines[1:])) <= 80
    assert "…dren.children.name" in output
    assert "No labels, nearly all different: title\nOne value only: shelf\n" in output


def test_rows_of_one_address_and_files_beside_a_table_are_counted(tmp_path):
    noise_picture(tmp_path / "a.jpg", (80, 80))
    noise_picture(tmp_path / "b.jpg", (80, 80))
    for name in ("a.json", "b.jpg.json", "c.json", "notes.docx", "more.csv", ".hidden"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    address = "https://m.example/a.jpg"
    images = ["a.jpg", "b.jpg", address, address, address]
    write_table(tmp_path, [(str(n), image) for n, image in enumerate(images)], ("id", "image"))
    found = {each.kind: each for each in inspected(tmp_path).findings}
    assert found["shared_image"].count == 2
    assert [each.names for each in found["shared_image"].examples] == [("2", "3"), ("2", "4")]
    assert found["other_file"].count == 5
    assert [(each.names, each.detail) for each in found["other_file"].examples] == [
        (("a.json",), "3 .json, 2 of them named as a picture beside it"),
        (("more.csv",), "1 .csv"),
        (("notes.docx",), "1 .docx"),
    ]


def test_strict_fails_if_rows_are_lost(broken, tmp_path):
    run(broken, "--strict", code=1)
    noise_picture(tmp_path / "a.jpg", (80, 80))
    assert "No faults found" in run(tmp_path, "--strict", "--table")


def test_the_page_is_complete_and_loads_nothing(broken, tmp_path):
    pytest.importorskip("matplotlib")
    output = run(broken, "--hashes", "--html", tmp_path / "a.html", "--table", "--max-pixels", CAP)
    assert output.endswith(f"Written to {tmp_path / 'a.html'}\n")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    page = check_page(text)
    assert all(address.startswith("#") for address in page.values("href"))
    assert len(page.named("svg")) == 3
    for kind in map(FindingKind, EVERY_FAULT):
        assert kind.summary[1:] in "".join(page.text)


def test_catalog_values_are_escaped_on_the_page(tmp_path):
    pytest.importorskip("matplotlib")
    evil = '<script>alert("x")</script>$a_b$'
    for n in range(4):
        noise_picture(tmp_path / f"{n}.jpg", (80, 80), seed=n)
    rows = [(f"{n}<b>", f"{n}.jpg", evil, f"{evil} & {n % 2}") for n in range(4)]
    write_table(tmp_path, [*rows, (evil, "gone.jpg", evil, "")])
    page = inspection_page(inspected(tmp_path, samples=2))
    tags = check_page(page)
    assert f"{evil} & 1" in "".join(tags.text)
    assert set(tags.values("alt")) == {f"{evil} & {n % 2}: {n}<b>" for n in range(4)}


def test_the_page_is_the_same_every_time(broken):
    pytest.importorskip("matplotlib")
    pages = {inspection_page(inspected(broken, samples=2, examples=2)) for _ in range(2)}
    assert len(pages) == 1


def test_a_page_that_cannot_be_written_gives_a_one_line_error(broken, tmp_path):
    pytest.importorskip("matplotlib")
    output = run(broken, "--html", tmp_path / f"{'a' * 300}.html", code=1)  # too long a name
    assert output.startswith("Error: cannot write ")
    assert output.count("\n") == 1


def test_without_matplotlib_the_page_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(StoreError, match=r"pip install 'artsim\[report\]'"):
        histogram(np.ones(3), title="a", description="b", unit="c", ticks=str)


@pytest.mark.parametrize("values", [[5.0], [0.001, 0.001], [1, 1e9], [3, 4, 5]])
def test_any_distribution_of_values_can_be_drawn(values):
    pytest.importorskip("matplotlib")
    drawn = histogram(np.array(values), title="a < b", description="c", unit="d", ticks=str)
    assert drawn.svg.startswith('<svg role="img" viewBox="0 0 316.8 180"><title>a &lt; b</title>')


# ---- real collections ----


def test_the_paintings_match_their_readme(museum_data):
    inspection = inspected(museum_data / "paintings", examples=3)
    assert (inspection.rows, inspection.pictures, inspection.listed) == (2273, 2273, 2273)
    assert inspection.formats == {"JPEG": 2273}
    assert [(f.kind, f.count) for f in inspection.findings] == [(FindingKind.DUPLICATE_BYTES, 11)]
    labels = {label.name: label for label in inspection.labels}
    assert {name: len(label.classes) for name, label in labels.items()} == {
        "artist": 24,
        "style": 6,
        "genre": 9,
    }
    assert labels["style"].best_column.column == "artist"  # style follows the artist
    assert labels["style"].best_column.accuracy > 0.85


def test_the_antiquities_have_black_bars(museum_data, tmp_path):
    found = {f.kind: f.count for f in inspected(museum_data / "antiquities", hashes=True).findings}
    assert found[FindingKind.BLACK_BARS] > 800
    assert set(found) == {
        FindingKind.DUPLICATE_BYTES,
        FindingKind.NEAR_DUPLICATE,
        FindingKind.BLACK_BARS,
        FindingKind.LABEL_SPELLING,
        FindingKind.NO_VALUE,
        FindingKind.SERIES,
    }
    assert (found[FindingKind.NO_VALUE], found[FindingKind.SERIES]) == (2, 272)
