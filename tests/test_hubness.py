"""Hubs by eye, and the corrected search against the whole matrix."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings

from artsim.errors import EvaluationError
from artsim.metrics.hubs import (
    Hubness,
    csls,
    hubness,
    k_occurrence,
    k_occurrence_skew,
    mutual_proximity,
)
from artsim.metrics.neighbors import Neighbors, nearest
from artsim.metrics.neighbors import search as coarse_search


def unit(rng, *shape):
    x = rng.standard_normal(shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_occurrences_count_the_queries_that_find_a_row():
    found = Neighbors(np.zeros((3, 2), dtype=np.float32), np.array([[0, 1], [0, 2], [0, -1]]))
    assert k_occurrence(found, 4).tolist() == [3, 1, 1, 0]


def test_skewness_equals_scipy_and_is_undefined_for_constants():
    counts = np.array([9, 1, 0, 2, 0])
    assert k_occurrence_skew(counts) == pytest.approx(scipy.stats.skew(counts))
    assert math.isnan(k_occurrence_skew(np.array([2, 2])))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.booleans())
def test_corrected_search_equals_the_whole_matrix(seed, n, coarse):
    rng = np.random.default_rng(seed)
    bank, k, hood = unit(rng, n, 5), int(rng.integers(1, n)), int(rng.integers(1, 12))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coarse_search, "_SMALL", 0 if coarse else 1 << 22)
        found = csls(bank, bank, k, hood=hood, exclude=np.arange(n))
    similarity = bank.astype(np.float64) @ bank.T
    np.fill_diagonal(similarity, -np.inf)
    near = np.sort(similarity, axis=1)[:, ::-1][:, : min(hood, n - 1)].mean(axis=1)
    scores = 2 * similarity - near[:, None] - near
    expected = np.sort(scores, axis=1)[:, ::-1][:, :k]
    np.testing.assert_allclose(found.scores, expected, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(scores, found.rows, axis=1), expected, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(3, 40),
    grouped=st.booleans(),
    budget_bytes=st.sampled_from([1, 1 << 20]),
)
def test_mutual_proximity_equals_the_whole_matrix(seed, n, grouped, budget_bytes):
    rng = np.random.default_rng(seed)
    bank, k = unit(rng, n, 5), int(rng.integers(1, n + 2))
    groups = rng.integers(-1, 4, n)
    masks = {"query_groups": groups, "bank_groups": groups} if grouped else {}
    found = mutual_proximity(
        bank, bank, k, exclude=np.arange(n), budget_bytes=budget_bytes, **masks
    )
    similarity = bank.astype(np.float64) @ bank.T
    np.fill_diagonal(similarity, np.nan)
    mean, deviation = np.nanmean(similarity, axis=1), np.nanstd(similarity, axis=1)
    near = scipy.stats.norm.cdf((similarity - mean[:, None]) / deviation[:, None])
    near *= scipy.stats.norm.cdf((similarity - mean) / deviation)
    masked = np.eye(n, dtype=bool)
    if grouped:
        masked |= (groups[:, None] == groups) & (groups >= 0)
    near[masked] = -np.inf
    expected = np.sort(near, axis=1)[:, ::-1][:, :k]
    np.testing.assert_allclose(found.scores[:, :n], expected, rtol=1e-3, atol=1e-5)
    assert (found.rows[np.isneginf(found.scores)] == -1).all()
    for row in range(n):
        some = found.rows[row][found.rows[row] >= 0]
        np.testing.assert_allclose(
            near[row, some], expected[row, : len(some)], rtol=1e-3, atol=1e-5
        )


def test_a_test_picture_that_is_not_in_the_bank_is_corrected_by_all_of_it():
    bank = unit(np.random.default_rng(0), 30, 4)
    found = mutual_proximity(bank[:1] * [[-1, 1, 1, 1]], bank, 1)
    assert 0 < found.scores[0, 0] < 1


def test_groups_are_kept_apart_by_the_corrected_search():
    vectors = unit(np.random.default_rng(0), 12, 4)
    groups = np.arange(12) % 3
    found = csls(
        vectors, vectors, 12, exclude=np.arange(12), query_groups=groups, bank_groups=groups
    )
    for row in range(12):
        assert sorted(found.rows[row][:8]) == [other for other in range(12) if (row - other) % 3]
        assert found.rows[row][8:].tolist() == [-1] * 4
        assert np.isneginf(found.scores[row][8:]).all()


def test_hubness_counts_the_bank_only():
    rows = np.array([[4, 6, 5], [4, 5, 6], [4, 6, 5]])
    found = Neighbors(np.zeros((3, 3), dtype=np.float32), rows)
    measured = hubness(found, np.array([3, 4, 5, 6]), k=2)
    skew = scipy.stats.skew([0, 3, 1, 2])
    assert measured == Hubness(k=2, skew=pytest.approx(skew), antihubs=1 / 4, largest=3)


def test_the_corrections_make_hubs_rarer():
    rng = np.random.default_rng(0)
    lengths = rng.lognormal(0, 0.5, (400, 1)).astype(np.float32)
    bank = lengths * unit(rng, 400, 64) + 0.5 * unit(rng, 1, 64)  # short ones are near to all
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    masks = {"exclude": np.arange(400)}
    plain = k_occurrence_skew(k_occurrence(nearest(bank, bank, 10, **masks), 400))
    assert plain > 3
    for search in (csls, mutual_proximity):
        corrected = k_occurrence_skew(k_occurrence(search(bank, bank, 10, **masks), 400))
        assert corrected < plain / 2


def test_one_row_has_no_neighborhood():
    with pytest.raises(EvaluationError, match="csls needs two bank rows or more"):
        csls(np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32)[:1], 1)
    with pytest.raises(EvaluationError, match="mutual proximity needs two bank rows or more"):
        mutual_proximity(np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32)[:1], 1)
