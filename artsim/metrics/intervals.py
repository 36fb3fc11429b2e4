"""The 95 % interval of every score: of a share, a mean, or a mean average precision.

A share of rows that do not belong together has Wilson's interval. All else is resampled, 95 % of
the resampled scores lying inside: the rows, or whole groups of rows where there are groups, since
works of one artist say less than as many of different artists.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.metrics.ranking import Ranking, average_precisions, resampled_precisions

_LEVEL = 0.95
_RESAMPLES = 2_000  # of a mean
_RANKING_RESAMPLES = 1_000  # of a mean average precision
_FEWEST = 200  # resamples, where a ranking is so long that a thousand take minutes
_LONG = 1 << 31  # listed rows times resamples that take some ten seconds
_BLOCK = 1 << 22  # numbers drawn at a time: 32 MB
_RANKING_BLOCK = 1 << 19  # weights of rows at a time: 2 MB, which a processor's cache holds

Codes = NDArray[np.integer]
Floats = NDArray[np.floating]


def wilson(n_right: int, n: int, *, level: float = _LEVEL) -> tuple[float, float]:
    """Compute the score interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Args:
        n_right: Right ones.
        n: Of how many, at least 1.
        level: Share of such intervals that hold the true share, about.
    """
    if not 0 <= n_right <= n or n < 1:
        raise EvaluationError(f"{n_right} of {n} is no share")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = n_right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # The ends are 0 and 1 exactly where none or all are right, whatever rounding makes of it.
    low = 0.0 if n_right == 0 else max(0.0, middle - half)
    return low, 1.0 if n_right == n else min(1.0, middle + half)


def share_estimate(n_right: int, n: int) -> Estimate:
    """Estimate a share from its counts; NaN where there are no rows."""
    if n == 0:
        return _nothing()
    return Estimate(n_right / n, *wilson(n_right, n), n)


def estimate_share(
    right: NDArray[np.bool_], groups: Codes | None = None, *, seed: int = 0
) -> Estimate:
    """Estimate the share of right rows.

    Args:
        right: Shape (n,).
        groups: Group of each row, shape (n,), resampled as a whole; -1 is a group of its own.
            None: Wilson's interval. Where all or none is right, no resampling shows a doubt: the
            interval is then Wilson's of as many rows as there are groups.
        seed: Of the resampling.
    """
    if groups is None or not len(right):
        return share_estimate(int(right.sum()), len(right))
    found = estimate_mean(right.astype(np.float64), groups, seed=seed)
    if 0 < found.value < 1 or found.groups is None:
        return found
    low, high = wilson(found.groups if found.value else 0, found.groups)
    return Estimate(found.value, low, high, found.n, found.groups)


def estimate_mean(values: Floats, groups: Codes | None = None, *, seed: int = 0) -> Estimate:
    """Estimate a mean.

    Args:
        values: Of each row, shape (n,).
        groups: Group of each row, shape (n,), resampled as a whole; -1 is a group of its own.
        seed: Of the resampling.
    """
    if not len(values):
        return _nothing()
    numbers, n_groups = _number(groups, len(values))
    sums = np.bincount(numbers, weights=values, minlength=n_groups)
    sizes = np.bincount(numbers, minlength=n_groups).astype(np.float64)
    means = []
    for drawn in _draws(n_groups, _RESAMPLES, seed, _BLOCK // n_groups):  # (r, G)
        total = drawn.shape[1] if groups is None else sizes[drawn].sum(axis=1)
        means.append(sums[drawn].sum(axis=1) / total)
    return _between(float(np.mean(values)), np.concatenate(means), len(values), groups, n_groups)


def estimate_map(ranking: Ranking, groups: Codes | None = None, *, seed: int = 0) -> Estimate:
    """Estimate a mean average precision over classes, by resampling rows, never the classes.

    Of a class that a resample has no row of there is no precision in it. Rows drawn twice stand
    next to each other in a ranking, which raises its precision: so the resampled scores are moved
    to have the score as their mean.

    Args:
        ranking: Of n rows for K classes.
        groups: Group of each row, shape (n,), resampled as a whole; -1 is a group of its own.
        seed: Of the resampling.
    """
    each = average_precisions(ranking)
    if np.isnan(each).all():
        return _nothing()
    numbers, n_groups = _number(groups, ranking.n)
    resamples = int(np.clip(_LONG // max(1, len(ranking.rows)), _FEWEST, _RANKING_RESAMPLES))
    means = []
    for drawn in _draws(n_groups, resamples, seed, _RANKING_BLOCK // ranking.n):
        cells = drawn + np.arange(len(drawn))[:, None] * n_groups
        times = np.bincount(cells.ravel(), minlength=drawn.shape[0] * n_groups)
        weights = times.reshape(len(drawn), n_groups).T.astype(np.float32)[numbers]  # (n, r)
        means.append(resampled_precisions(ranking, weights))
    found = np.concatenate(means)
    value = float(np.nanmean(each))
    found = np.clip(found[~np.isnan(found)] - np.nanmean(found) + value, 0, 1)
    return _between(value, found, ranking.n, groups, n_groups)


def _number(groups: Codes | None, n: int) -> tuple[NDArray[np.int64], int]:
    """Number the groups from 0, those that a row is alone in too; return how many there are."""
    if groups is None:
        return np.arange(n), n
    if groups.shape != (n,):
        raise EvaluationError(f"there are {len(groups)} groups for {n} rows")
    alone = groups < 0
    groups = np.where(alone, groups.max() + np.cumsum(alone), groups)
    distinct, numbers = np.unique(groups, return_inverse=True)
    return numbers, len(distinct)


def _draws(n: int, resamples: int, seed: int, step: int) -> Iterator[NDArray[np.int64]]:
    """Draw n of n with replacement, so many times, in blocks of `step` draws (r, n)."""
    rng = np.random.default_rng(seed)
    step = max(1, step)
    for done in range(0, resamples, step):
        yield rng.integers(0, n, (min(step, resamples - done), n))


def _between(
    value: float, resampled: Floats, n: int, groups: Codes | None, n_groups: int
) -> Estimate:
    """Put the middle 95 % of the resampled values around the value, which is always inside."""
    low, high = np.quantile(resampled, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    counted = None if groups is None else n_groups
    return Estimate(value, min(value, float(low)), max(value, float(high)), n, counted)


def _nothing() -> Estimate:
    return Estimate(math.nan, math.nan, math.nan, 0)
