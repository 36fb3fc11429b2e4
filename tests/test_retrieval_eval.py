"""Retrieval on an index of six colors: scores read by eye, misuse refused."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import MeanColor, toy_passport

from artsim.cli import cli
from artsim.embedding import embed_collection
from artsim.evaluation.retrieval import RetrievalPlan, retrieve
from artsim.index import unit
from artsim.labels import encode, multiclass
from artsim.metrics.retrieval import evaluate_retrieval
from artsim.models import Extractor
from artsim.readers import read_collection
from artsim.splits import SplitPlan, make_split
from artsim.store import Store


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def path(tmp_path, paint):
    """Two plates of each of three colors, listed in a table; red and green share an object."""
    rows = {
        "red-1": ((250, 10, 10), "warm", "vase"),
        "red-2": ((240, 20, 10), "warm", "vase"),
        "orange": ((250, 90, 10), "warm", "dish"),
        "blue": ((10, 10, 250), "cold", "cup"),
        "navy": ((10, 20, 200), "cold", "jug"),
        "olive": ((130, 120, 10), "cold", ""),  # its color is warm
    }
    lines = ["id,image,temper,object,year"]
    for number, (name, (color, temper, thing)) in enumerate(rows.items()):
        paint(tmp_path / "c" / f"{name}.png", color)
        lines.append(f"{name},{name}.png,{temper},{thing},{1900 + number // 2}")
    (tmp_path / "c" / "objects.csv").write_text("\n".join(lines))
    embed_collection(
        read_collection(tmp_path / "c"), tmp_path / "i", Extractor(MeanColor(), toy_passport())
    )
    return tmp_path / "i"


def retrieved(path, **options):
    return list(retrieve(Store.open(path), RetrievalPlan(tap="rgb", **options)))


def test_scores_are_those_of_the_rankings(path):
    (found,) = retrieved(path, labels=("temper",), ks=(1, 2))
    overall = found.scores.overall
    # red and red, orange and red, blue and navy find each other first; olive finds orange
    assert overall["P@1"] == pytest.approx(5 / 6)
    assert overall["HitRate@2"] == pytest.approx(5 / 6)
    # the third relevant of blue and navy is olive, which stands before the reds
    assert overall["R-precision"] == pytest.approx((5 * 2 / 2 + 0) / 6)
    assert overall["MRR@2"] == pytest.approx(5 / 6)


def test_scores_are_those_of_the_pure_function(path):
    store = Store.open(path)
    (found,) = retrieved(path, labels=("temper",), ks=(1, 3), junk="object")
    table = store.read(["temper", "object"])
    expected = evaluate_retrieval(
        unit(store.vectors("rgb")),
        multiclass("temper", table.column("temper").to_pylist()),
        junk=encode(table.column("object").to_pylist())[0],
        ks=(1, 3),
    )
    assert found.scores.overall == expected.overall
    assert found.scores.relevant.tolist() == [1, 1, 2, 2, 2, 2]


def test_test_pictures_search_among_the_others_of_a_split(path):
    make_split(Store.open(path), "half", SplitPlan(fractions=(0.5, 0.5), stratify="temper"))
    (row,) = map(
        json.loads,
        run("retrieval-eval", path, "--label", "temper", "--split", "half", "-k", "1").splitlines(),
    )
    assert (row["queries"] + row["skipped"] + row["gallery"], row["split"]) == (6, "half")
    assert row["P@1_low"] <= row["P@1"] <= row["P@1_high"]


def test_pairs_of_one_class_are_more_similar(path):
    (found,) = retrieved(path, labels=("temper",))
    assert found.true_pairs.mean() > found.other_pairs.mean()
    higher = (found.true_pairs[:300, None] > found.other_pairs[None, ::50]).mean()
    assert 0 < higher < found.auc < 1  # the first true pairs are the lowest
    np.testing.assert_array_equal(found.true_pairs, np.sort(found.true_pairs))


def test_pairs_of_one_object_are_not_drawn(path):
    (found,) = retrieved(path, labels=("temper",), junk="object")
    store = Store.open(path)
    red, again = unit(store.vectors("rgb"))[[store.find("red-1"), store.find("red-2")]]
    assert not np.isclose(found.true_pairs, red @ again, atol=1e-6).any()


def test_default_ranks_do_not_exceed_the_number_of_pictures(path):
    (found,) = retrieved(path, labels=("temper",))
    assert [name for name in found.scores.overall if name.startswith("P@")] == ["P@1", "P@5"]


def test_the_command_prints_a_table_with_classes(path):
    output = run(
        "retrieval-eval", "--index", path, "--label", "temper", "-k", "1,2", "--table",
        "--per-class",
    )  # fmt: skip
    lines = [line.split() for line in output.splitlines()]
    assert ["temper:", "2", "classes,", "6", "queries", "among", "6"] in lines
    assert ["k", "P@k", "HitRate@k", "mAP@k", "nDCG@k"] in lines
    assert ["1", "0.833", "0.833", "0.833", "0.833"] in lines
    assert ["cold", "3", "0.667", "0.667", "0.667"] in lines
    assert ["warm", "3", "1.000", "1.000", "1.000"] in lines
    assert output.index("\n cold") < output.index("\n warm")  # the worst first


def test_the_command_prints_json_lines_in_a_pipe(path):
    output = run("retrieval-eval", "--index", path, "-k", "1", "--per-class", "--junk", "object")
    temper, *classes = map(json.loads, output.splitlines())
    assert (temper["label"], temper["queries"], temper["skipped"]) == ("temper", 6, 0)
    assert (temper["tap"], temper["junk"]) == ("rgb", "object")
    assert set(temper["true_pairs"]) == {"5 %", "25 %", "50 %", "75 %", "95 %"}
    assert [(row["class"], row["queries"]) for row in classes] == [("cold", 3), ("warm", 3)]
    assert np.mean([row["P@1"] for row in classes]) == pytest.approx(temper["P@1"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--label", "nation"), "no column 'nation'; choose from temper, object, year"),
        (("--label", "year"), "'year' holds numbers, expected classes; derive some"),
        (("--label", "object"), "'object' cannot be a label: only 2 of 5 rows share their value"),
        (("--label", "none = year < 1900"), "cannot be a label: one class only: 'not none'"),
        (("--label", "temper", "--junk", "temper"), "cannot be both label and junk"),
        (("--label", "temper", "--junk", "nation"), "no column 'nation'"),
        (("--label", "temper", "-k", "1,6"), "ks must be between 1 and 5, the rows"),
        (("--label", "temper", "--tap", "z"), "has no tap 'z'"),
        (("--label", "id"), "no column 'id'"),
    ],
)
def test_misuse_gives_a_one_line_error(path, args, message):
    output = run("retrieval-eval", "--index", path, *args, code=1)
    assert output.startswith("Error: ")
    assert message in output
    assert output.count("\n") == 1


def test_vectors_of_zeros_are_left_out_and_noted(path, monkeypatch):
    vectors = Store.open(path).vectors("rgb")
    vectors[Store.open(path).find("olive")] = 0
    monkeypatch.setattr(Store, "iter_vectors", lambda self, tap: [vectors])
    (found,) = retrieved(path, labels=("temper",), ks=(1,))
    assert found.without_vector == 1
    assert found.scores.overall["P@1"] == 1  # olive was the one that found another
    output = run("retrieval-eval", "--index", path, "--label", "temper", "--table")
    assert "Note: 1 picture is left out, as its vectors are all zeros" in output


def test_vectors_that_are_not_numbers_are_refused(path, monkeypatch):
    vectors = Store.open(path).vectors("rgb")
    vectors[1] = np.nan
    monkeypatch.setattr(Store, "iter_vectors", lambda self, tap: [vectors])
    output = run("retrieval-eval", "--index", path, "--label", "temper", code=1)
    assert "row 1 of the vectors 'rgb' of" in output
    assert output.endswith("holds NaN or infinity; embed it again\n")


def test_a_class_with_one_picture_has_nothing_to_find(path):
    (found,) = retrieved(path, labels=("alone = object = 'jug'",), ks=(1,))
    assert (found.scores.skipped, len(found.scores.query_rows)) == (1, 4)  # olive has no object


def test_pixels_are_compared_with_the_results(path):
    (found,) = retrieved(path, labels=("temper",), ks=(1, 2, 5), pixels=True)
    pixels = found.pixels
    assert list(pixels.overall) == ["SSIM@1", "RMSE@1", "SSIM@2", "RMSE@2", "SSIM@5", "RMSE@5"]
    assert (pixels.queries, pixels.unreadable) == (6, 0)
    assert len(pixels.right) + len(pixels.wrong) == 6 * 5
    # red-1 and red-2 are plain: SSIM compares their levels of gray alone
    a, b = (0.299 * r + 0.587 * g + 0.114 * b for r, g, b in ((250, 10, 10), (240, 20, 10)))
    assert pixels.right.max() > 0.99
    assert pixels.overall["RMSE@1"] > abs(a - b)
    assert pixels.overall["RMSE@5"] > pixels.overall["RMSE@1"]
    assert 0 <= pixels.auc <= 1


def test_the_command_shows_pixels_as_further_columns(path):
    args = ("retrieval-eval", "--index", path, "--label", "temper", "-k", "1,5", "--pixels")
    output = run(*args, "--table")
    lines = [line.split() for line in output.splitlines()]
    heading = ["k", "P@k", "HitRate@k", "mAP@k", "nDCG@k", "SSIM@k", "RMSE@k"]
    assert heading in lines
    assert "SSIM and RMSE between 6 queries and their first results" in output
    found = json.loads(run(*args, "--json"))
    assert found["ssim_right"]["50 %"] <= 1
    assert (found["pixel_queries"], found["unreadable"]) == (6, 0)


def test_missing_pictures_are_counted_and_having_none_is_an_error(path, tmp_path):
    (tmp_path / "c" / "red-1.png").unlink()
    (found,) = retrieved(path, labels=("temper",), ks=(1,), pixels=True)
    assert found.pixels.unreadable == 1
    for file in (tmp_path / "c").glob("*.png"):
        file.unlink()
    output = run("retrieval-eval", "--index", path, "--label", "temper", "--pixels", code=1)
    assert output.endswith("can be opened from here; leave out --pixels\n")


@pytest.mark.parametrize("ks", ["0", "1,x", "1,,2"])
def test_invalid_ranks_are_explained(path, ks):
    assert "is not a number from 1" in run("retrieval-eval", "--index", path, "-k", ks, code=2)


@pytest.fixture
def copied(path):
    """Color the museum again, with one more file of the blue plate and one of the olive one."""
    folder = path.parent / "c"
    with (folder / "objects.csv").open("a") as lines:
        for name, of, temper in (("azure", "blue", "cold"), ("oliv", "olive", "warm")):
            (folder / f"{name}.png").write_bytes((folder / f"{of}.png").read_bytes())
            lines.write(f"\n{name},{name}.png,{temper},{name},1905")
    embed_collection(read_collection(folder), path, Extractor(MeanColor(), toy_passport()))
    return path


def test_a_copy_of_the_query_is_neither_right_nor_wrong(copied):
    (found,) = retrieved(copied, labels=("temper",), ks=(1,))
    (kept,) = retrieved(copied, labels=("temper",), ks=(1,), keep_copies=True)
    assert found.scores.query_rows.tolist() == list(range(8))
    # blue finds navy, not its copy; olive and its copy, of other classes, find orange
    assert found.scores.per_query["P@1"].tolist() == [1, 1, 1, 1, 1, 0, 1, 1]
    assert found.scores.relevant.tolist() == [3, 3, 3, 2, 3, 3, 2, 3]
    assert kept.scores.per_query["P@1"].tolist() == [1, 1, 1, 1, 1, 0, 1, 0]
    assert kept.scores.relevant.tolist() == [3] * 8
    assert (found.split.copies_left_out, kept.split.copies_left_out) == (4, 0)
    how = "(found by file; after 'artsim dupes' by look, too)"
    assert found.split.notes == (f"4 pictures have copies {how}, which never count as neighbors",)
    assert "the scores are too high" in kept.split.notes[0]
    assert found.scores.estimates["mAP@1"].groups is None


def test_copies_join_the_junk_of_a_column_and_intervals_resample_the_column(copied):
    (found,) = retrieved(copied, labels=("temper",), ks=(1,), junk="object")
    assert found.scores.relevant.tolist() == [2, 2, 3, 2, 3, 3, 2, 3]
    assert found.scores.estimates["mAP@1"].groups == 7
    assert "intervals are drawn over groups by object: 7, fewer than 20" in found.split.notes[1]


def test_copies_are_counted_in_json_and_in_a_line(copied):
    args = ("retrieval-eval", copied, "--label", "temper", "-k", "1")
    (row,) = map(json.loads, run(*args).splitlines())
    assert (row["copies_left_out"], row["unlabeled"], row["resampled_groups"]) == (4, 0, None)
    (row,) = map(json.loads, run(*args, "--keep-copies").splitlines())
    assert (row["copies_left_out"], row["P@1"]) == (0, 6 / 8)
    how = f"(found by file; after 'artsim dupes --index {copied}' by look, too)"
    line = f"  4 pictures have copies {how}, which never count as neighbors\n"
    assert line in run(*args, "--table")
