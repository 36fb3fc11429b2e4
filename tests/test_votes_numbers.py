"""Numbers predicted by neighbors, by eye, then against scikit-learn's regressor."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsRegressor

from artsim.metrics.neighbors import Neighbors, nearest
from artsim.metrics.votes import predict_numbers

YEARS = np.array([1880.0, 1900.0, np.nan])


def test_neighbors_with_a_value_are_averaged():
    rows = np.array([[0, 1, 2], [2, 0, -1], [2, -1, -1]])
    scores = np.float32([[1, 1, 1], [1, 1, -np.inf], [1, -np.inf, -np.inf]])
    predicted = predict_numbers(Neighbors(scores, rows), YEARS, 3, temperature=None)
    np.testing.assert_array_equal(predicted, [1890, 1880, np.nan])


def test_the_nearest_counts_for_more():
    neighbors = Neighbors(np.float32([[1, 0]]), np.array([[0, 1]]))
    expected = (1880 * np.e + 1900) / (np.e + 1)
    assert predict_numbers(neighbors, YEARS, 2, temperature=1.0).tolist() == [
        pytest.approx(expected)
    ]


def test_unweighted_means_equal_scikit_learn():
    rng = np.random.default_rng(0)
    bank, queries = (rng.standard_normal((n, 4)).astype(np.float32) for n in (40, 15))
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    values = rng.random(40)
    peer = KNeighborsRegressor(7, algorithm="brute").fit(bank, values)
    predicted = predict_numbers(nearest(queries, bank, 7), values, 7, temperature=None)
    np.testing.assert_allclose(predicted, peer.predict(queries))
