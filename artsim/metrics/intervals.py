"""The 95% interval of every score; see `artsim.metrics.paired` for that of a difference.

A share of independent rows has Wilson's interval. Every other score is bootstrapped; the interval
spans the middle 95% of the resampled scores. Where there are groups, whole groups are resampled:
works of one artist are less evidence than as many of different artists. One row, or one group,
has no interval, and neither have rows or groups that all score the same: resampling them shows no
uncertainty. Only where all are right, or none is, Wilson's interval still says something.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.metrics.ranking import Ranking, average_precisions, resampled_precisions

_LEVEL = 0.95
_RESAMPLES = 2_000  # of a mean
_RANKING_RESAMPLES = (200, 1_000)  # of a mean average precision: fewer where a ranking is long
_RANKING_WORK = 1 << 31  # listed rows times resamples: about ten seconds
_ROUNDING = 1e-9  # by which resampled means of equal numbers may differ
_BLOCK = 1 << 22  # numbers drawn at a time: 32 MB
_RANKING_BLOCK = 1 << 19  # weights of rows at a time: 2 MB, which fit a processor's cache

_NOTHING = Estimate(math.nan, math.nan, math.nan, 0)

Codes = NDArray[np.integer]
Floats = NDArray[np.floating]


def wilson(n_right: int, n: int, *, level: float = _LEVEL) -> tuple[float, float]:
    """Compute the score interval of ``n_right`` of ``n`` rows, at least 1.

    Wilson 1927 (doi:10.1080/01621459.1927.10502953).
    """
    from scipy.stats import binomtest

    low, high = binomtest(n_right, n).proportion_ci(level, method="wilson")
    return float(low), float(high)


def estimate_share(
    right: NDArray[np.bool_], groups: Codes | None = None, *, seed: int = 0
) -> Estimate:
    """Estimate the share of right rows; NaN if there are none.

    Args:
        right: Shape (n,).
        groups: Group of each row, shape (n,), resampled as a whole; -1 is a group of its own.
            None: Wilson's interval. Where all or none are right, resampling shows no uncertainty:
            the interval is then Wilson's of as many rows as there are groups.
        seed: Of the resampling.
    """
    if not len(right):
        return _NOTHING
    if groups is None:
        n_right = int(right.sum())
        return Estimate(n_right / len(right), *wilson(n_right, len(right)), len(right))
    return _widened(estimate_mean(right.astype(np.float64), groups, seed=seed))


def estimate_mean(values: Floats, groups: Codes | None = None, *, seed: int = 0) -> Estimate:
    """Estimate a mean.

    Args:
        values: Of each row, shape (n,).
        groups: Group of each row, shape (n,), resampled as a whole; -1 is a group of its own.
        seed: Of the resampling.
    """
    if not len(values):
        return _NOTHING
    numbers, n_groups = number(groups, len(values))
    sums = np.bincount(numbers, weights=values, minlength=n_groups)
    sizes = np.bincount(numbers, minlength=n_groups).astype(np.float64)
    means = []
    for drawn in _draws(n_groups, _RESAMPLES, seed, _BLOCK // n_groups):  # (r, G)
        total = drawn.shape[1] if groups is None else sizes[drawn].sum(axis=1)
        means.append(sums[drawn].sum(axis=1) / total)
    return between(float(np.mean(values)), np.concatenate(means), len(values), groups, n_groups)


def estimate_means(
    values: Mapping[str, Floats], groups: Codes | None = None, *, seed: int = 0
) -> dict[str, Estimate]:
    """Estimate the means of several scores from 0 to 1 of the same n rows, at least 1.

    Each as `estimate_mean`, and where all are 0 or 1 as `estimate_share`.
    """
    n = len(next(iter(values.values())))
    numbers, n_groups = number(groups, n)
    sums = [np.bincount(numbers, weights=each, minlength=n_groups) for each in values.values()]
    table = np.stack([*sums, np.bincount(numbers, minlength=n_groups)], axis=1)  # (G, M + 1)
    means = []
    for drawn in _draws(n_groups, _RESAMPLES, seed, _BLOCK // n_groups):  # (r, G)
        cells = drawn + np.arange(len(drawn))[:, None] * n_groups
        times = np.bincount(cells.ravel(), minlength=drawn.size).reshape(drawn.shape)
        totals = times @ table  # (r, M + 1)
        means.append(totals[:, :-1] / totals[:, -1:])
    found = np.concatenate(means)
    return {
        name: _widened(between(float(each.mean()), found[:, place], n, groups, n_groups))
        for place, (name, each) in enumerate(values.items())
    }


def estimate_map(ranking: Ranking, groups: Codes | None = None, *, seed: int = 0) -> Estimate:
    """Estimate a mean average precision over classes, by resampling rows, never the classes.

    A class without a row in a resample is left out of its mean. Rows drawn twice are next to each
    other in a ranking, which raises its precision, so the resampled scores are shifted to have the
    score as their mean. Where every ranking is perfect, resampling shows no uncertainty: the
    interval is then that of a share, of as many rows, or groups, as have a class.

    Args:
        ranking: Of n rows for K classes.
        groups: Group of each row, shape (n,), resampled as a whole; -1 is a group of its own.
        seed: Of the resampling.
    """
    each = average_precisions(ranking)
    if np.isnan(each).all():
        return _NOTHING
    found = resampled_maps(ranking, groups, seed=seed)
    value = float(np.nanmean(each))
    found = np.clip(found[~np.isnan(found)] - np.nanmean(found) + value, 0, 1)
    numbers, n_groups = number(groups, ranking.n)
    estimate = between(value, found, ranking.n, groups, n_groups)
    if value < 1 or n_groups == 1:
        return estimate
    true = ranking.rows[ranking.hits & (ranking.relevant[ranking.classes] > 0)]
    n = len(np.unique(numbers[true]))
    return replace(estimate, low=wilson(n, n)[0], high=1.0)


def resampled_maps(ranking: Ranking, groups: Codes | None = None, *, seed: int = 0) -> Floats:
    """Compute the mean average precision of each resample; NaN without a row of a class.

    The same rows are drawn for every ranking of as many rows, in the same groups.
    """
    numbers, n_groups = number(groups, ranking.n)
    resamples = int(np.clip(_RANKING_WORK // max(1, len(ranking.rows)), *_RANKING_RESAMPLES))
    means = []
    for drawn in _draws(n_groups, resamples, seed, _RANKING_BLOCK // ranking.n):
        cells = drawn + np.arange(len(drawn))[:, None] * n_groups
        times = np.bincount(cells.ravel(), minlength=drawn.shape[0] * n_groups)
        weights = times.reshape(len(drawn), n_groups).T.astype(np.float32)[numbers]  # (n, r)
        means.append(resampled_precisions(ranking, weights))
    return np.concatenate(means)


def number(groups: Codes | None, n: int) -> tuple[NDArray[np.int64], int]:
    """Number the groups from 0, each ungrouped row as one; return the numbers and how many."""
    if groups is None:
        return np.arange(n), n
    if groups.shape != (n,):
        raise EvaluationError(f"there are {len(groups)} groups for {n} rows")
    alone = groups < 0
    groups = np.where(alone, groups.max() + np.cumsum(alone), groups)
    distinct, numbers = np.unique(groups, return_inverse=True)
    return numbers, len(distinct)


def _draws(n: int, resamples: int, seed: int, step: int) -> Iterator[NDArray[np.int64]]:
    """Draw n of n with replacement, ``resamples`` times, in blocks of ``step`` draws (r, n)."""
    rng = np.random.default_rng(seed)
    step = max(1, step)
    for done in range(0, resamples, step):
        yield rng.integers(0, n, (min(step, resamples - done), n))


def between(
    value: float, resampled: Floats, n: int, groups: Codes | None, n_groups: int
) -> Estimate:
    """Return the value with the middle 95% of the resampled values, widened to include it."""
    counted = None if groups is None else n_groups
    low, high = np.quantile(resampled, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    if n_groups == 1 or high - low <= _ROUNDING:
        return Estimate(value, math.nan, math.nan, n, counted)
    return Estimate(value, min(value, float(low)), max(value, float(high)), n, counted)


def _widened(found: Estimate) -> Estimate:
    """Give the mean of scores that are all 0, or all 1, the interval of such a share."""
    several = found.n if found.groups is None else found.groups
    if 0 < found.value < 1 or several == 1:
        return found
    low, high = wilson(several if found.value else 0, several)
    return replace(found, low=low, high=high)
