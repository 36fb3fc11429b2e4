"""Probes of an index whose labels can be read off the pictures' colors, and misuse refused."""

import copy
import csv
import functools
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics
from click.testing import CliRunner
from conftest import MeanColor, toy_passport
from PIL import Image
from scipy.stats import binomtest
from search_toys import at, make_store
from sklearn.linear_model import LogisticRegression

from artsim.cli import cli
from artsim.embedding import embed_collection
from artsim.errors import EvaluationError, PassportError, StoreError
from artsim.evaluation.knn import knn_scores
from artsim.evaluation.probe import LabelPlan, ProbePlan, means, probe, probe_splits, split_labels
from artsim.index import unit as to_unit
from artsim.labels import (
    LabelKind,
    Metadata,
    codes_of,
    multiclass,
    read_label,
    read_metadata,
)
from artsim.labels.fitness import why_id
from artsim.metrics.intervals import estimate_share
from artsim.metrics.paired import resplit_mean
from artsim.metrics.probe import fit_probe
from artsim.metrics.shots import few_shot
from artsim.models import Extractor
from artsim.prediction import find_head, head_names, load_head, make_head, save_head
from artsim.prediction.heads import check_passport, default_name
from artsim.readers import ReaderOptions, read_collection
from artsim.splits import (
    Split,
    SplitChoice,
    SplitPlan,
    make_split,
    read_source,
    split_label,
)
from artsim.store import Store

HUES = {"red": (240, 30, 30), "green": (30, 240, 30), "blue": (30, 30, 240)}
SIDES = 7 * ["train"] + ["val"] + 2 * ["test"]
ROWS = 120

UNKNOWN = (
    "no copies by file; copies that only look the same are not known before 'artsim dupes' has run"
)


