"""``artsim knn-eval`` on a small museum whose neighbors can be read off by eye."""

import csv
import json

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from conftest import toy_passport
from scipy.stats import binomtest
from search_toys import at, make_store

from artsim.cli import cli
from artsim.datatypes import Field, FieldType
from artsim.evaluation.knn import KnnPlan, knn_eval
from artsim.labels import read_label, values_of
from artsim.splits import SplitPlan, make_split, read_stored_split
from artsim.store import DerivedLabel, Manifest, Store, part_schema

YEARS = pa.struct({"begin": pa.int32(), "end": pa.int32()})
METADATA = [
    pa.field("artist", pa.string()),
    pa.field("number", pa.string()),
    pa.field("media", pa.list_(pa.string())),
    pa.field("year", YEARS),
    pa.field("height_cm", pa.float64()),
    pa.field("sheet", pa.string()),
    pa.field("side", pa.string()),
]
# Ada's pictures point east, Ben's north; the last two of each are one sheet.
DEGREES = [0, 2, 5, 9, 90, 92, 95, 99]
ARTISTS = ["Ada"] * 4 + ["Ben"] * 4
SIDES = ["train", "train", "val", "test"] * 2


def make_museum(path, *, extra=(), **changes):
    metadata = [*METADATA, *extra]
    radians = np.radians(DEGREES)
    vectors = np.stack([np.cos(radians), np.sin(radians), 0 * radians], axis=1).astype(np.float32)
    columns = {
        "id": [f"r{i}" for i in range(8)],
        "image": [f"r{i}.jpg" for i in range(8)],
        "content_hash": [f"hash of r{i}" for i in range(8)],
        "width": [10] * 8,
        "height": [20] * 8,
        "file_bytes": [100] * 8,
        "file_mtime_ns": [5] * 8,
        "artist": ARTISTS,
        "number": [f"n{i}" for i in range(8)],
        "media": [["oil"], ["oil", "canvas"], ["oil"], None, ["ink"], ["ink"], ["ink"], ["ink"]],
        "year": [{"begin": 1800 + 10 * i, "end": 1809 + 10 * i} for i in range(8)],
        "height_cm": [float(10 + i // 4) for i in range(8)],
        "sheet": ["a", "b", "c", "c", "d", "e", "f", "f"],
        "side": SIDES,
        "rgb": vectors.tolist(),
    } | changes  # fmt: skip
    schema = part_schema(metadata, toy_passport().taps)
    manifest = Manifest(
        name="toy",
        reader="table",
        source="/museum",
        root="/museum",
        fields=tuple(Field(field.name, FieldType.of(field.type)) for field in metadata),
        passport=toy_passport(),
        complete=True,
    )
    store = Store.create(path, manifest)
    store.append(pa.table({name: columns[name] for name in schema.names}, schema=schema))
    return Store.open(path)


@pytest.fixture
def museum(tmp_path):
    return make_museum(tmp_path / "index")


def run(store, *args, code=0):
    args = ["knn-eval", "--index", str(store.path), *map(str, args)]
    result = CliRunner().invoke(cli, args, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def rows(store, *args):
    return [json.loads(line) for line in run(store, *args).splitlines()]


def neighbors(store, label="artist", **plan):
    (found,) = knn_eval(store, KnnPlan(tap="rgb", labels=(label,), ks=(1,), **plan))
    return found.neighbors.rows[:, 0].tolist()


def test_labels_of_all_kinds_are_evaluated_in_one_call(museum):
    artist, media, year, height = rows(museum, "--label", "artist,media,year,height_cm", "-k", "1")
    assert (artist["top1"], artist["kappa"], artist["majority"], artist["n"]) == (1, 1, 0.5, 8)
    assert (artist["protocol"], artist["k"], artist["temperature"]) == ("dino", 1, 0.07)
    # the one picture with canvas is not predicted so, and its neighbor is
    assert media["AP"] == {"canvas": pytest.approx(1 / 7), "ink": 1, "oil": 1}
    assert media["mAP"] == pytest.approx((1 / 7 + 2) / 3)
    assert media["n"] == 7
    # the middle of the neighbor's ten years is 5 or 6 off the nearer end of the next
    assert year["MAE"] == pytest.approx(5.5, abs=0.5)
    assert (year["inside"], height["inside"]) == (0, None)
    assert (height["MAE"], height["median_MAE"]) == (0, 0.5)


def test_a_qualified_value_is_no_label(tmp_path):
    store = make_museum(
        tmp_path / "index",
        extra=[
            pa.field("artist_qualifier", pa.string()),
            pa.field("media_qualifier", pa.list_(pa.string())),
        ],
        artist_qualifier=["after", None, None, None, "workshop of", None, None, None],
        media_qualifier=[None, [None, "probably"], [None], None, ["?"], [None], [None], [None]],
    )
    artist = read_label(store, "artist")
    assert artist.strata.tolist() == [-1, 0, 0, 0, -1, 1, 1, 1]
    assert artist.qualified == 2
    media = read_label(store, "media")
    assert media.qualified == 2
    assert media.classes == ("ink", "oil")
    assert media.known.tolist() == [True, True, True, False, False, True, True, True]
    assert media.keep_classes(np.array([True, True])).qualified == 2
    assert read_label(store, "maker = artist").strata.tolist() == [0] * 4 + [1] * 4

    output = run(store, "--label", "artist", "-k", "1", "--table")
    assert "artist: 2 classes, 6 pictures" in output
    assert "  2 qualified values are left out" in output
    (row,) = rows(store, "--label", "artist", "-k", "1")
    assert (row["n"], row["qualified_left_out"]) == (6, 2)
    (row,) = rows(store, "--label", "artist", "-k", "1", "--qualified", "keep")
    assert (row["n"], row["qualified_left_out"]) == (8, 0)


def test_pictures_without_a_label_are_counted_and_may_be_wrong_neighbors(museum):
    output = run(museum, "--label", "media", "-k", "1", "--table")
    assert "  Pictures without a usable media are left out: 1\n" in output
    (left_out,) = rows(museum, "--label", "media", "-k", "1")
    names = ("n", "bank", "unlabeled", "unlabeled_neighbors")
    assert [left_out[name] for name in names] == [7, 7, 1, 0]
    (counted,) = rows(museum, "--label", "media", "-k", "1", "--unlabeled", "count")
    assert [counted[name] for name in names] == [7, 8, 1, 1]
    output = run(museum, "--label", "media", "-k", "1", "--unlabeled", "count", "--table")
    assert "  Pictures without a usable media take places among the neighbors: 1\n" in output


def test_ks_without_neighbors_are_listed(museum):
    (row,) = rows(museum, "--label", "artist", "-k", "1,9,5000")
    assert (row["k"], row["left_out"], row["fewer_neighbors"]) == (1, [9, 5000], 0)
    five, seven = rows(museum, "--label", "artist", "-k", "6,7", "--group", "sheet")
    assert (five["fewer_neighbors"], seven["fewer_neighbors"]) == (0, 4)
    output = run(museum, "--label", "artist", "-k", "6,7", "--group", "sheet", "--table")
    assert "  k = 7: 4 pictures have fewer neighbors; those they have vote\n" in output


def test_intervals_resample_the_largest_of_the_named_groups_and_count_them(museum):
    output = run(museum, "--label", "year", "-k", "1", "--group", "number,artist", "--table")
    few = "2, fewer than 20, so they are likely too narrow"
    assert f"  Intervals are drawn over groups by artist: {few}\n" in output
    (row,) = rows(museum, "--label", "year", "-k", "1", "--group", "number,artist")
    assert (row["resampled"], row["resampled_groups"]) == ("artist", 2)
    (row,) = rows(museum, "--label", "year", "-k", "1")
    assert (row["resampled"], row["resampled_groups"]) == (None, None)


def test_a_picture_without_a_group_is_one_when_groups_are_counted(tmp_path):
    columns = {
        "style": ["x", "y"] * 4,
        "artist": list("aabbccdd"),  # four groups
        "series": ["s", "s", *[None] * 6],  # seven
    }
    store = make_store(tmp_path / "i", list("12345678"), {"rgb": at(*range(0, 80, 10))}, columns)
    (row,) = rows(store, "--label", "style", "-k", "1", "--group", "series,artist")
    assert (row["resampled"], row["resampled_groups"]) == ("artist", 4)


def test_tables_name_the_metric_and_the_baseline(museum):
    output = run(museum, "--label", "artist,media,year,height_cm", "-k", "1", "--table")
    assert "leave-one-out, votes weighted by similarity\n" in output
    for line in (
        "artist: 2 classes, 8 pictures, majority 0.500",
        "media: 3 classes, several a picture, 7 pictures, chance 0.381",
        "year: a number, 8 pictures, the median is off by 15.5",
        "height_cm: a number, 8 pictures, the median is off by 0.5",
        "Hubs at k = 1: one picture is a neighbor of",
    ):
        assert line in output
    heads = [line.split() for line in output.splitlines() if line.strip().startswith("k ")]
    assert heads == [
        ["k", "top-1", "95%", "macro", "F1", "balanced", "kappa"],
        ["k", "mAP", "95%", "iMAP"],
        ["k", "MAE", "95%", "inside"],
        ["k", "MAE", "95%"],
    ]


def test_top_5_is_shown_from_six_classes_on(tmp_path):
    columns = {"six": list("abcdefabcdef"), "five": list("abcdeabcdeab")}
    store = make_store(tmp_path / "i", list("abcdefghijkl"), {"t": at(*range(0, 60, 5))}, columns)
    lines = run(store, "-k", "1", "--table").splitlines()
    heads = [line.split() for line in lines if line.strip().startswith("k ")]
    assert ["top-5" in head for head in heads] == [True, False]


def test_without_validation_every_k_is_shown_and_with_it_one_is_chosen(museum):
    shown = rows(museum, "--label", "artist", "-k", "1,3", "-k", "7")
    assert [(row["k"], row["chosen_on"]) for row in shown] == [(1, 0), (3, 0), (7, 0)]
    (chosen,) = rows(museum, "--label", "artist", "-k", "1,2,4", "--split", "side")
    assert (chosen["k"], chosen["chosen_on"], chosen["n"], chosen["bank"]) == (1, 2, 2, 6)
    output = run(museum, "--label", "artist", "-k", "1,2", "--split", "side", "--table")
    assert "  k = 1, T = 0.07 chosen on 2 validation pictures\n" in output
    args = ("--label", "artist", "--protocol", "plain", "-k", "1,2", "--split", "side", "--table")
    plain = run(museum, *args)
    assert "  k = 1 chosen on 2 validation pictures\n" in plain


def test_the_best_k_is_compared_with_the_others_by_mcnemars_test(tmp_path):
    rng = np.random.default_rng(0)
    codes = np.arange(60) % 2
    vectors = np.where(codes, 90, 0) + rng.normal(0, 45, 60)
    columns = {"side": ["left" if code else "right" for code in codes]}
    ids = [str(n) for n in range(60)]
    store = make_store(tmp_path / "i", ids, {"t": at(*vectors)}, columns)
    (found,) = knn_eval(store, KnnPlan(tap="t", labels=("side",), ks=(1, 15, 25)))
    right = [each.predictions.ranked[:, 0] == found.label.strata for each in found.scores]
    shares = [each.mean() for each in right]
    best = int(np.argmax(shares))
    expected = []
    for each in right:
        apart = int((each != right[best]).sum())
        p = binomtest(int((each & ~right[best]).sum()), apart).pvalue if apart else 1
        expected.append(min(1, 3 * p))  # three pairs
    assert found.best == (best, pytest.approx(expected))
    shown = rows(store, "--label", "side", "-k", "1,15,25")
    assert [row["best_p"] for row in shown] == pytest.approx(expected)
    assert shown[0]["majority_macro_f1"] == pytest.approx(1 / 3)  # F1 of 2/3 and of 0
    ks = [1, 15, 25]
    same = [str(k) for k, p in zip(ks, expected, strict=True) if k != ks[best] and p >= 0.05]
    text = run(store, "--label", "side", "-k", "1,15,25", "--table")
    said = f"noise alone may explain its difference from k = {', '.join(same)}"
    said = said if same else "all others differ by more than noise"
    assert f"  Best here is k = {ks[best]}; {said} (McNemar's test of all pairs)\n" in text
    assert "side: 2 classes, 60 pictures, majority 0.500 (macro F1 0.333)" in text
    two = [str(n // 2) for n in range(60)]  # groups, whose rows McNemar's test cannot take
    columns |= {"pair": two}
    store = make_store(tmp_path / "j", ids, {"t": at(*vectors)}, columns)
    assert "Best here" not in run(
        store, "-k", "1,15", "--label", "side", "--group", "pair", "--table"
    )


def test_temperatures_are_shown_with_k(museum):
    args = ("--label", "artist", "-k", "3", "--temperature", "0.07", "--temperature", "1")
    assert [row["temperature"] for row in rows(museum, *args)] == [0.07, 1]
    (head,) = (line for line in run(museum, *args, "--table").splitlines() if "top-1" in line)
    assert head.split()[:3] == ["k", "T", "top-1"]


def test_met_reports_gap_and_distractors(tmp_path):
    store = make_museum(tmp_path / "i", artist=["Ada"] * 4 + ["Ben"] * 3 + ["Eve"])
    (row,) = rows(store, "--label", "artist", "--protocol", "met", "--split", "side", "-k", "1,2")
    assert (row["accuracy"], row["gap_minus"], row["validation_gap"]) == (1, 1, 1)
    assert (row["n"], row["distractors"], row["chosen_on"], row["bank"]) == (2, 1, 2, 4)
    assert 0.5 <= row["gap"] <= 1
    output = run(store, "--label", "artist", "--protocol", "met", "--split", "side", "--table")
    assert "artist: 3 classes, 2 pictures, 1 of them distractors" in output
    assert "k and t chosen on 2 validation pictures (GAP 1.000)" in output


def test_groups_are_kept_apart_one_by_one_and_together(museum):
    assert neighbors(museum) == [1, 0, 1, 2, 5, 4, 5, 6]
    assert neighbors(museum, groups=("sheet",)) == [1, 0, 1, 1, 5, 4, 5, 5]
    both = neighbors(museum, label="year", groups=("sheet", "artist"))
    assert both == [4, 4, 4, 4, 3, 3, 3, 3]
    (row,) = rows(museum, "--label", "year", "--group", "artist", "--group", "side", "-k", "1")
    assert row["groups"] == ["artist", "side"]


def test_pictures_of_one_group_are_named_as_the_reason(museum):
    output = run(
        museum, "--label", "side", "--where", "artist = 'Ada'", "--group", "artist", code=1
    )
    assert output.splitlines()[-1] == (
        "Error: all pictures here that have a value of 'side' share one of 'artist' ('Ada'), "
        "so none has a neighbor outside its group; group by another column"
    )


def test_a_group_without_any_value_is_refused(museum):
    output = run(museum, "--label", "artist", "--group", "none = nullif(artist, artist)", code=1)
    assert "no picture has a value of 'none = nullif(artist, artist)', so that it groups" in output


def test_a_label_that_is_its_own_group_is_refused(museum):
    output = run(museum, "--label", "artist", "--group", "artist", "-k", "1", code=1)
    assert "'artist' cannot be predicted without neighbors of the same artist: no picture" in output


def test_pictures_that_look_the_same_are_kept_apart(museum, monkeypatch):
    hashes = [0b0, 0b11111, 0b111, None, 0xFF00, 0xFF01, 0xFFFF0000, None]  # 0, 2 and 1 in a chain
    monkeypatch.setattr("artsim.evaluation.knn.run.picture_hashes", lambda *args, **kwargs: hashes)
    assert neighbors(museum, groups=("near-duplicate",)) == [3, 3, 3, 2, 6, 6, 5, 6]
    grouped = ("--label", "year", "--group", "near-duplicate,artist", "-k", "1", "--table")
    said = "no neighbors of the same picture or artist"
    assert said in " ".join(run(museum, *grouped).split())


def test_folds_and_groups_are_kept_apart_together(museum):
    make_split(museum, "f", SplitPlan(folds=2, stratify="artist"))
    found = neighbors(museum, split="f", groups=("sheet",))
    sides, sheets = read_stored_split(museum, "f").parts, values_of(museum, "sheet")
    for row, other in enumerate(found):
        assert sides[row] != sides[other]
        assert sheets[row] != sheets[other]


@pytest.mark.parametrize("correction", ["csls", "mutual-proximity"])
def test_the_search_is_corrected_for_hubs_on_request(museum, correction):
    (row,) = rows(museum, "--label", "artist", "--correct", correction, "-k", "1")
    assert (row["top1"], row["correct"]) == (1, correction)
    output = run(museum, "--label", "artist", "--correct", correction, "-k", "1", "--table")
    assert f"corrected by {correction}\n" in output


def test_predictions_of_every_kind_name_the_neighbors_that_voted(museum, tmp_path):
    file = tmp_path / "p.csv"
    run(museum, "--label", "artist,media,year", "-k", "1", "--predictions", file)
    with file.open(newline="") as stream:
        found = {(row["label"], row["id"]): row for row in csv.DictReader(stream)}
    printed = {
        key: (row["true"], row["predicted"], row["share"], row["correct"], row["neighbors"])
        for key, row in found.items()
    }
    assert printed["artist", "r3"] == ("Ada", "Ada", "1.0000", "1", "r2")
    assert printed["media", "r0"] == ("oil", "canvas|oil", "1.0000", "0", "r1")
    assert printed["year", "r0"] == ("1800 to 1809", "1814.5", "", "0", "r1")
    assert ("media", "r3") not in printed  # it has none
    run(museum, "--label", "artist", "--split", "side", "--protocol", "met", "--predictions", file)
    with file.open(newline="") as stream:
        met = [(row["id"], row["true"], row["predicted"]) for row in csv.DictReader(stream)]
    assert met == [("r3", "Ada", "Ada"), ("r7", "Ben", "Ben")]


def test_a_derived_label_whose_column_is_gone_is_skipped(museum):
    museum.set_labels(
        [DerivedLabel("old", "school ILIKE '%x%'"), DerivedLabel("ada", "artist ILIKE '%Ada%'")]
    )
    store = Store.open(museum.path)
    output = run(store, "-k", "1", "--table")
    (note,) = (line for line in output.splitlines() if line.startswith("Not a label: old ("))
    assert "no column 'school'; choose from artist, number, media" in note
    assert "\nada: 2 classes" in output
    assert "no column 'school'" in run(store, "--label", "old", "-k", "1", code=1)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--label", "number"), "'number' cannot be a label: all 8 values are different; choose"),
        (("--label", "artist", "-k", "8"), "k = 8 is more than the 7 neighbors that a row with a"),
        (("--label", "artist", "--split", "artist"), "split column 'artist' needs rows of 'train'"),
        (("--label", "artist", "--protocol", "met"), "the protocol 'met' needs a split with train"),
        (
            ("--label", "media", "--protocol", "met", "--split", "side"),
            "'met' takes labels of one class a picture, which 'media' is not",
        ),
        (("--protocol", "plain", "--temperature", "1"), "the protocol 'plain' has no temperature"),
        (
            ("--protocol", "met", "--split", "side", "--correct", "csls"),
            "'met' whitens vectors and is not corrected by 'csls'",
        ),
        (("--label", "artist", "--group", "school"), "no column 'school'; choose from"),
    ],
)  # fmt: skip
def test_misuse_gives_a_one_line_error(museum, args, message):
    output = run(museum, *args, code=1)
    assert output.startswith("Error: ")
    assert message in output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "args", "message"),
    [
        ({"artist": ["Ada"] * 8}, (), "'artist' cannot be a label: one class only: 'Ada'"),
        ({"rgb": [[np.nan, 0.0, 0.0]] * 8}, (), "row 0 of the vectors 'rgb' of"),
        ({"side": ["train"] * 8}, ("--split", "side"), "needs rows of 'train' and of 'test'"),
        (
            {"artist": ["Ada", "Ben", None, None] * 2},
            ("--split", "side"),
            "no test row has a value of 'artist'; choose another split or label",
        ),
        (
            {"side": ["train", "test"] * 4},
            ("--split", "side", "--protocol", "met"),
            "the protocol 'met' chooses on validation, and split 'side' has only",
        ),
    ],
)
def test_an_index_that_cannot_be_evaluated_gives_a_one_line_error(tmp_path, changes, args, message):
    store = make_museum(tmp_path / "i", **changes)
    output = run(store, "--label", "artist", "-k", "1", *args, code=1)
    assert output.startswith("Error: ")
    assert message in output
    assert output.count("\n") == 1


def test_classes_of_one_picture_are_counted_as_unreachable(tmp_path):
    store = make_museum(tmp_path / "i", artist=["Ada"] * 4 + ["Ben"] * 3 + ["Eve"])
    output = run(store, "--label", "artist", "-k", "1", "--table")
    assert "  1 picture has a class that no possible neighbor has: it counts as wrong" in output


def test_the_csv_has_a_row_for_each_k_and_below_one_for_each_class(museum, tmp_path):
    file = tmp_path / "scores.csv"
    printed = run(museum, "--label", "artist", "-k", "1,2", "--csv", file, "--json")
    rows = list(csv.DictReader(file.read_text().splitlines()))
    by_k = [json.loads(line) for line in printed.splitlines()]
    assert [(row["k"], float(row["top1"])) for row in rows[:2]] == [
        (str(each["k"]), each["top1"]) for each in by_k
    ]
    for each in by_k:
        classes = [row for row in rows[2:] if row["k"] == str(each["k"])]
        assert sum(int(row["n"]) for row in classes) == each["n"]
        f1 = sum(float(row["f1"]) for row in classes) / len(classes)
        assert f1 == pytest.approx(each["macro_f1"])
