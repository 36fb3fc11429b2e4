"""The table of metrics, and what metadata alone predicts."""

import numpy as np
import pytest
import sklearn.metrics

from artsim.labels import LabelKind, multiclass, multilabel, number
from artsim.metrics import metadata, registry
from artsim.metrics.metadata import metadata_baseline
from artsim.metrics.predictions import Predictions
from artsim.metrics.ranking import Ranking
from artsim.metrics.registry import METRICS, Metric, baseline, metrics_of, score, scores_to_json
from artsim.splits import Split

RED_OR_BLUE = multiclass("color", ["blue", "blue", "red", "blue", "red"])
BLUE, RED = 0, 1


def predictions() -> Predictions:
    """Two of the last three rows are right, learned from the first two and one red."""
    return Predictions(
        truth=RED_OR_BLUE.take(np.array([2, 3, 4])),
        learned=RED_OR_BLUE.take(np.array([0, 1, 2])),
        ranked=np.array([[BLUE, RED], [BLUE, RED], [RED, -1]]),
    )


def test_multiclass_labels_are_scored_by_all_metrics_of_the_table():
    found = score(predictions())
    assert list(found) == ["top1", "top5", "macro_f1", "balanced_accuracy", "kappa"]
    assert found["top1"].value == pytest.approx(2 / 3)
    assert found["top5"].value == 1.0
    assert found["kappa"] == pytest.approx(
        sklearn.metrics.cohen_kappa_score([RED, BLUE, RED], [BLUE, BLUE, RED])
    )
    assert baseline(predictions()).value == pytest.approx(1 / 3)  # always blue


def test_probabilities_are_scored_by_calibration_error_and_brier_score():
    probable = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8]])
    truth = RED_OR_BLUE.take(np.array([2, 3, 4]))  # red, blue, red
    found = score(
        Predictions(truth=truth, learned=RED_OR_BLUE).with_probabilities(
            probable, np.array([BLUE, RED])
        )
    )
    assert found["top1"].value == pytest.approx(2 / 3)
    assert found["ece"] == pytest.approx((0.6 + 0.1 + 0.2) / 3)  # each in a bin of its own
    assert found["brier"].value == pytest.approx((2 * 0.36 + 2 * 0.01 + 2 * 0.04) / 3)
    peer = sklearn.metrics.brier_score_loss([RED, BLUE, RED], probable[:, 1], scale_by_half=False)
    assert found["brier"].value == pytest.approx(peer)


def test_a_class_that_cannot_be_predicted_has_a_probability_of_0():
    truth = multiclass("color", ["blue", "green", "red"])
    only = np.array([0, 2])  # blue and red were learned
    found = Predictions(truth=truth, learned=truth).with_probabilities(
        np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]]), only
    )
    assert found.ranked[:, :2].tolist() == [[0, 2], [0, 2], [2, 0]]
    assert found.brier.tolist() == pytest.approx([0, 1.5, 0.125])


def test_a_metric_added_to_the_table_alone_is_computed_and_written(monkeypatch):
    toy = Metric(
        name="share_red",
        description="share of rows that are predicted red",
        kind=LabelKind.MULTICLASS,
        compute=lambda p: float((p.ranked[:, 0] == RED).mean()),
    )
    monkeypatch.setitem(METRICS, toy.name, toy)
    assert scores_to_json(score(predictions()))["share_red"] == pytest.approx(1 / 3)
    assert metrics_of(LabelKind.MULTICLASS)[-1] is toy
    assert registry.main_metric(LabelKind.MULTICLASS).name == "top1"


def test_every_kind_of_label_is_measured_first_by_the_metric_it_names():
    for kind in LabelKind:
        assert registry.main_metric(kind).name == kind.metric
        assert registry.main_metric(kind).estimate is not None