def run(*args, code=0):
    result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """120 pictures of three hues: forty each, by twelve painters who keep to one hue."""
    folder = tmp_path_factory.mktemp("probing") / "museum"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for i in range(ROWS):
        hue = list(HUES)[i // 40]
        color = np.clip(HUES[hue] + rng.integers(-15, 16, 3), 0, 255)
        size = (12, 10) if hue == "red" else (10, 12)
        Image.new("RGB", size, tuple(map(int, color))).save(folder / "images" / f"{i}.png")
        rows.append(
            {
                "id": f"p{i}",
                "image": f"images/{i}.png",
                "hue": hue,
                "tags": {"red": "warm", "green": "cold", "blue": "cold|wet"}[hue],
                "year": 1500 + 100 * (i // 40),
                "painter": f"painter {i // 10}",
                "coin": rng.choice(["heads", "tails"]),
                "side": SIDES[i % 10],
                "lopsided": "train",
                "catalogd": 5000 + i,
                "title": f"No. {i}",
                "rights": "free",
                "rare": "once" if i == 0 else "b" if i % 2 else "c",
            }
        )
    with (folder / "objects.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    types = {"tags": "list", "year": "number", "catalogd": "number"}
    collection = read_collection(folder, options=ReaderOptions(types=types))
    embed_collection(collection, folder.parent / "index", Extractor(MeanColor(), toy_passport()))
    return folder.parent / "index"


@pytest.fixture
def store(path):
    return Store.open(path)


def probed(store, *labels, **options):
    return list(probe(store, ProbePlan(tap="rgb", labels=labels, **options)))


def test_a_hue_is_predicted_by_neighbors_and_probe_and_half_by_the_shape(store):
    (found,) = probed(store, "hue", split="side")
    printed = found.to_json()
    assert (printed["label"], printed["kind"], printed["metric"]) == ("hue", "multiclass", "top1")
    assert (printed["n_train"], printed["n_validation"], printed["n_test"]) == (84, 12, 24)
    assert printed["baseline"] == pytest.approx(1 / 3)
    assert printed["metadata"] == pytest.approx(2 / 3)  # red lies, green and blue stand
    assert (printed["knn1"], printed["knn"], printed["k"], printed["probe"]) == (1, 1, 1, 1)
    assert printed["probe_low"] == pytest.approx(0.862, abs=1e-3)  # 24 of 24: Wilson, not (1, 1)
    assert printed["probe_high"] == 1
    assert printed["metadata_low"] < 2 / 3 < printed["metadata_high"]
    assert printed["split_description"] == "split 'side', tested on test, chosen on val"
    assert printed["metadata_columns"] == ["width", "height", "aspect_ratio"]
    assert found.classes == ("blue", "green", "red")
    assert json.loads(json.dumps(printed)) == printed


def test_scores_are_those_of_the_probe_on_the_same_rows(store):
    (found,) = probed(store, "coin", split="side", seed=3)
    vectors = to_unit(store.vectors("rgb"))
    rows = np.arange(ROWS) % 10
    split = Split(
        train=np.flatnonzero(rows < 7),
        validation=np.flatnonzero(rows == 7),
        test=np.flatnonzero(rows > 7),
        description="",
    )
    expected = fit_probe(vectors, read_label(store, "coin"), split, seed=3)
    assert found.probe == expected.estimate
    np.testing.assert_array_equal(found.result.head.weights, expected.head.weights)


def test_scores_on_several_splits_are_their_mean_and_deviation(store):
    plan = ProbePlan(tap="rgb", labels=("coin", "tags"), seed=4)
    seen = []
    coin, tags = probe_splits(store, plan, (4, 5, 6), progress=lambda *each: seen.append(each))
    assert seen == [(n, 6, 0) for n in range(1, 7)]
    alone = [probed(store, "coin", seed=seed)[0] for seed in (4, 5, 6)]
    found, values = coin.to_json(), [each.probe.value for each in alone]
    assert len({tuple(each.split.test) for each in coin.runs}) == 3
    assert found["probe"] == pytest.approx(sum(values) / 3)
    squares = sum((value - sum(values) / 3) ** 2 for value in values)
    assert found["probe_std"] == pytest.approx((squares / 2) ** 0.5)
    assert found["brier"] == pytest.approx(
        np.mean([each.result.metrics["brier"].value for each in alone])
    )
    assert (found["splits"], found["seeds"], found["n_test"]) == (3, [4, 5, 6], [24, 24, 24])
    assert found["split_description"] == ("70/10/20 drawn with seeds 4 to 6, stratified by coin")
    assert (tags.first.metric, tags.to_json()["probe"], tags.to_json()["probe_std"]) == (
        "mAP",
        1,
        0,
    )


def test_the_probe_is_compared_with_neighbors_on_the_same_pictures(path, store):
    (found,) = probed(store, "coin", split="side")
    label, split = read_label(store, "coin"), found.split
    vectors = to_unit(store.vectors("rgb"))
    near = knn_scores(vectors, label, split).best.predictions
    by_probe, by_neighbors = (
        each.ranked[:, 0] == label.strata[split.test] for each in (found.result.predictions, near)
    )
    gained = int((by_probe & ~by_neighbors).sum())
    lost = int((by_neighbors & ~by_probe).sum())
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1
    assert found.over_knn.p == pytest.approx(expected)
    printed = found.to_json()
    assert printed["over_knn"] == pytest.approx(printed["probe"] - printed["knn"])
    assert printed["over_knn_noise"] == (expected >= 0.05)
    text = run("probe", path, "--label", "coin", "--split", "side", "--no-save", "--table").stdout
    line = f"coin: probe compared with kNN on the same test pictures: {printed['over_knn']:+.3f} ("
    assert line in text
    f1 = [printed[f"{name}_macro_f1"] for name in ("baseline", "metadata", "knn1", "knn")]
    shown = zip(("majority", "metadata", "1-NN", "kNN"), f1, strict=True)
    assert f"macro F1: {', '.join(f'{name} {value:.3f}' for name, value in shown)}, probe" in text


def test_scores_on_several_splits_are_compared_with_more_caution(path, store):
    (coin,) = probe_splits(store, ProbePlan(tap="rgb", labels=("coin",)), (0, 1, 2))
    changes = np.array([each.probe.value - each.knn.value for each in coin.runs])
    expected = resplit_mean([0] * 3, changes.tolist(), 24 / 96).estimate
    found = coin.over_knn.estimate
    assert (found.value, found.low) == pytest.approx((changes.mean(), expected.low), nan_ok=True)
    assert coin.to_json()["over_knn"] == pytest.approx(changes.mean())
    f1 = np.mean([each.macro_f1["baseline"] for each in coin.runs])
    assert coin.to_json()["baseline_macro_f1"] == pytest.approx(f1)
    args = ("probe", path, "--label", "hue", "--group", "painter", "--splits", "2", "--table")
    text = run(*args).stdout
    assert "hue: probe compared with kNN on the same splits: +0.000, no interval" in text
    assert "if the painter of a test picture may be in the training set, " in text
    assert "\nhue: macro F1: majority 0.167, metadata " in text
    assert "\nhue by painter: probe compared with kNN on the same splits: " in text
    assert "\nhue by painter: 70/10/20 drawn with seeds 0 to 1, stratified by hue, each " in text


def test_splits_that_are_the_same_count_once(store):
    (coin,) = probe_splits(store, ProbePlan(tap="rgb", labels=("coin",)), (0, 1))
    one, two = coin.runs
    some = replace(coin, runs=(one, two, one, one, two))
    assert (some.scores, some.over_knn) == (coin.scores, coin.over_knn)
    assert some.to_json()["splits"] == 2
    assert some.split.notes[-1].startswith("only 2 of the 5 splits differ, and only those count")
    same = replace(coin, runs=(one, one, one))
    assert (same.scores["probe"].mean, same.scores["probe"].std) == (one.probe.value, None)
    assert same.split.notes[-1].startswith("the 3 splits all have the same test pictures, so they ")
    assert same.to_json()["notes"] == list(same.split.notes)
    assert np.isnan(same.over_knn.estimate.low)  # of one split there is no interval
    change = coin.over(same).estimate
    assert (change.value, np.isnan(change.low)) == (0, True)


def test_groups_are_whole_in_each_of_several_splits(store):
    (hue,) = probe_splits(store, ProbePlan(tap="rgb", labels=("hue",), group="painter"), (3, 7))
    assert hue.split.description.startswith("70/10/20 drawn with seeds 3, 7, stratified by hue")
    for each in hue.runs:
        assert not set(each.split.learned // 10) & set(each.split.test // 10)


def test_the_command_repeats_on_several_splits(path):
    args = ("probe", path, "--label", "hue,year", "--splits", "2")
    hue, year = map(json.loads, run(*args, "--json").stdout.splitlines())
    assert (hue["probe"], hue["probe_std"], hue["splits"], year["metric"]) == (1, 0, 2, "MAE")
    lines = [line.split() for line in run(*args, "--table").stdout.splitlines()]
    heading = ["label", "majority", "metadata", "1-NN", "kNN", "probe", "F1", "ECE", "Brier"]
    at = lines.index(heading)
    assert [lines[at + 2][i] for i in (0, 1, 5, 6)] == ["hue", "0.333", "1.000", "1.000"]
    assert [lines[at + 3][i] for i in (0, 1, 5)] == ["\u00b1", "0.000", "0.000"]
    assert "hue: 70/10/20 drawn with seeds 0 to 1" in run(*args, "--table").stdout
    assert "saved" not in run(*args, "--json").stderr
    assert "leave out --split or --splits" in run(*args, "--split", "side", code=1).output
    assert "--shots is for one split" in run(*args, "--shots", "5", code=2).output


def test_multilabel_labels_are_ranked_and_years_have_an_error(store):
    tags, year = probed(store, "tags", "year", split="side")
    assert (tags.label.kind, tags.metric) == (LabelKind.MULTILABEL, "mAP")
    assert tags.classes == ("cold", "warm", "wet")
    assert (tags.probe.value, tags.knn.value, tags.nearest.value) == (1, 1, 1)
    assert tags.baseline.value == pytest.approx((2 / 3 + 1 / 3 + 1 / 3) / 3)
    assert (year.label.kind, year.metric) == (LabelKind.NUMBER, "MAE")
    assert year.baseline.value == pytest.approx(200 / 3)  # median 1600, off by 100 for red and blue
    assert year.knn.value == 0
    assert year.probe.value < 20
    assert year.probe.low < year.probe.value < year.probe.high


def test_without_a_named_split_a_stratified_one_is_drawn(store):
    (found,) = probed(store, "hue", seed=1)
    counts = np.bincount(found.label.strata[found.split.test])
    assert sorted(counts) in ([7, 8, 9], [8, 8, 8], [7, 8, 8], [8, 8, 9])
    assert found.split.description == "70/10/20 drawn with seed 1, stratified by hue"
    every = np.concatenate([found.split.learned, found.split.test])
    assert sorted(every) == list(range(ROWS))
    (again,) = probed(store, "hue", seed=1)
    assert again.to_json() == found.to_json()
    (other,) = probed(store, "hue", seed=2)
    assert other.split.test.tolist() != found.split.test.tolist()


def test_each_group_is_in_one_part_of_the_split(store):
    (found,) = probed(store, "hue", group="painter")
    painters = np.arange(ROWS) // 10
    sides = [set(painters[rows]) for rows in (found.split.train, found.split.test)]
    assert sides[0] & sides[1] == set()
    assert found.split.description.endswith("stratified by hue, each painter in one set")
    with pytest.raises(EvaluationError, match=r"'side' has 12 values of 'painter' in train and in"):
        probed(store, "hue", split="side", group="painter")


def test_stored_splits_work_with_and_without_validation(store):
    make_split(store, "halves", SplitPlan(fractions=(0.5, 0.5), stratify="hue"), replace=True)
    (found,) = probed(store, "hue", split="halves")
    assert [len(rows) for rows in (found.split.learned, found.split.test)] == [60, 60]
    assert found.split.description == (
        "split 'halves', tested on test, chosen on a tenth of train drawn with seed 0"
    )
    make_split(store, "few", SplitPlan(per_class=10, stratify="hue"), replace=True)
    (found,) = probed(store, "hue", split="few")
    assert len(found.split.learned) + len(found.split.test) == 30
    assert found.split.description.startswith("70/10/20 of the sample 'few' drawn")


def test_metadata_helps_if_the_vectors_do_not(store):
    (alone,) = probed(store, "side", seed=1)
    (printed,) = probed(store, "hue", split="side", metadata=("aspect_ratio", "painter"))
    assert alone.to_json()["with"] == []
    assert printed.to_json()["with"] == ["aspect_ratio", "painter"]
    assert printed.metadata.value == 1  # each painter keeps to one hue
    assert printed.result.head.weights.shape == (3 + 1 + 12, 3)


def test_metadata_is_standardized_on_train_and_missing_values_are_average():
    values = {"height": [1.0, 3.0, None, 100.0], "kind": ["a", "b", None, "c"]}
    fitted = Metadata.fit(values, np.array([0, 1]))
    np.testing.assert_allclose(
        fitted.features(values, 4), [[-1, 1, 0], [1, 0, 1], [0, 0, 0], [98, 0, 0]]
    )
    assert Metadata.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted
    assert Metadata().features({}, 4).shape == (4, 0)


def test_the_shape_of_a_picture_is_read_from_the_index(store):
    columns = read_metadata(store, ["width", "height", "aspect_ratio", "pixel_count"])
    assert [column[0] for column in columns.values()] == [12, 10, 1.2, 120]


def test_vectors_without_pictures_have_no_metadata_baseline(store, monkeypatch):
    read = Store.read

    def no_pictures(self, columns):
        table = read(self, columns)
        for name in {"width", "height"} & set(columns):
            zeros = pa.array([0] * len(table), table.schema.field(name).type)
            table = table.set_column(table.column_names.index(name), name, zeros)
        return table

    monkeypatch.setattr(Store, "read", no_pictures)
    assert set(read_metadata(store, ["width"])["width"]) == {None}
    (found,) = probed(store, "hue", split="side")
    assert (found.metadata, found.metadata_names) == (None, ())
    assert found.to_json()["metadata"] is None


def test_labels_of_one_metric_are_averaged_equally(store):
    found = probed(store, "hue", "coin", "year", split="side")
    (mean,) = means(found)
    assert (mean["metric"], mean["labels"]) == ("top1", 2)
    assert mean["probe"] == pytest.approx((found[0].probe.value + found[1].probe.value) / 2)
    assert mean["baseline"] == pytest.approx(
        (found[0].baseline.value + found[1].baseline.value) / 2
    )
    assert means(found[1:]) == []


def test_few_shots_are_drawn_several_times_from_train(store):
    (found,) = probed(store, "hue", split="side", shots=(1, 5), tries=3)
    assert [(few.shots, few.top1, few.n_train) for few in found.few] == [
        (1, (1.0, 1.0, 1.0), 3),
        (5, (1.0, 1.0, 1.0), 15),
    ]
    assert (found.few[0].mean, found.few[0].std) == (1, 0)
    assert found.few[0].estimate == estimate_share(np.ones(24, dtype=bool))
    assert found.to_json()["few"][0]["mean_low"] == pytest.approx(24 / (24 + 1.96**2), abs=1e-4)
    with pytest.raises(EvaluationError, match="'hue': no class has 50 train rows, the largest has"):
        probed(store, "hue", split="side", shots=(50,))


def test_few_shots_in_many_dimensions_are_fitted_in_their_subspace():
    rng = np.random.default_rng(0)
    codes = np.arange(400) % 4
    few = (np.eye(4)[codes] + 0.8 * rng.standard_normal((400, 4))).astype(np.float32)
    turn = np.linalg.qr(rng.standard_normal((64, 64)))[0].astype(np.float32)
    many = np.pad(few, ((0, 0), (0, 60))) @ turn  # the same points, askew in 64 dimensions
    label = multiclass("x", [str(code) for code in codes])
    train, validation, test = np.split(np.arange(400), [200, 240])
    split = Split(train=train, validation=validation, test=test, description="")
    scores = [few_shot(x, label, split, 5, tries=4).top1 for x in (few, many)]
    np.testing.assert_allclose(*scores, atol=0.02)
    estimate = few_shot(few, label, split, 5, tries=4).estimate
    assert (estimate.value, estimate.n) == (pytest.approx(np.mean(scores[0])), 160)
    assert estimate.low < estimate.value - 0.04 < estimate.value + 0.04 < estimate.high
    assert 0.4 < np.mean(scores) < 0.9


def test_copies_of_a_test_picture_are_not_trained_on(store, path, tmp_path):
    folder = tmp_path / "twice"
    (folder / "a").mkdir(parents=True)
    (folder / "b").mkdir()
    rng = np.random.default_rng(0)
    for i in range(40):
        base = (200, 20, 20) if i % 2 else (20, 20, 200)
        color = tuple(int(c) for c in base + rng.integers(0, 50, 3))
        name = f"{'ab'[i % 2]}/{i:02}.png"
        Image.new("RGB", (8, 8), color).save(folder / name)
        if i < 20:
            Image.new("RGB", (8, 8), color).save(folder / name.replace(".png", "-copy.png"))
    embed_collection(
        read_collection(folder), tmp_path / "index", Extractor(MeanColor(), toy_passport())
    )
    twice = Store.open(tmp_path / "index")
    (found,) = probed(twice, "class")
    content = twice.read(["content_hash"]).column("content_hash").to_pylist()
    seen, scored = (
        {content[row] for row in rows} for rows in (found.split.learned, found.split.test)
    )
    assert seen & scored == set()
    assert found.split.copies_left_out > 0
    assert (
        "of test pictures (found by file; after 'artsim dupes' by look, too) left out of training"
        in found.split.notes[0]
    )
    make_split(twice, "leaky", SplitPlan(fractions=(0.5, 0.5)))
    (found,) = probed(twice, "class", split="leaky")
    seen, scored = (
        {content[row] for row in rows} for rows in (found.split.learned, found.split.test)
    )
    assert seen & scored == set()
    assert found.to_json()["copies_left_out"] == found.split.copies_left_out > 0
    (kept,) = probed(twice, "class", split="leaky", keep_copies=True)
    assert len(kept.split.learned) == len(found.split.learned) + found.split.copies_left_out
    assert kept.split.copies_left_out == 0
    assert "look, too) kept in training: the scores are too high" in kept.split.notes[0]
    with pytest.raises(EvaluationError, match="split 'leaky' leaks: test pictures"):
        probed(twice, "class", split="leaky", no_leaks=True)


def test_pictures_without_the_label_are_counted(store):
    label = "early = CASE WHEN catalogd < 5060 THEN hue END"
    for split in (None, "side"):
        (found,) = probed(store, label, split=split)
        assert found.to_json()["unlabeled"] == found.split.unlabeled == 60
        assert "pictures without a usable early are left out: 60" in found.split.notes


def test_a_class_with_one_picture_is_noted(store):
    (found,) = probed(store, "rare")
    assert found.split.notes == (
        UNKNOWN,
        "classes of one picture cannot be in both training and test: 1 ('once')",
    )
    assert 0 in found.split.train


def test_test_pictures_of_a_class_missing_in_train_are_noted(store):
    label = "last = floor((catalogd - 5000) / 59)"  # 2 of the last two, both in test
    (found,) = probed(store, label, split="side")
    assert found.split.notes == (
        UNKNOWN,
        "test pictures of a class without training pictures count as wrong: 2 ('2')",
    )


# --- heads --------------------------------------------------------------------------------


def saved(store, *labels, name="it", **options):
    plan = ProbePlan(tap="rgb", labels=labels, **options)
    head = make_head(store, plan, list(probe(store, plan)), name)
    return head, save_head(store, head)


def test_a_head_is_read_as_it_was_written(store):
    head, file = saved(store, "hue", "tags", "year", split="side", metadata=("height",))
    again = load_head(file)
    assert again.created > ""
    assert (again.name, again.index, again.tap) == ("it", "index", "rgb")
    assert (again.split, again.group, again.seed) == ("side", None, 0)
    assert again.passport == store.manifest.passport
    for mine, theirs in zip(head.tasks, again.tasks, strict=True):
        for field in ("label", "source", "kind", "classes", "temperature", "metadata", "scores"):
            assert getattr(mine, field) == getattr(theirs, field)
        for field in ("weights", "bias", "trained"):
            np.testing.assert_array_equal(getattr(mine, field), getattr(theirs, field))
    written = json.loads(file.read_text())
    assert written["tasks"][0]["classes"] == ["blue", "green", "red"]
    assert [column["name"] for column in written["tasks"][0]["features"]] == ["height"]
    assert written["tasks"][0]["scores"]["probe"] == 1


def test_multiclass_probabilities_add_up_and_multilabel_ones_need_not(store):
    head, _ = saved(store, "hue", "tags", split="side")
    vectors = to_unit(store.vectors("rgb"))
    hue, tags = (task.probabilities(vectors) for task in head.tasks)
    np.testing.assert_allclose(hue.sum(axis=1), 1)
    blue = tags[-1]  # cold and wet
    assert blue[0] > 0.5
    assert blue[2] > 0.5
    assert blue[1] < 0.5


def test_the_newest_head_is_found_and_an_unknown_one_lists_the_known(store):
    saved(store, "hue", name="one")
    _, file = saved(store, "coin", name="two")
    assert head_names(store)[0] == "two"
    assert find_head(store, None) == file
    assert find_head(store, str(file)) == file
    with pytest.raises(EvaluationError, match="has no head 'three'; choose from two, one"):
        find_head(store, "three")


def test_a_half_written_head_is_refused(store):
    _, file = saved(store, "hue", name="torn")
    weights = file.with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(
        StoreError, match=r"torn.json' is damaged \(torn.safetensors does not belong"
    ):
        load_head(file)
    weights.unlink()
    with pytest.raises(StoreError, match=r"is damaged .* train it again with 'artsim probe'"):
        load_head(file)
    file.write_text('{"format": 99}')
    weights.write_bytes(b"")
    with pytest.raises(StoreError, match="has format 99, this artsim reads 1"):
        load_head(file)
    file.unlink()


def test_an_easy_label_is_predicted_with_confidence(store):
    head, _ = saved(store, "hue", split="side")
    likely = head.tasks[0].probabilities(to_unit(store.vectors("rgb")))
    assert likely.max(axis=1).min() > 0.8


def test_a_head_is_no_more_confident_than_its_validation_shows(store):
    (hue, tags) = probed(store, "hue", "tags", split="side")
    vectors = to_unit(store.vectors("rgb"))
    for found in (hue, tags):
        head = make_head(store, ProbePlan(tap="rgb", labels=(found.label.name,)), [found], "x")
        likely = head.tasks[0].probabilities(vectors[found.split.validation])
        sure = np.maximum(likely, 1 - likely) if found is tags else likely.max(axis=1)
        assert 0.9 < sure.mean() <= 13 / 14  # right 12 times of 12


def test_a_head_of_another_network_is_refused_with_what_differs(store):
    head, _ = saved(store, "hue")
    other = toy_passport(weights_sha256="1" * 64)
    with pytest.raises(PassportError, match=r"weights_sha256: 000000000000..., not 111111111111"):
        check_passport(head, other, "those of 'index'")


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (["artist", "style"], "artist+style"),
        (["Object type"], "Object-type"),
        (["..", "/"], "probe"),
        (["a" * 200], "a" * 100),
    ],
)
def test_a_head_is_named_after_its_labels(labels, name):
    assert default_name(labels) == name


# --- misuse -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "numbers", "expected"),
    [
        ("n", np.arange(100.0), "it is an id: all 100 values are different whole numbers"),
        ("n", np.arange(99.0), None),
        ("n", np.arange(100) / 8, None),
        ("year", np.arange(100.0) // 2, None),
        ("objectid", [1.0, 1, 2, 3, np.nan], "it is an id by its name, and 3 of 4 values are"),
        ("Object ID", [1.0, 2, 3], "it is an id by its name"),
        ("ObjectID", [1.0, 2, 3], "it is an id by its name"),
        ("accession_number", [1.0, 2, 3], "it is an id by its name"),
        ("paid", [1.0, 2, 3], None),
        ("no", [1.0, 1, 1, 1], None),
    ],
)
def test_ids_are_distinguished_from_measures(name, numbers, expected):
    found = why_id(name, np.asarray(numbers))
    assert (found or "").startswith(expected or "")
    assert (found is None) == (expected is None)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--label", "rights"), "'rights' cannot be a label: one class only: 'free'; choose from"),
        (("--label", "title"), "'title' cannot be a label: all 120 values are different"),
        (("--label", "catalogd"), "'catalogd' cannot be a label: it is an id: all 120 values"),
        (("--label", "nation"), "no column 'nation'; choose from hue, tags"),
        (("--label", "hue", "--with", "catalogd"), "'catalogd' cannot be a feature: it is an"),
        (("--label", "hue", "--with", "title"), "'title' cannot be a feature: all 120 values"),
        (("--label", "hue", "--with", "id"), "'id' cannot be a feature: it identifies the picture"),
        (("--label", "hue", "--with", "hue"), "it is the label itself; leave it out"),
        (("--label", "old = year < 1600", "--with", "year"), "it is what 'old = year < 1600' is"),
        (("--label", "hue", "--with", "weight"), "no column 'weight' to be a feature; choose from"),
        (("--label", "hue", "--split", "coin"), "split column 'coin' needs rows of 'train'"),
        (("--label", "hue", "--split", "lopsided"), "and of 'test' (or 'val'); it has train"),
        (("--label", "side", "--split", "side"), "'side' cannot be both label and split"),
        (("--label", "painter", "--group", "painter"), "cannot be both label and group"),
        (("--label", "hue", "--group", "hue"), "cannot be both label and group"),
        (
            ("--label", "painter", "--group", "coin"),
            "cannot be split: too few groups for 3",
        ),
        (("--label", "hue", "--tap", "z"), "has no tap 'z'"),
        (("--label", "hue", "--shots", "41"), "no class has 41 train rows"),
        (("--label", "year", "--shots", "1"), "--shots needs a label of one class a picture"),
        (("--label", "hue", "--head", "../x"), "'../x' is not a valid name here"),
        (("--label", "hue", "--device", "cuda:99"), "no device 'cuda:99'"),
    ],
)
def test_misuse_gives_a_one_line_error(path, args, message):
    output = run("probe", "--index", path, *args, code=1).output
    assert output.startswith("Error: ")
    assert message in output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--no-leaks",), "--no-leaks checks a split"),
        (("--head", "x", "--no-save"), "use --head NAME or --no-save"),
        (("--shots", "1,x"), "'x' is not a number from 1, as in 1,5,10"),
        (("--shots", "0"), "'0' is not a number from 1"),
    ],
)
def test_wrong_options_are_explained(path, args, message):
    assert message in run("probe", "--index", path, *args, code=2).output


