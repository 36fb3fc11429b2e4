"""Two models on the same pictures: McNemar's exact p, and intervals of the difference."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.metrics.intervals import estimate_share
from artsim.metrics.paired import (
    Difference,
    best_share,
    paired_map,
    paired_mean,
    paired_share,
    resplit_mean,
    separate_difference,
)
from artsim.metrics.ranking import Ranking


def rows(lost, gained, both=0, neither=0):
    """Rows that only the first, only the second, both, or neither of the models has right."""
    first = np.repeat([True, False, True, False], [lost, gained, both, neither])
    second = np.repeat([False, True, True, False], [lost, gained, both, neither])
    return first, second


def mcnemar(lost, gained):
    """Add up the chances of as few or fewer rows by the definition, and double them."""
    n = lost + gained
    tail = sum(math.comb(n, i) for i in range(min(lost, gained) + 1)) / 2**n
    return min(1.0, 2 * tail)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 9), st.integers(0, 9))
def test_p_is_that_of_mcnemars_exact_test(lost, gained, both, neither):
    found = paired_share(*rows(lost, gained, both, neither))
    assert found.p == pytest.approx(mcnemar(lost, gained))
    n = lost + gained + both + neither
    assert found.estimate.value == pytest.approx((gained - lost) / n)
    assert found.estimate.low <= found.estimate.value <= found.estimate.high


def test_a_difference_that_resampling_overrates_is_noise():
    # 16 against 6 of 455: resampling gives p = .03 to .05, the exact test .052.
    found = paired_share(*rows(6, 16, both=300, neither=133))
    assert found.p == pytest.approx(0.0525, abs=1e-4)
    assert found.is_noise


def test_the_interval_is_bonett_and_prices():
    # Two rows are added, one that each model has right alone: 2 and 8 of 23.
    found = paired_share(*rows(1, 7, both=1, neither=12)).estimate
    error = 1.96 * math.sqrt((2 / 23 + 8 / 23 - (8 / 23 - 2 / 23) ** 2) / 23)
    assert (found.low, found.high) == pytest.approx((6 / 23 - error, 6 / 23 + error), abs=1e-4)


def test_equal_models_have_no_difference_but_an_interval():
    found = paired_share(np.ones(5, dtype=bool), np.ones(5, dtype=bool))
    assert (found.estimate.value, found.p, found.is_noise) == (0.0, 1.0, True)
    assert found.estimate.low == -found.estimate.high < 0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_the_reverse_comparison_has_the_opposite_sign(pairs):
    first, second = np.array(pairs).T
    there, back = paired_share(first, second), paired_share(second, first)
    assert there.estimate.value == pytest.approx(-back.estimate.value)
    assert there.estimate.low == pytest.approx(-back.estimate.high)
    assert there.p == pytest.approx(back.p)


def test_groups_are_resampled_whole_and_have_no_p():
    first, second = rows(0, 20, both=20)
    alone, groups = paired_share(first, second), np.arange(40) // 10  # two groups differ, two not
    found = paired_share(first, second, groups)
    assert (found.p, found.estimate.value, found.estimate.groups) == (None, 0.5, 4)
    assert (found.estimate.low, found.estimate.high) == (0, 1)
    assert found.is_noise
    assert not alone.is_noise


def test_errors_are_compared_picture_by_picture():
    found = paired_mean(np.array([5.0, 9.0, 2.0]), np.array([4.0, 7.0, 1.0]))
    assert (found.estimate.value, found.estimate.low) == (pytest.approx(-4 / 3), -2)
    assert not found.is_noise


def test_rankings_are_resampled_alike():
    truth = np.arange(40)[:, None] % 2 == 0
    good, bad = truth * 1.0, np.arange(40.0)[:, None]
    found = paired_map(Ranking.of(truth, bad), Ranking.of(truth, good))
    assert found.estimate.value == pytest.approx(1 - np.mean([i / (2 * i) for i in range(1, 21)]))
    assert found.estimate.low < found.estimate.value < found.estimate.high
    assert not found.is_noise


def test_no_interval_is_known_where_resampling_shows_no_difference():
    truth = np.arange(40)[:, None] % 2 == 0
    good, bad = (Ranking.of(truth, each) for each in (truth * 1.0, np.arange(40.0)[:, None]))
    one_group, halves = np.zeros(40, dtype=int), np.arange(40) // 20
    ones = np.ones(40)
    for found, value, groups in (
        (paired_map(bad, good, one_group), 0.5, 1),
        (paired_map(good, good), 0, None),
        (paired_mean(ones, ones * 3, one_group), 2, 1),
        (paired_mean(ones, ones * 3), 2, None),
        (paired_share(ones > 2, ones > 0, halves), 1, 2),
    ):
        assert found.estimate.value == pytest.approx(value)
        assert found.estimate.groups == groups
        assert math.isnan(found.estimate.low)
        assert math.isnan(found.estimate.high)
        assert found.is_noise
        assert found.to_json("d")["d_low"] is None


def test_scores_of_other_pictures_are_refused():
    with pytest.raises(EvaluationError, match="2 and 3 scores are not of the same pictures"):
        paired_share(np.ones(2, dtype=bool), np.ones(3, dtype=bool))


def test_the_interval_between_two_test_sets_is_newcombes():
    # Newcombe 1998, table II: 56 of 70 against 48 of 80, method 10.
    first, second = (estimate_share(np.arange(n) < right) for right, n in ((48, 80), (56, 70)))
    found = separate_difference(first, second)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert (found.estimate.value, found.is_noise) == (pytest.approx(0.2), False)


def test_wide_intervals_that_overlap_show_no_difference_and_no_lack_of_one():
    first, second = Estimate(0.444, 0.246, 0.663, 18), Estimate(0.312, 0.083, 0.455, 16, 4)
    found = separate_difference(first, second)
    assert found.estimate.low < -0.3 < 0.1 < found.estimate.high
    assert (found.estimate.groups, found.is_noise) == (4, True)


def test_no_interval_of_one_score_is_none_of_the_difference():
    nothing = Estimate(0.5, math.nan, math.nan, 9, 1)
    found = separate_difference(Estimate(0.9, 0.8, 0.95, 100), nothing)
    assert math.isnan(found.estimate.low)
    assert math.isnan(found.estimate.high)
    assert found.is_noise


def test_a_difference_over_few_groups_is_noise_as_its_interval_is_too_narrow():
    assert Difference(Estimate(0.3, 0.2, 0.4, 90, 6), None).is_noise
    assert not Difference(Estimate(0.3, 0.2, 0.4, 90, 60), None).is_noise


def test_scores_on_splits_that_share_rows_have_the_interval_of_nadeau_and_bengio():
    found = resplit_mean([0.5, 0.6, 0.7], [0.6, 0.8, 0.8], test_share=0.25)
    deviation = math.sqrt(((0.1 - 0.4 / 3) ** 2 * 2 + (0.2 - 0.4 / 3) ** 2) / 2)
    error = 4.302653 * deviation * math.sqrt(1 / 3 + 0.25)  # t of two degrees of freedom
    assert found.estimate.value == pytest.approx(0.4 / 3)
    ends = (found.estimate.low, found.estimate.high)
    assert ends == pytest.approx((0.4 / 3 - error, 0.4 / 3 + error), abs=1e-6)
    assert (found.p, found.is_noise) == (None, True)
    assert not resplit_mean([0.5, 0.51, 0.49], [0.9, 0.92, 0.88], 0.25).is_noise


@pytest.mark.parametrize("scores", [[0.5], [0.5, 0.6]])
def test_one_split_or_the_same_difference_on_all_has_no_interval(scores):
    found = resplit_mean(scores, [score + 0.25 for score in scores], 0.25)
    assert found.estimate.value == 0.25
    assert math.isnan(found.estimate.low)
    assert found.is_noise


def test_the_best_of_several_is_compared_with_each_for_all_pairs_at_once():
    right = np.zeros((3, 60), dtype=bool)
    right[0, :20] = right[1, 5:45] = right[2, 4:44] = True  # 20, 40 and 40 of 60
    best, chances = best_share(list(right))
    assert best == 1
    assert chances == [
        pytest.approx(3 * mcnemar(5, 25)),
        1,
        1,  # three times that of one row either way, but no more than 1
    ]
    assert best_share([right[0]]) == (0, [1.0])
    few = best_share([np.arange(10) < 8, np.arange(10) < 3])
    assert few == (0, [1, pytest.approx(mcnemar(0, 5))])