def test_classes_of_all_or_no_training_rows_are_not_averaged():
    label = multilabel("in", [["a", "b"], ["a"], ["a", "b"], ["b", "c"], ["a"]])
    truth = label.take(np.array([2, 3, 4]))
    scores = np.array([[0.9, 0.3, 0.9], [0.1, 0.2, 0.1], [0.5, 0.1, 0.5]])
    found = Predictions(
        truth=truth, learned=label.take(np.array([0, 1])), ranking=Ranking.of(truth.matrix, scores)
    )
    # all rows learned from have a, none has c; both works with b rank above the one without
    assert score(found)["mAP"].value == 1.0
    assert baseline(found).value == pytest.approx(2 / 3)
    expected = [
        sklearn.metrics.average_precision_score(has, each)
        for has, each in zip(truth.matrix, scores, strict=True)
    ]
    assert score(found)["iMAP"] == pytest.approx(np.mean(expected))


def test_the_error_of_a_number_is_its_distance_from_the_interval():
    label = number(
        "year", np.array([1600.0, 1700, 1800, 1850]), np.array([1600.0, 1700, 1810, 1850])
    )
    found = Predictions(
        truth=label.take(np.array([2, 3])),
        learned=label.take(np.array([0, 1])),
        numbers=np.array([1805.0, np.nan]),  # the second has none: the median, 1650
    )
    assert found.errors.tolist() == [0.0, 200.0]
    assert score(found)["MAE"].value == 100.0
    assert score(found)["inside"].value == 0.5
    assert baseline(found).value == pytest.approx((150 + 200) / 2)


ROWS = 600
RNG = np.random.default_rng(0)
X = RNG.standard_normal((ROWS, 2)).astype(np.float32)
TRAINED, CHOOSERS, TESTED = np.split(np.arange(ROWS), [400, 500])
SPLIT = Split(train=TRAINED, validation=CHOOSERS, test=TESTED, description="")


@pytest.mark.parametrize(
    ("label", "method"),
    [
        (multiclass("m", ["ab"[int(x > 0)] for x in X[:, 0]]), "linear"),
        (multiclass("m", ["ab"[int(x > 0)] for x in abs(X[:, 0]) - 0.7]), "trees"),
        (
            multilabel("l", [["abc"[int(x > 0) + int(y > 0)], *"d"[: int(y > 1)]] for x, y in X]),
            None,
        ),
        (number("n", 3 * X[:, 0].astype(float) + 0.1 * RNG.standard_normal(ROWS)), "linear"),
        (number("n", abs(X[:, 0].astype(float))), "trees"),
    ],
)
def test_metadata_predicts_labels_that_depend_on_it(label, method):
    found = metadata_baseline(X, label, SPLIT)
    assert method is None or found.method == method
    better = registry.main_metric(label.kind).is_better
    assert better(found.estimate.value, baseline(found.predictions).value)
    assert found.estimate == score(found.predictions)[label.kind.metric]


@pytest.mark.parametrize("seed", range(5))
def test_metadata_is_never_worse_than_the_constant(seed):
    rng = np.random.default_rng(seed)
    for label in (
        multiclass("m", list(rng.choice(["a", "b", "c"], ROWS, p=[0.6, 0.3, 0.1]))),
        number("n", rng.standard_normal(ROWS)),
    ):
        found = metadata_baseline(X, label, SPLIT)
        constant = baseline(found.predictions).value
        assert not registry.main_metric(label.kind).is_better(constant, found.estimate.value)


@pytest.mark.parametrize(
    "fit",
    [metadata._fit_absolute, lambda *data: metadata._fit_boosted(*data, 0)],
    ids=["linear", "trees"],
)
def test_numbers_are_fitted_by_the_absolute_error_that_scores_them(fit):
    skewed = 10 * np.random.default_rng(1).exponential(1, ROWS) ** 3  # the mean is 60, the median 3
    residuals = skewed - fit(X, skewed)(X)[0]
    assert abs(np.median(residuals)) < 3  # least squares would have the mean at 0


def test_constant_metadata_is_no_baseline():
    assert metadata_baseline(np.zeros((ROWS, 2)), number("n", X[:, 0].astype(float)), SPLIT) is None