def test_folds_are_refused(path):
    make_split(Store.open(path), "cv", SplitPlan(folds=3), replace=True)
    output = run("probe", "--index", path, "--label", "hue", "--split", "cv", code=1).output
    assert "split 'cv' has folds, expected train, val and test" in output


def test_vectors_that_are_not_numbers_are_refused(store, monkeypatch):
    broken = store.vectors("rgb")
    broken[7] = np.nan
    monkeypatch.setattr(Store, "iter_vectors", lambda self, tap: [broken])
    with pytest.raises(
        EvaluationError, match=r"row 7 of the vectors 'rgb' of .* holds NaN or infinity"
    ):
        probed(store, "hue")


def test_vectors_of_zeros_are_left_out_and_noted(store, monkeypatch):
    empty = store.vectors("rgb")
    empty[[3, 8]] = 0
    monkeypatch.setattr(Store, "iter_vectors", lambda self, tap: [empty])
    (found,) = probed(store, "hue", split="side")
    assert found.split.notes == (
        UNKNOWN,
        "2 pictures are left out, as their vectors are all zeros",
    )
    assert (len(found.split.train), len(found.split.test)) == (83, 23)
    assert (found.knn.value, found.probe.value) == (1, 1)


# --- the command --------------------------------------------------------------------------


