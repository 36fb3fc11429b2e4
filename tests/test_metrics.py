"""Scores by eye, then against scikit-learn."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from artsim.errors import EvaluationError
from artsim.metrics import scores as metrics
from artsim.metrics.ranking import Ranking, average_precisions

TRUTH = np.array([0, 0, 0, 1])
PREDICTED = np.array([0, 0, 1, 1])

pairs = st.integers(1, 30).flatmap(
    lambda n: st.tuples(*[arrays(np.int64, n, elements=st.integers(0, 5))] * 2)
)


def test_scores_by_eye():
    assert metrics.accuracy(TRUTH, PREDICTED) == 3 / 4
    assert metrics.macro_f1(TRUTH, PREDICTED) == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert metrics.balanced_accuracy(TRUTH, PREDICTED) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.cohen_kappa(TRUTH, PREDICTED) == pytest.approx((3 / 4 - 1 / 2) / (1 - 1 / 2))
    assert metrics.confusion(TRUTH, PREDICTED).tolist() == [[0, 0, 2], [0, 1, 1], [1, 1, 1]]


def test_a_missing_prediction_is_wrong_and_no_class():
    predicted = np.array([0, 0, -1, 1])
    assert metrics.accuracy(TRUTH, predicted) == 3 / 4
    assert metrics.macro_f1(TRUTH, predicted) == pytest.approx((4 / 5 + 1) / 2)
    assert metrics.balanced_accuracy(TRUTH, predicted) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.confusion(TRUTH, predicted).tolist() == [[0, -1, 1], [0, 0, 2], [1, 1, 1]]


def test_top_accuracy_counts_a_class_anywhere_in_the_list():
    ranked = np.array([[0, 1], [2, 1], [1, 0], [0, -1]])
    assert metrics.top_accuracy(TRUTH, ranked) == 2 / 4


def test_calibration_error_by_eye():
    confidence = np.array([0.99, 0.97, 0.95, 0.55, 0.55])  # the last of 15 bins, and the ninth
    right = np.array([True, True, False, True, False])
    expected = (abs(2 - 2.91) + abs(1 - 1.1)) / 5
    assert metrics.expected_calibration_error(confidence, right) == pytest.approx(expected)


@given(st.lists(st.tuples(st.floats(0.01, 1), st.booleans()), min_size=1, max_size=40))
def test_calibration_error_by_a_plain_loop(pairs):
    total = 0.0
    for i in range(15):
        inside = [(c, r) for c, r in pairs if math.ceil(c * 15) - 1 == i]
        if inside:
            accuracy = sum(r for _, r in inside) / len(inside)
            confidence = sum(c for c, _ in inside) / len(inside)
            total += len(inside) / len(pairs) * abs(accuracy - confidence)
    confidence, right = map(np.array, zip(*pairs, strict=True))
    assert metrics.expected_calibration_error(confidence, right) == pytest.approx(total)


@settings(max_examples=100, deadline=None)
@given(pairs)
def test_equals_scikit_learn(pair):
    truth, predicted = pair
    assert metrics.accuracy(truth, predicted) == pytest.approx(
        sklearn.metrics.accuracy_score(truth, predicted)
    )
    assert metrics.macro_f1(truth, predicted) == pytest.approx(
        sklearn.metrics.f1_score(truth, predicted, average="macro", zero_division=0)
    )
    recalls = sklearn.metrics.recall_score(
        truth, predicted, labels=np.unique(truth), average="macro", zero_division=0
    )
    assert metrics.balanced_accuracy(truth, predicted) == pytest.approx(recalls)
    matrix = sklearn.metrics.confusion_matrix(truth, predicted, labels=range(6))
    rows, columns = matrix.nonzero()
    assert metrics.confusion(truth, predicted).tolist() == [
        [r, c, matrix[r, c]] for r, c in zip(rows, columns, strict=True)
    ]


@settings(max_examples=100, deadline=None)
@given(pairs)
def test_kappa_equals_scikit_learn(pair):
    truth, predicted = pair
    if len(np.union1d(truth, predicted)) == 1:
        assert math.isnan(metrics.cohen_kappa(truth, predicted))
    else:
        expected = sklearn.metrics.cohen_kappa_score(truth, predicted)
        assert metrics.cohen_kappa(truth, predicted) == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 4))
def test_top_accuracy_equals_scikit_learn(seed, n, k):
    rng = np.random.default_rng(seed)
    scores = rng.random((n, 6))
    truth = rng.integers(0, 6, n)
    ranked = np.argsort(-scores, axis=1)[:, :k]
    expected = sklearn.metrics.top_k_accuracy_score(truth, scores, k=k, labels=range(6))
    assert metrics.top_accuracy(truth, ranked) == pytest.approx(expected)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.booleans())
def test_average_precision_equals_scikit_learn(seed, n, ties):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, n) / 4 if ties else rng.random(n)
    members = rng.random(n) < 0.4
    (found,) = average_precisions(Ranking.of(members[:, None], scores[:, None]))
    if not members.any():
        assert math.isnan(found)
        return
    assert found == pytest.approx(sklearn.metrics.average_precision_score(members, scores))


def test_gap_counts_distractors_as_wrong_and_divides_by_the_others():
    truth, predicted = np.array([0, 1, -1, 2]), np.array([0, 1, 1, 0])
    confidence = np.array([0.9, 0.5, 0.7, 0.1])
    # in order: right, distractor, right, wrong
    gap = metrics.global_average_precision(truth, predicted, confidence)
    assert gap == pytest.approx((1 + 2 / 3) / 3)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_gap_is_average_precision_times_accuracy(seed, n):
    rng = np.random.default_rng(seed)
    truth, predicted, confidence = rng.integers(0, 3, n), rng.integers(0, 3, n), rng.random(n)
    right = truth == predicted
    average = sklearn.metrics.average_precision_score(right, confidence) if right.any() else 0
    gap = metrics.global_average_precision(truth, predicted, confidence)
    assert gap == pytest.approx(average * right.mean())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.accuracy(TRUTH, PREDICTED[:2]), "4 true classes and 2 predictions"),
        (lambda: metrics.accuracy(TRUTH[:0], TRUTH[:0]), "there is nothing to score"),
        (
            lambda: metrics.global_average_precision(np.array([-1]), np.array([0]), np.ones(1)),
            "all queries are distractors; GAP needs some that have a class",
        ),
    ],
)
def test_wrong_arguments_are_explained(call, message):
    with pytest.raises(EvaluationError, match=message):
        call()
