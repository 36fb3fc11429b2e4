"""Taps that see one color each, compared by labels that are of one color each."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import MeanColor, toy_passport
from PIL import Image
from scipy.stats import binomtest

from artsim.cli import cli
from artsim.datatypes import TapInfo
from artsim.embedding import embed_collection
from artsim.errors import EvaluationError
from artsim.evaluation.probe import (
    LeaderboardPlan,
    ProbePlan,
    Standing,
    against,
    best,
    leaderboard,
    mean_score,
    probe,
)
from artsim.labels import Label, LabelKind
from artsim.metrics import Predictions, estimate_share
from artsim.models import Extractor
from artsim.readers import read_collection
from artsim.store import Store

ROWS = 80


class OneColor(MeanColor):
    """Each tap knows how much there is of one color: 0 is red, 2 is blue."""

    def __init__(self, *channels):
        super().__init__()
        self.channels = channels

    def __call__(self, pixels):
        mean = pixels.mean(axis=(2, 3), dtype=np.float32) / 255
        return [np.stack([mean[:, c], 1 - mean[:, c]], axis=1) for c in self.channels]


def embed(folder, index, taps):
    """Embed by taps, each seeing the channel that it is given."""
    passport = toy_passport(
        taps=tuple(TapInfo(name=tap, layer="", pooling="none", dim=2) for tap in taps)
    )
    embed_collection(read_collection(folder), index, Extractor(OneColor(*taps.values()), passport))
    return index


def write_rows(folder, rows):
    with (folder / "objects.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def museum(tmp_path_factory):
    """80 pictures with more or less red, and more or less blue."""
    folder = tmp_path_factory.mktemp("leaderboard") / "museum"
    folder.mkdir()
    rows = []
    for i in range(ROWS):
        red, blue = 60 + 90 * (i % 2) + i // 4, 60 + 90 * (i // 2 % 2) + i // 4
        Image.new("RGB", (8, 8), (red, 0, blue)).save(folder / f"{i}.png")
        rows.append(
            {
                "id": f"p{i}",
                "image": f"{i}.png",
                "heat": ["cold", "hot"][i % 2],
                "sea": ["dry", "wet"][i // 2 % 2],
                "depth": blue,
                "school": f"school {i // 4 % 10}",
                "side": (7 * ["train"] + ["val"] + 2 * ["test"])[i // 4 % 10],
                "number": 100 + i,
            }
        )
    write_rows(folder, rows)
    return folder


@pytest.fixture(scope="module")
def path(museum):
    return embed(museum, museum.parent / "colors", {"red": 0, "blue": 2})


@pytest.fixture
def store(path):
    return Store.open(path)


def compared(*stores, **options):
    return list(leaderboard(stores, LeaderboardPlan(**options)))


def by_tap(standings, way):
    return {(each.tap, each.label.name): each.score(way) for each in standings}


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_each_tap_is_best_for_the_label_it_represents(store):
    found = compared(store, labels=("heat", "sea", "depth"), split="side")
    for way in ("probe", "knn"):
        scores = by_tap(found, way)
        assert scores["red", "heat"] == scores["blue", "sea"] == 1
        assert scores["red", "sea"] < 0.8
        assert scores["blue", "heat"] < 0.8
        assert scores["blue", "depth"] < 8 < scores["red", "depth"]
        chosen = {name: each.standing.tap for name, each in best(found, way).items()}
        assert chosen == {"heat": "red", "sea": "blue", "depth": "blue"}
        reds = [each for each in found if each.tap == "red"]
        assert mean_score(reds, way) == (1 + scores["red", "sea"]) / 2  # numbers left out
        assert mean_score(reds[2:], way) is None


def test_the_scores_are_those_of_a_probe_of_that_tap(store):
    for each in compared(store, labels=("sea", "depth"), seed=3):
        plan = ProbePlan(tap=each.tap, labels=(each.label.name,), seed=3)
        (alone,) = probe(store, plan)
        assert (each.probe, each.knn, each.k) == (alone.probe, alone.knn, alone.k)
        assert each.baseline == alone.baseline
        assert each.split.test.tolist() == alone.split.test.tolist()
        mine, its = each.to_json(), alone.to_json()
        sizes = ("n_train", "n_validation", "n_test")
        assert [mine[name] for name in sizes] == [its[name] for name in sizes]


def test_training_pictures_are_those_of_the_training_set(store):
    (red, _) = compared(store, labels=("heat",), split="side")
    found = red.to_json()
    assert (found["n_train"], found["n_validation"], found["n_test"]) == (56, 8, 16)


def test_indexes_of_one_catalog_are_compared_by_id(store, museum, tmp_path):
    rows = list(csv.DictReader((museum / "objects.csv").read_text().splitlines()))
    other = tmp_path / "other"
    other.mkdir()
    for row in rows:
        (other / row["image"]).write_bytes((museum / row["image"]).read_bytes())
    write_rows(other, list(reversed(rows))[1:])  # in another order, and p79 is not there
    second = Store.open(embed(other, tmp_path / "second", {"sky": 2}))
    found = compared(store, second, labels=("sea",), split="side")
    assert [(each.index, each.tap) for each in found] == [
        ("colors", "red"),
        ("colors", "blue"),
        ("second", "sky"),
    ]
    assert by_tap(found, "probe")["sky", "sea"] == by_tap(found, "probe")["blue", "sea"] == 1
    sides = found[0].split
    assert all(each.split is sides for each in found)
    assert ROWS - 1 not in sides.test
    assert sides.notes == (
        "no copies by file; copies that only look the same are not known before 'artsim dupes' has "
        "run",
        "1 picture is left out, as not every index has them, or a vector of theirs is all zeros",
    )


def test_each_group_is_in_one_part_of_the_split(store):
    (red, _) = compared(store, labels=("heat",), group="school")
    schools = np.arange(ROWS) // 4 % 10
    sides = red.split
    assert set(schools[sides.learned]) & set(schools[sides.test]) == set()
    assert sides.description.endswith("each school in one set")


def test_the_command_marks_the_best_of_each_label(path):
    args = ("--label", "heat,sea", "--label", "depth", "--split", "side", "--table")
    lines = [line.split() for line in run("leaderboard", path, *args).stdout.splitlines()]
    heading = ["tap", "dims", "probe", "val", "probe", "test", "kNN", "val", "kNN", "test"]
    heat, sea, depth, mean = (place for place, line in enumerate(lines) if line == heading)
    assert lines[heat - 2] == ["heat", "(top-1)"]
    assert lines[heat + 2][:4] == ["red", "2", "1.000", "1.000*"]
    assert lines[heat + 4] == ["no", "picture", "0.500", "0.500"]
    assert lines[sea + 2][:4] == ["blue", "2", "1.000", "1.000*"]
    assert lines[depth - 2] == ["depth", "(MAE,", "less", "is", "better)"]
    assert lines[depth + 2][0] == "blue"
    assert lines[mean - 2] == ["mean", "of", "2", "labels"]
    assert any(line[:3] == ["heat:", "split", "'side',"] for line in lines)


def test_the_command_writes_json_lines_and_csv(path, tmp_path):
    file = tmp_path / "taps.csv"
    result = run("leaderboard", path, "--label", "heat", "--tap", "red", "--csv", file, "--json")
    (found,) = map(json.loads, result.stdout.splitlines())
    assert (found["index"], found["tap"], found["label"]) == ("colors", "red", "heat")
    assert (found["probe"], found["best_probe"], found["metric"]) == (1, True, "top1")
    (row,) = csv.DictReader(file.read_text().splitlines())
    assert (row["tap"], float(row["probe"]), row["best_knn"]) == ("red", 1, "True")
    assert list(row) == [name for name in found if name not in ("split", "group", "seed")]


def standing(tap, validation, right):
    """A made-up result: which of ten test pictures a tap has right."""
    codes = np.arange(10) % 2
    truth = Label(name="pet", kind=LabelKind.MULTICLASS, strata=codes, classes=("cat", "dog"))
    ranked = np.where(np.array(right, dtype=bool), truth.strata, 1 - truth.strata)[:, None]
    return Standing(
        index="i",
        tap=tap,
        dims=2,
        label=truth,
        split=None,
        baseline=estimate_share(np.ones(2, dtype=bool)),
        knn=None,
        k=1,
        probe=estimate_share(np.array(right, dtype=bool)),
        strength=1.0,
        validation={"probe": validation},
        predictions={"probe": Predictions(truth=truth, learned=truth, ranked=ranked)},
    )


def test_the_best_is_chosen_on_validation_and_a_small_difference_is_noise():
    lucky, good = standing("lucky", 0.6, [1] * 10), standing("good", 0.9, [1] * 8 + [0] * 2)
    chosen = best([lucky, good, standing("bad", 0.5, [0] * 10)], "probe")["pet"]
    assert (chosen.standing, chosen.runner_up) == (good, lucky)
    assert chosen.difference.estimate.value == pytest.approx(-0.2)
    assert chosen.difference.p == 0.5  # both of the two that differ: 2 * 0.5 ** 2
    assert chosen.difference.is_noise


def test_a_large_difference_is_more_than_noise():
    chosen = best([standing("a", 0.9, [1] * 10), standing("b", 0.8, [0] * 10)], "probe")["pet"]
    assert chosen.difference.p == pytest.approx(2 * 0.5**10)
    assert not chosen.difference.is_noise


def test_one_tap_has_no_runner_up():
    chosen = best([standing("a", 0.9, [1] * 10)], "probe")["pet"]
    assert (chosen.runner_up, chosen.difference) == (None, None)


def test_the_command_compares_the_best_with_the_runner_up(path):
    result = run("leaderboard", path, "--label", "heat", "--split", "side", "--table")
    lines = [line for line in result.stdout.splitlines() if "runner-up" in line]
    assert lines[0].startswith("probe: red compared with the runner-up blue on test: +")
    assert lines[0].endswith("more than noise: red is better")
    rows = [
        json.loads(line)
        for line in run("leaderboard", path, "--split", "side", "--json").stdout.splitlines()
    ]
    found = {(row["tap"], row["label"]): row for row in rows}
    assert found["red", "heat"]["probe_runner_up"] == "blue"
    assert found["red", "heat"]["probe_difference_noise"] is False
    assert found["blue", "heat"]["probe_difference"] is None


def test_vectors_of_zeros_are_left_out(store, monkeypatch):
    broken = store.vectors("red")
    broken[[4, 5]] = 0
    monkeypatch.setattr(Store, "iter_vectors", lambda self, tap: [broken])
    (red, _) = compared(store, labels=("heat",))
    assert not {4, 5} & set(np.concatenate([red.split.learned, red.split.test]))
    assert "2 pictures are left out" in red.split.notes[1]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("--label", "number"),
            "'number' cannot be a label: it is an id by its name, and 80 of 80",
        ),
        (("--label", "id"), "no column 'id'"),
        (("--label", "none = depth < 0"), "cannot be a label: one class only"),
        (("--label", "heat", "--tap", "green"), "no index has a tap 'green'; choose from red, blu"),
        (("--label", "side", "--split", "side"), "'side' cannot be both label and split"),
        (("--label", "heat", "--split", "sea"), "split column 'sea' needs rows of 'train'"),
        (("--label", "heat", "--group", "heat"), "'heat' cannot be both label and group"),
    ],
)
def test_misuse_gives_a_one_line_error(path, args, message):
    output = run("leaderboard", path, *args, code=1).output
    assert output.startswith("Error: ")
    assert message in output
    assert output.count("\n") == 1


def test_an_index_of_another_catalog_is_refused(path, tmp_path, paint):
    for name in "ab":
        paint(tmp_path / "c" / f"{name}.png", (250, 10, 10))
    other = embed(tmp_path / "c", tmp_path / "other", {"sky": 2})
    output = run("leaderboard", path, other, "--label", "heat", code=1).output
    assert "has none of the ids of" in output
    assert output.endswith("compare indexes of one catalog\n")


def test_vectors_that_are_not_numbers_are_refused(path, monkeypatch):
    broken = Store.open(path).vectors("red")
    broken[7] = np.nan
    monkeypatch.setattr(Store, "iter_vectors", lambda self, tap: [broken])
    output = run("leaderboard", path, "--label", "heat", code=1).output
    assert "row 7 of the vectors 'red' of" in output
    assert "holds NaN or infinity" in output


def test_a_named_tap_is_compared_with_every_other_and_the_better_one_is_said(store, path, tmp_path):
    found = compared(store, labels=("heat", "sea"), split="side")
    one, other = against(found, "blue", "probe")
    assert [(each.standing.tap, each.runner_up.tap) for each in (one, other)] == 2 * [
        ("red", "blue")
    ]
    for each, sign in ((one, 1), (other, -1)):
        truth = each.standing.predictions["probe"].truth.strata
        red, blue = (
            some.predictions["probe"].ranked[:, 0] == truth
            for some in (each.standing, each.runner_up)
        )
        assert each.difference.estimate.value == pytest.approx(red.mean() - blue.mean())
        lost, gained = int((blue & ~red).sum()), int((red & ~blue).sum())
        assert each.difference.p == pytest.approx(binomtest(gained, lost + gained).pvalue)
        assert sign * each.difference.estimate.value > 0
    file = tmp_path / "against.csv"
    options = ("--label", "heat,depth", "--split", "side", "--against", "blue", "--csv", file)
    text = run("leaderboard", path, *options, "--table").output
    assert "probe: red compared with blue on test: +" in text
    assert "more than noise: red is better" in text
    assert "more than noise: blue is better" in text  # of depth, an error: red is above
    rows = {
        (row["tap"], row["label"]): row for row in csv.DictReader(file.read_text().splitlines())
    }
    assert rows["red", "heat"]["against"] == "colors blue"
    assert float(rows["red", "heat"]["probe_against"]) == one.difference.estimate.value
    assert rows["blue", "heat"]["against"] == ""
    assert rows["red", "heat"]["probe_macro_f1"] == "1.0"
    assert rows["red", "depth"]["probe_macro_f1"] == ""


def test_an_index_is_compared_tap_by_tap_or_by_its_only_one(store, museum, tmp_path):
    both = Store.open(embed(museum, tmp_path / "both", {"red": 0, "blue": 1}))
    alone = Store.open(embed(museum, tmp_path / "alone", {"green": 1}))
    found = compared(store, both, alone, labels=("heat",), split="side")

    def pairs(name):
        return [
            tuple(f"{each.index} {each.tap}" for each in (some.standing, some.runner_up))
            for some in against(found, name, "knn")
        ]

    assert pairs("both") == [("colors red", "both red"), ("colors blue", "both blue")]
    assert {other for _, other in pairs("alone")} == {"alone green"}
    assert len(pairs("alone")) == 4
    assert pairs("blue") == [
        ("colors red", "colors blue"),
        ("both red", "both blue"),
    ]
    with pytest.raises(EvaluationError, match="no index or tap 'bleu' is compared; choose from co"):
        against(found, "bleu", "knn")