def test_the_command_prints_a_table_and_saves_a_head(path):
    args = ("--label", "hue,coin", "--label", "year", "--split", "side", "--shots", "2")
    result = run("probe", "--index", path, "--table", "--head", "both", *args)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["label", "majority", "metadata", "1-NN", "kNN", "k", "probe", "95%"] in lines
    assert ["hue", "0.333", "0.667", "1.000", "1.000", "1", "1.000", "0.862-1.000"] in lines
    assert [line for line in lines if line[:1] == ["mean"]]
    assert ["year", "66.7"] in [line[:2] for line in lines]
    assert ["hue", "2", "1.000", "0.862-1.000", "0.000", "6"] in lines
    assert (
        "hue: split 'side', tested on test, chosen on val; 84 training, 12 validation"
        in result.stdout
    )
    advised = f"artsim predict --index {path} --head both"
    assert result.stderr == f"Head 'both' saved; use it with '{advised}'\n"
    again = run("probe", "--index", path, "--head", "both", "--label", "hue", "--split", "side")
    assert again.stderr.startswith("Head 'both' replaced; use it with")
    run("probe", "--index", path, "--table", "--head", "both", *args)
    assert [task.label for task in load_head(path / "heads" / "both.json").tasks] == [
        "hue",
        "coin",
        "year",
    ]


