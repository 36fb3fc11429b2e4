"""Hubs by eye, and the corrected search against the whole matrix."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings

from artsim.errors import EvaluationError
from artsim.evaluation import neighbours
from artsim.evaluation.hubness import csls, k_occurrence, k_occurrence_skew
from artsim.evaluation.neighbours import Neighbours, nearest


def unit(rng, *shape):
    x = rng.standard_normal(shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_occurrences_count_the_queries_that_found_a_row():
    found = Neighbours(np.zeros((3, 2), dtype=np.float32), np.array([[0, 1], [0, 2], [0, -1]]))
    assert k_occurrence(found, 4).tolist() == [3, 1, 1, 0]


def test_skewness_equals_scipy_and_is_undefined_where_all_are_alike():
    counts = np.array([9, 1, 0, 2, 0])
    assert k_occurrence_skew(counts) == pytest.approx(scipy.stats.skew(counts))
    assert math.isnan(k_occurrence_skew(np.array([2, 2])))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.booleans())
def test_corrected_search_equals_the_whole_matrix(seed, n, coarse):
    rng = np.random.default_rng(seed)
    bank, k, hood = unit(rng, n, 5), int(rng.integers(1, n)), int(rng.integers(1, 12))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_SMALL", 0 if coarse else 1 << 22)
        found = csls(bank, bank, k, hood=hood, exclude=np.arange(n))
    similarity = bank.astype(np.float64) @ bank.T
    np.fill_diagonal(similarity, -np.inf)
    near = np.sort(similarity, axis=1)[:, ::-1][:, : min(hood, n - 1)].mean(axis=1)
    scores = 2 * similarity - near[:, None] - near
    expected = np.sort(scores, axis=1)[:, ::-1][:, :k]
    np.testing.assert_allclose(found.scores, expected, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(scores, found.rows, axis=1), expected, atol=1e-5)


def test_the_correction_makes_hubs_rarer():
    rng = np.random.default_rng(0)
    lengths = rng.lognormal(0, 0.5, (400, 1)).astype(np.float32)
    bank = lengths * unit(rng, 400, 64) + 0.5 * unit(rng, 1, 64)  # short ones are near to all
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    masks = {"exclude": np.arange(400)}
    plain = k_occurrence_skew(k_occurrence(nearest(bank, bank, 10, **masks), 400))
    corrected = k_occurrence_skew(k_occurrence(csls(bank, bank, 10, **masks), 400))
    assert plain > 3
    assert corrected < plain / 2


def test_one_row_has_no_neighbourhood():
    with pytest.raises(EvaluationError, match="csls needs two bank rows or more"):
        csls(np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32)[:1], 1)
