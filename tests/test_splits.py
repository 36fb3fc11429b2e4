"""Splits by eye, then what must hold of every split, then against scikit-learn's."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from artsim.errors import EvaluationError
from artsim.splits import Split, k_fold, sample_per_class, split

TEN_AND_TWENTY = np.repeat([0, 1], [10, 20])

labeled = st.tuples(st.integers(0, 2**32 - 1), st.integers(20, 200), st.integers(1, 8))


def class_counts(codes, parts):
    """Rows of each class in each part, shape (parts, C)."""
    return np.array([np.bincount(codes[rows], minlength=codes.max() + 1) for rows in parts])


def assert_every_row_once(parts, n):
    assert np.sort(np.concatenate(parts)).tolist() == list(range(n))
    assert all((np.diff(rows) > 0).all() for rows in parts)


def test_each_class_is_divided_by_the_fractions():
    parts = split(TEN_AND_TWENTY, (0.7, 0.1, 0.2), seed=0)
    assert_every_row_once(parts, 30)
    assert class_counts(TEN_AND_TWENTY, parts).tolist() == [[7, 14], [1, 2], [2, 4]]


def grouped(*codes):
    rows = np.arange(len(codes))
    parts = {"train": rows[:0], "validation": rows[:0], "test": rows}
    return Split(**parts, description="", resampled=np.array(codes), resampled_by="artist")


def test_notes_count_the_groups_that_intervals_resample_and_say_when_they_are_few():
    groups = "intervals are drawn over groups by artist:"
    few = "fewer than 20, so they are likely too narrow"
    assert grouped(*range(20), 3).label_notes("style") == (f"{groups} 20",)
    assert grouped(0, 0, 1, -1, -1).label_notes("style") == (f"{groups} 4, {few}",)
    alone = "no interval, as all test pictures share one artist"
    assert grouped(2, 2).label_notes("style") == (alone,)
    assert grouped(0, -1).facts["resampled_groups"] == 2


def test_pictures_without_the_label_are_counted_and_noted():
    rows = np.arange(6)
    drawn = Split(train=rows[:3], validation=rows[3:4], test=rows[4:], description="")
    kept = drawn.keep_labeled(np.array([True, False, True, True, False, True]))
    assert (kept.train.tolist(), kept.test.tolist(), kept.unlabeled) == ([0, 2], [5], 2)
    assert kept.label_notes("genre") == ("pictures without a usable genre are left out: 2",)
    every = replace(drawn, train=rows, test=rows, validation=rows[:0])
    assert every.keep_labeled(rows > 0).unlabeled == 1  # leave-one-out: each row once


def test_the_seed_determines_the_split_which_is_not_the_first_rows():
    codes = np.zeros(100, dtype=int)
    first, again, other = (split(codes, (0.5, 0.5), seed=seed)[0].tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert 10 < sum(row < 50 for row in first) < 40


def test_a_class_with_one_row_has_it_in_the_first_part():
    codes = np.append(np.zeros(50, dtype=int), [1, 2, 3])
    for seed in range(20):
        assert {50, 51, 52} <= set(split(codes, (0.5, 0.5), seed=seed)[0].tolist())


def test_rows_without_a_label_are_split_as_well():
    parts = split(np.repeat([-1, 0], [20, 10]), (0.9, 0.1), seed=0)
    assert [len(rows) for rows in parts] == [27, 3]


def test_a_sample_takes_as_many_of_each_class_and_all_of_a_small_one():
    codes = np.repeat([-1, 0, 1, 2], [5, 10, 2, 100])
    rows = sample_per_class(codes, 3, seed=0)
    assert np.bincount(codes[rows]).tolist() == [3, 2, 3]
    assert sample_per_class(codes, 1000, seed=0).tolist() == list(range(5, 117))


def test_every_row_of_a_class_is_equally_likely_to_be_sampled():
    codes = np.repeat([0, 1], [10, 20])
    drawn = np.zeros(30)
    for seed in range(400):
        drawn[sample_per_class(codes, 5, seed=seed)] += 1
    assert (abs(drawn[:10] - 200) < 60).all()  # 6 standard deviations
    assert (abs(drawn[10:] - 100) < 52).all()


@settings(max_examples=60, deadline=None)
@given(labeled, st.sampled_from([(0.5, 0.5), (0.7, 0.1, 0.2), (0.25, 0.25, 0.25, 0.25)]))
def test_parts_of_a_split_are_stratified(drawn, fractions):
    seed, n, n_classes = drawn
    codes = np.random.default_rng(seed).integers(0, n_classes, n)
    parts = split(codes, fractions, seed=seed)
    assert_every_row_once(parts, n)
    counts = np.bincount(codes, minlength=codes.max() + 1)
    expected = np.array(fractions)[:, None] * counts
    many = counts > 1
    assert (abs(class_counts(codes, parts) - expected)[:, many] < 2).all()


@settings(max_examples=60, deadline=None)
@given(labeled, st.integers(2, 5))
def test_folds_are_as_even_as_scikit_learns(drawn, k):
    seed, n, n_classes = drawn
    codes = np.random.default_rng(seed).integers(0, n_classes, n)
    codes = np.append(codes, np.repeat(np.unique(codes), k))  # scikit-learn wants k of each class
    folds = k_fold(codes, k, seed=seed)
    assert_every_row_once(folds, len(codes))
    ours = class_counts(codes, folds)
    peer = StratifiedKFold(k, shuffle=True, random_state=0).split(codes, codes)
    theirs = class_counts(codes, [rows for _, rows in peer])
    assert np.sort(ours, axis=0).tolist() == np.sort(theirs, axis=0).tolist()
    assert np.ptp(ours.sum(axis=1)) <= 1


@settings(max_examples=60, deadline=None)
@given(labeled, st.booleans())
def test_groups_stay_whole(drawn, folds):
    seed, n, n_classes = drawn
    rng = np.random.default_rng(seed)
    codes, groups = rng.integers(0, n_classes, n), rng.integers(-1, 12, n)
    if folds:
        parts = k_fold(codes, 3, groups=groups, seed=seed)
    else:
        parts = split(codes, (0.6, 0.2, 0.2), groups=groups, seed=seed)
    assert_every_row_once(parts, n)
    for i, rows in enumerate(parts):
        for others in parts[i + 1 :]:
            assert not set(groups[rows][groups[rows] >= 0]) & set(groups[others])


def test_grouped_folds_are_as_balanced_as_scikit_learns():
    rng = np.random.default_rng(0)
    artists = rng.integers(0, 80, 3000)
    styles = rng.integers(0, 6, 80)[artists]  # an artist has one style
    styles = np.where(rng.random(3000) < 0.1, rng.integers(0, 6, 3000), styles)  # nearly

    def chi_square(parts):
        counts = class_counts(styles, parts)
        expected = counts.sum(axis=0) / len(parts)
        return ((counts - expected) ** 2 / expected).sum()

    peer = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(styles, styles, artists)
    theirs = chi_square([rows for _, rows in peer])
    assert chi_square(k_fold(styles, 5, groups=artists, seed=0)) < theirs


def test_a_grouped_split_approximates_the_fractions():
    rng = np.random.default_rng(0)
    artists = rng.integers(0, 60, 2000)
    parts = split(rng.integers(0, 6, 60)[artists], (0.7, 0.1, 0.2), groups=artists, seed=0)
    np.testing.assert_allclose([len(rows) / 2000 for rows in parts], (0.7, 0.1, 0.2), atol=0.05)


def test_few_equal_groups_reach_every_part():
    artists = np.repeat(np.arange(12), 10)
    parts = split(np.zeros(120, dtype=int), (0.7, 0.1, 0.2), groups=artists, seed=0)
    assert [len(rows) for rows in parts] == [90, 10, 20]


def test_one_common_class_gives_a_row_to_a_part_that_would_have_none():
    codes = np.array([0, 0, 0, 0, 1])
    for seed in range(20):
        train, val, test = split(codes, (0.98, 0.01, 0.01), seed=seed)
        assert (len(train), len(val), len(test)) == (3, 1, 1)
        assert 4 in train  # the only row of its class, where it can be learned


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.data())
def test_no_part_is_empty_if_there_are_enough_rows(seed, n, data):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(data.draw(st.integers(2, min(n, 4))), 0.3)) + 1e-3
    codes = rng.integers(0, 4, n)
    rows = split(codes, shares / shares.sum(), seed=seed)
    assert_every_row_once(rows, n)
    assert all(map(len, rows))
    groups = np.repeat(np.arange(n), rng.integers(1, 30, n))
    parts = split(codes[groups], shares / shares.sum(), groups=groups, seed=seed)
    assert all(map(len, parts))
    assert all(map(len, k_fold(codes[groups], len(shares), groups=groups, seed=seed)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: split(c, (0.7, 0.2), seed=0), "fractions must be two or more above 0 that add"),
        (lambda c: split(c, (1.0,), seed=0), "fractions must be two or more"),
        (
            lambda c: split(c[:2], (0.9, 0.05, 0.05), seed=0),
            "too few rows for 3 parts: 2; take",
        ),
        (
            lambda c: split(c, (0.5, 0.5), groups=np.zeros(30, dtype=int), seed=0),
            "too few groups for 2 parts: 1; take fewer parts or group by another label",
        ),
        (lambda c: split(c, (0.5, 0.5), groups=c[:3], seed=0), "there are 3 groups for 30 rows"),
        (lambda c: k_fold(c, 1, seed=0), "at least 2 folds, got 1"),
        (lambda c: k_fold(c, 31, seed=0), "too few rows for 31 folds: 30; take fewer folds"),
        (lambda c: k_fold(c, 3, groups=c, seed=0), "too few groups for 3 folds: 2"),
        (lambda c: sample_per_class(c, 0, seed=0), "at least 1 row of each class, got 0"),
    ],
)
def test_wrong_arguments_are_explained(call, message):
    with pytest.raises(EvaluationError, match=message):
        call(TEN_AND_TWENTY)