def test_the_command_prints_json_lines_in_a_pipe(path):
    result = run("probe", "--index", path, "--label", "hue,coin", "--split", "side", "--no-save")
    hue, coin, mean = map(json.loads, result.stdout.splitlines())
    assert (hue["label"], hue["probe"], hue["tap"], hue["split"]) == ("hue", 1, "rgb", "side")
    assert (mean["mean_of"], mean["metric"], mean["group"]) == (2, "top1", None)
    assert mean["probe"] == pytest.approx((hue["probe"] + coin["probe"]) / 2)
    assert result.stderr == ""


def test_intervals_of_a_stored_split_resample_the_groups_that_it_keeps_whole(path):
    store = Store.open(path)
    plan = SplitPlan(fractions=(0.7, 0.1, 0.2), stratify="hue", group="painter")
    make_split(store, "whole", plan, replace=True)
    source = read_source(store, SplitChoice(split="whole"))
    painters = codes_of(store, "painter").tolist()
    assert source.whole.resampled.tolist() == painters
    assert split_label(source, read_label(store, "hue")).resampled.tolist() == painters
    assert read_source(store, SplitChoice(split="side")).whole.resampled is None
    (found,) = probed(store, "hue", split="whole")
    groups = found.probe.groups
    assert groups == len(np.unique(codes_of(store, "painter")[found.split.test])) < 20
    row = found.to_json()
    assert (row["resampled"], row["resampled_groups"]) == ("painter", groups)
    assert f"by painter: {groups}, fewer than 20, so" in row["notes"][-1]


