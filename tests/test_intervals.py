"""Intervals: by eye, then against plain resampling, one score at a time."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.metrics.intervals import (
    estimate_map,
    estimate_mean,
    estimate_share,
    wilson,
)
from artsim.metrics.ranking import Ranking, average_precisions, resampled_precisions


def test_25_of_25_right_is_not_certain():
    found = estimate_share(np.ones(25, dtype=bool))
    assert (found.value, found.high, found.n, found.groups) == (1.0, 1.0, 25, None)
    assert found.low == pytest.approx(25 / (25 + 1.959964**2))


def test_a_share_of_no_rows_is_nan():
    nothing = estimate_share(np.zeros(0, dtype=bool))
    assert math.isnan(nothing.value)
    assert nothing.to_json("top1") == {
        "top1": None,
        "top1_low": None,
        "top1_high": None,
    }


def test_whole_groups_are_resampled():
    right = np.repeat([True, False] * 20, 10)  # 40 artists of ten works, each all right or wrong
    groups = np.repeat(np.arange(40), 10)
    alone, grouped = estimate_share(right), estimate_share(right, groups)
    assert (alone.value, grouped.value, grouped.groups) == (0.5, 0.5, 40)
    wide = 1.96 * math.sqrt(0.25 / 40)
    assert (grouped.low, grouped.high) == pytest.approx((0.5 - wide, 0.5 + wide), abs=0.03)
    assert alone.high - alone.low < (grouped.high - grouped.low) / 2


def test_full_accuracy_in_few_groups_is_only_as_certain_as_their_number():
    found = estimate_share(np.ones(100, dtype=bool), np.arange(100) // 20)
    assert (found.low, found.high) == wilson(5, 5)
    assert found.has_few_groups
    assert not estimate_share(np.ones(100, dtype=bool)).has_few_groups


def test_one_group_has_no_interval():
    right = np.array([True, True, False])
    one = np.zeros(3, dtype=np.int64)
    ranking = Ranking.of(right[:, None], np.float64([[0.9], [0.1], [0.5]]))
    found = [estimate_share(right, one), estimate_share(right[:2], one[:2])]
    found += [estimate_mean(np.arange(3.0), one), estimate_map(ranking, one)]
    assert [each.groups for each in found] == [1] * 4
    assert [each.value for each in found] == pytest.approx([2 / 3, 1, 1, 5 / 6])
    assert all(math.isnan(each.low) and math.isnan(each.high) for each in found)


def test_perfect_rankings_are_only_as_certain_as_the_pictures_that_have_a_class():
    truth = np.zeros((60, 2), dtype=bool)
    truth[:12, 0] = truth[10:20, 1] = True  # 20 pictures have a class
    ranking = Ranking.of(truth, truth.astype(float))
    found = estimate_map(ranking)
    assert (found.value, found.low, found.high) == (1, wilson(20, 20)[0], 1)
    grouped = estimate_map(ranking, np.arange(60) // 5)
    assert (grouped.low, grouped.groups) == (wilson(4, 4)[0], 12)


def test_rows_without_a_group_are_groups_of_their_own():
    found = estimate_mean(np.arange(6.0), np.array([3, 3, -1, -1, 0, 0]))
    assert found.groups == 4


def test_groups_are_weighted_by_their_rows():
    found = estimate_mean(np.array([1.0, 1, 1, 0]), np.array([0, 0, 0, 1]))
    assert (found.value, found.low, found.high, found.n) == (0.75, 0.0, 1.0, 4)


def test_the_interval_of_a_mean_is_about_two_standard_errors_to_each_side():
    values = np.random.default_rng(0).standard_normal(2000) * 3 + 10
    found = estimate_mean(values)
    error = 3 / np.sqrt(2000)
    assert (found.low, found.high) == pytest.approx(
        (values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.02
    )
    assert found == estimate_mean(values)  # the same seed, the same interval


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 5), st.booleans())
def test_average_precisions_equal_scikit_learn(seed, n, k, ties):
    rng = np.random.default_rng(seed)
    truth = rng.random((n, k)) < 0.4
    scores = rng.integers(0, 4, (n, k)) / 4 if ties else rng.random((n, k))
    found = average_precisions(Ranking.of(truth, scores))
    for mine, has, each in zip(found, truth.T, scores.T, strict=True):
        if has.any():
            assert mine == pytest.approx(sklearn.metrics.average_precision_score(has, each))
        else:
            assert math.isnan(mine)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.booleans())
def test_resampled_precisions_equal_scikit_learn_with_weights(seed, n, whole):
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 4)) < 0.4
    scores = rng.integers(0, 4, (n, 4)) / 4
    weights = rng.multinomial(n, np.full(n, 1 / n), size=5).T.astype(np.float32)
    ranking = Ranking.of(truth, scores)
    if not whole:  # what scores 0 is not listed
        rows, classes = np.nonzero(scores)
        ranking = Ranking.listed(truth.nonzero(), rows, classes, scores[rows, classes], truth.shape)
    for found, weight in zip(resampled_precisions(ranking, weights), weights.T, strict=True):
        each = [
            sklearn.metrics.average_precision_score(has, score, sample_weight=weight)
            for has, score in zip(truth.T, scores.T, strict=True)
            if (has * weight).any()
        ]
        assert found == pytest.approx(np.mean(each) if each else math.nan, nan_ok=True, abs=1e-5)


def test_mean_average_precision_is_less_certain_with_fewer_pictures():
    rng = np.random.default_rng(0)
    truth = rng.random((400, 3)) < 0.3
    scores = rng.random((400, 3)) + truth * 0.4
    few = estimate_map(Ranking.of(truth[:40], scores[:40]))
    many = estimate_map(Ranking.of(truth, scores))
    assert few.high - few.low > 2 * (many.high - many.low)
    twins = estimate_map(  # each picture ten times says no more than once
        Ranking.of(np.repeat(truth[:40], 10, axis=0), np.repeat(scores[:40], 10, axis=0)),
        np.repeat(np.arange(40), 10),
    )
    assert twins.value == pytest.approx(few.value)
    assert (twins.low, twins.high) == pytest.approx((few.low, few.high), abs=1e-5)


def test_classes_of_very_different_precision_make_no_wide_interval():
    rng = np.random.default_rng(0)
    truth = rng.random((600, 2)) < 0.3
    scores = np.stack([truth[:, 0], rng.random(600)], axis=1)  # one class perfect, one at chance
    found = estimate_map(Ranking.of(truth, scores))
    assert found.value == pytest.approx(0.65, abs=0.05)
    assert found.high - found.low < 0.1


def test_an_estimate_has_names_in_json_and_a_short_form():
    found = Estimate(0.68432, 0.64, 0.725, 500)
    assert found.to_json("top1") == {"top1": 0.68432, "top1_low": 0.64, "top1_high": 0.725}
    assert str(found) == "0.684 (0.640-0.725)"


def test_groups_of_other_rows_are_refused():
    with pytest.raises(EvaluationError, match="there are 2 groups for 3 rows"):
        estimate_mean(np.zeros(3), np.zeros(2, dtype=np.int64))
