"""Numbers told by neighbors, by eye, then against scikit-learn's regressor."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsRegressor

from artsim.errors import EvaluationError
from artsim.metrics.knn_values import predict_values, score_ranges
from artsim.metrics.neighbors import Neighbors, nearest

YEARS = np.array([1880.0, 1900.0, np.nan])


def test_neighbors_are_averaged_and_those_without_a_value_are_not():
    rows = np.array([[0, 1, 2], [2, 0, -1], [2, -1, -1]])
    scores = np.float32([[1, 1, 1], [1, 1, -np.inf], [1, -np.inf, -np.inf]])
    predicted = predict_values(Neighbors(scores, rows), YEARS, 3, temperature=None)
    np.testing.assert_array_equal(predicted, [1890, 1880, np.nan])


def test_the_nearest_counts_for_more():
    neighbors = Neighbors(np.float32([[1, 0]]), np.array([[0, 1]]))
    expected = (1880 * np.e + 1900) / (np.e + 1)
    assert predict_values(neighbors, YEARS, 2, temperature=1.0).tolist() == [
        pytest.approx(expected)
    ]


def test_plain_means_equal_scikit_learn():
    rng = np.random.default_rng(0)
    bank, queries = (rng.standard_normal((n, 4)).astype(np.float32) for n in (40, 15))
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    values = rng.random(40)
    peer = KNeighborsRegressor(7, algorithm="brute").fit(bank, values)
    predicted = predict_values(nearest(queries, bank, 7), values, 7, temperature=None)
    np.testing.assert_allclose(predicted, peer.predict(queries))


def test_inside_a_range_nothing_is_missed_and_outside_its_nearer_end():
    begin, end = np.array([1880.0, 1880, 1880, np.nan]), np.array([1890.0, 1890, 1890, 1890])
    score = score_ranges(np.array([1885.0, 1870, 1893, 0]), begin, end, np.array([1900.0]))
    assert score.mae == pytest.approx((0 + 10 + 3) / 3)
    assert score.median_mae == 10
    assert score.inside == pytest.approx(1 / 3)
    assert score.n == 3
    assert score.interval[0] <= score.mae <= score.interval[1]


def test_no_prediction_is_the_banks_median():
    years = np.array([1900.0])
    assert score_ranges(np.array([np.nan]), years, years, np.array([1880.0, 1890, 1990])).mae == 10


@pytest.mark.parametrize(
    ("begin", "end", "bank", "message"),
    [
        (1890.0, 1880.0, 1.0, "the range of query 0 ends before it begins"),
        (np.nan, np.nan, 1.0, "there is nothing to score"),
        (1.0, 1.0, np.nan, "no query or no bank row has a value"),
    ],
)
def test_bad_use_says_what_is_wrong(begin, end, bank, message):
    with pytest.raises(EvaluationError, match=message):
        score_ranges(np.ones(1), np.array([begin]), np.array([end]), np.array([bank]))