def test_a_grouped_split_is_shown_with_the_ordinary_one(path):
    args = ("--label", "hue,coin", "--group", "painter", "--no-save")
    result = run("probe", "--index", path, "--table", *args)
    lines = [line.split() for line in result.stdout.splitlines()]
    rows = [
        line
        for line in lines
        if line[:1] in (["hue"], ["coin"], ["mean"], ["by"]) and "painter:" not in line
    ]
    assert [line[: 2 if line[0] == "by" else 1] for line in rows] == [
        ["hue"],
        ["by", "painter"],
        ["coin"],
        ["by", "painter"],
        ["mean"],
        ["by", "painter"],
    ]
    assert (
        "hue: 1.000 if the painter of a test picture may be in the training set, 1.000 if not:\n"
        "  +0.000 ("
    ) in result.stdout
    assert "), too uncertain to say how much recognizing the painter helps" in result.stdout
    split = "70/10/20 drawn with seed 0, stratified by hue"
    assert f"\nhue: {split}; 84 training, 12 validation" in result.stdout
    assert f"\nhue by painter: {split}, each painter in one set" in result.stdout
    for name in ("hue", "hue by painter", "coin", "coin by painter"):
        assert result.stdout.count(f"\n{name}: probe compared with kNN on the same test ") == 1
        assert result.stdout.count(f"\n{name}: macro F1: ") == 1
    found = [json.loads(line) for line in run("probe", "--index", path, *args).stdout.splitlines()]
    assert [(row.get("label"), row["group"]) for row in found] == [
        ("hue", "painter"),
        ("coin", "painter"),
        (None, "painter"),
        ("hue", None),
        ("coin", None),
        (None, None),
    ]
    split = run("probe", "--index", path, "--label", "hue", "--split", "side", "--no-save")
    assert len(split.stdout.splitlines()) == 1


def test_every_label_of_one_class_is_probed_by_default(path):
    result = run("probe", "--index", path, "--group", "painter", "--no-save")
    found = [json.loads(line).get("label") for line in result.stdout.splitlines()]
    assert {"hue", "coin", "side", "rare"} <= set(found)
    assert "painter" not in found


def test_a_derived_label_keeps_its_commas(path):
    label = "warm = hue in ('red', 'orange')"
    result = run("probe", "--index", path, "--label", label, "--split", "side", "--no-save")
    found = json.loads(result.stdout)
    assert (found["label"], found["classes"], found["probe"]) == ("warm", 2, 1)


# --- real pictures ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(real_index):
    """Indexes of the real collections, copied when they are first asked for."""
    return functools.cache(lambda name: Store.open(real_index(name)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("collection", "label"),
    [
        ("paintings", "artist"),
        ("paintings", "style"),
        ("antiquities", "object_type"),
    ],
)
def test_a_probe_is_as_good_as_scikit_learns_on_real_pictures(real, collection, label):
    store, grid = real(collection), (1.0, 3.0, 10.0)
    ((label, split),) = split_labels(
        store, LabelPlan(), [read_label(store, label)], np.ones(store.rows, dtype=bool), ""
    )
    x, y = to_unit(store.vectors("embedding")), label.strata
    found = fit_probe(x, label, split, strengths=grid)

    def quality(peer):
        likely = peer.predict_proba(x[split.validation])
        loss = sklearn.metrics.log_loss(y[split.validation], likely, labels=peer.classes_)
        return peer.score(x[split.validation], y[split.validation]), -loss

    peer = LogisticRegression(tol=1e-5, max_iter=1000, warm_start=True)
    peers = [copy.deepcopy(peer.set_params(C=c).fit(x[split.train], y[split.train])) for c in grid]
    best = max(peers, key=quality)
    assert found.head.strength == best.C
    peer = best.fit(x[split.learned], y[split.learned])
    assert found.estimate.value == pytest.approx(
        peer.score(x[split.test], y[split.test]), abs=0.003
    )


@pytest.mark.slow
def test_a_probe_predicts_painters_eight_points_better_than_the_nearest_neighbor(real):
    result = run("probe", "--index", real("paintings").path, "--label", "artist", "--no-save")
    found = json.loads(result.stdout)
    assert (found["split_description"], found["n_test"]) == (
        "70/10/20 drawn with seed 0, stratified by artist",
        455,
    )
    assert found["probe"] >= found["knn1"] + 0.08
    assert found["probe"] > found["knn"] > found["metadata"] > found["baseline"]


@pytest.mark.slow
def test_a_style_is_predicted_worse_for_unseen_artists(real):
    args = ("--label", "style", "--group", "artist", "--no-save", "--json")
    apart, ordinary = (
        json.loads(line)
        for line in run("probe", "--index", real("paintings").path, *args).stdout.splitlines()
    )
    assert (apart["group"], ordinary["group"]) == ("artist", None)
    assert apart["baseline"] < apart["probe"] < ordinary["probe"] - 0.2


def test_neighbors_of_a_probe_are_those_of_knn_eval_on_the_same_split(path):
    args = ("--index", path, "--label", "coin,tags,year", "--split", "side", "--json")
    probes = map(json.loads, run("probe", *args, "--no-save").stdout.splitlines())
    found = {row["label"]: row for row in probes if "label" in row}
    for row in map(json.loads, run("knn-eval", *args).stdout.splitlines()):
        probe = found[row["label"]]
        metric = probe["metric"]
        assert (row[metric], row["k"]) == (probe["knn"], probe["k"])
        assert (row[f"{metric}_low"], row[f"{metric}_high"]) == (
            probe["knn_low"],
            probe["knn_high"],
        )


def test_metadata_alone_is_never_worse_than_the_constant(store):
    for each in probed(store, "hue", "coin", "year", split="side"):
        better = np.less_equal if each.metric == "MAE" else np.greater_equal
        assert better(each.metadata.value, each.baseline.value)


def test_the_csv_has_every_method_and_every_class(path, tmp_path):
    file = tmp_path / "scores.csv"
    options = ("--label", "hue,coin,year", "--split", "side", "--no-save", "--csv", file)
    printed = run("probe", path, *options, "--json").stdout
    whole, classes = [], []
    for row in csv.DictReader(file.read_text().splitlines()):
        (classes if row["class"] else whole).append(row)
    hue, coin, year, _mean = [json.loads(line) for line in printed.splitlines()]
    assert [row["label"] for row in whole] == ["hue", "coin", "year", ""]
    assert float(whole[1]["probe"]) == coin["probe"]
    assert [(row["class"], row["f1"]) for row in classes if row["label"] == "hue"] == [
        ("blue", "1.0"),
        ("green", "1.0"),
        ("red", "1.0"),
    ]
    mean = np.mean([float(row["f1"]) for row in classes if row["label"] == "coin"])
    assert mean == pytest.approx(coin["macro_f1"])
    assert hue["baseline_macro_f1"] == pytest.approx(0.5 / 3)  # a third is right: F1 .5, 0, 0
    assert hue["knn_macro_f1"] == hue["knn1_macro_f1"] == 1
    assert "knn_macro_f1" not in year


def test_the_split_command_says_when_single_classes_move_the_sizes(tmp_path):
    styles = pa.array(["oil"] * 20 + [f"alone {i}" for i in range(20)])
    ids = [f"p{i}" for i in range(40)]
    make_store(tmp_path / "index", ids, {"embedding": at(*range(40))}, {"style": styles})
    args = ("split", "--index", tmp_path / "index", "--fractions", "70/10/20", "--table")
    printed = run(*args, "--name", "one", "--stratify", "style").output
    assert (
        "the sets are 85/5/10%, not 70/10/20%, as classes of few pictures of style allow no other"
    ) in printed
    assert "the sets are" not in run(*args, "--name", "two").output


def test_settings_chosen_on_one_picture_are_noted(tmp_path):
    columns = {
        "style": pa.array(["oil", "ink"] * 15),
        "few": pa.array(["train"] * 20 + ["val"] + ["test"] * 9),
        "enough": pa.array(["train"] * 16 + ["val"] * 5 + ["test"] * 9),
    }
    ids = [f"p{i}" for i in range(30)]
    store = make_store(tmp_path / "index", ids, {"embedding": at(*range(30))}, columns)

    def notes(name):
        return split_label(
            read_source(store, SplitChoice(split=name)), read_label(store, "style")
        ).notes

    assert notes("few") == (
        UNKNOWN,
        "all settings are chosen on 1 validation picture, which is far too few",
    )
    assert notes("enough") == (UNKNOWN,)
