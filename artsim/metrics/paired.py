"""How much better one score is than another, and whether that is noise.

Two models on the same pictures are right or wrong together, so the interval of their difference is
narrower than those of the two scores suggest. Of other pictures, such as another test set, it is
not: that two intervals overlap shows neither a difference nor that there is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.metrics.intervals import Codes, Floats, between, estimate_mean, number, resampled_maps
from artsim.metrics.ranking import Ranking, average_precisions

SIGNIFICANT = 0.05
_Z = 1.959964  # of a 95% interval


@dataclass(frozen=True)
class Difference:
    """How much a second score is above a first one."""

    estimate: Estimate
    p: float | None  # two-sided, McNemar's exact one; None where rows are not right or wrong

    @property
    def is_noise(self) -> bool:
        """Whether other pictures might well show no difference, or the opposite one.

        So it is where no interval is known, or where it rests on few groups and is too narrow.
        """
        if self.p is not None:
            return self.p >= SIGNIFICANT
        if self.estimate.has_few_groups:
            return True
        return not (self.estimate.low > 0 or self.estimate.high < 0)

    def to_json(self, name: str) -> dict[str, float | bool | None]:
        """Return the difference under a name, its interval, p-value and whether it is noise."""
        return {**self.estimate.to_json(name), f"{name}_p": self.p, f"{name}_noise": self.is_noise}


def paired_share(
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    groups: Codes | None = None,
    *,
    seed: int = 0,
) -> Difference:
    """Compare the shares of right rows of two models.

    McNemar's exact test asks whether, of the rows that only one of them has right, each has about
    half. The interval is Bonett and Price's (2012, doi:10.3102/1076998611411915), one of those that
    Fagerland et al. recommend (2014, doi:10.1186/1471-2288-14-116).

    Args:
        first: The first model's right rows, shape (n,).
        second: The second model's, of the same rows.
        groups: Group of each row, shape (n,): whole groups are resampled, and there is no p-value,
            as McNemar's test takes every row for one on its own.
        seed: Of the resampling.

    Raises:
        EvaluationError: If they are of different numbers of rows, or of none.
    """
    from scipy.stats import binomtest

    _check(len(first), len(second))
    if groups is not None:
        return paired_mean(first.astype(np.float64), second.astype(np.float64), groups, seed=seed)
    n = len(first)
    lost, gained = int((first & ~second).sum()), int((~first & second).sum())
    p = float(binomtest(gained, lost + gained).pvalue) if lost + gained else 1.0
    center = (gained - lost) / (n + 2)
    error = _Z * (((gained + lost + 2) / (n + 2) - center**2) / (n + 2)) ** 0.5
    low, high = max(-1.0, center - error), min(1.0, center + error)
    return Difference(Estimate((gained - lost) / n, low, high, n), p)


def paired_mean(
    first: Floats, second: Floats, groups: Codes | None = None, *, seed: int = 0
) -> Difference:
    """Compare the means of two models' scores of the same rows, each (n,), by resampling rows.

    Raises:
        EvaluationError: If they are of different numbers of rows, or of none.
    """
    _check(len(first), len(second))
    return Difference(estimate_mean(second - first, groups, seed=seed), None)


def paired_map(
    first: Ranking, second: Ranking, groups: Codes | None = None, *, seed: int = 0
) -> Difference:
    """Compare two models' mean average precision, by resampling the same rows of both.

    Raises:
        EvaluationError: If they are of different numbers of rows, or of none.
    """
    _check(first.n, second.n)
    one, other = (resampled_maps(ranking, groups, seed=seed) for ranking in (first, second))
    n = min(len(one), len(other))  # the first resamples of both are the same rows
    found = other[:n] - one[:n]
    value = float(np.nanmean(average_precisions(second)) - np.nanmean(average_precisions(first)))
    found = found[~np.isnan(found)]
    if not len(found):
        return Difference(Estimate(value, math.nan, math.nan, first.n), None)
    groups_drawn = number(groups, first.n)[1]
    shifted = found - found.mean() + value
    return Difference(between(value, shifted, first.n, groups, groups_drawn), None)


def resplit_mean(first: Sequence[float], second: Sequence[float], test_share: float) -> Difference:
    """Compare the means of two models' scores on several random splits of the same rows.

    The splits share training rows, so that their scores vary less than those of new rows would: the
    interval is that of Nadeau and Bengio's corrected resampled t-test (2003,
    doi:10.1023/A:1024068626366), whose variance grows by the test rows for each training row.

    Args:
        first: The first model's score on each split.
        second: The second model's.
        test_share: Test rows for each training row: 0.25 of 20 and 80.

    Raises:
        EvaluationError: If they are of different numbers of splits, or of none.
    """
    from scipy.stats import t

    _check(len(first), len(second))
    change, n = np.subtract(second, first), len(first)
    value, error = float(change.mean()), math.nan
    if n > 1 and change.std() > 0:
        deviation = float(change.std(ddof=1)) * math.sqrt(1 / n + test_share)
        error = float(t.ppf(0.975, n - 1)) * deviation
    return Difference(Estimate(value, value - error, value + error, n), None)


def best_share(right: Sequence[NDArray[np.bool_]]) -> tuple[int, list[float]]:
    """Find the model with most rows right, and how likely each difference from it is by chance.

    As the best is chosen on the rows that it is compared on, McNemar's exact p-values are those of
    all pairs of models at once (Bonferroni): each is multiplied by the number of pairs.

    Returns:
        The place of the first best, and a p-value for each model; 1 for itself.
    """
    best = int(np.argmax([each.mean() for each in right]))
    pairs = len(right) * (len(right) - 1) // 2
    found = [paired_share(each, right[best]).p or 0.0 for each in right]
    return best, [min(1.0, p * pairs) if pairs else 1.0 for p in found]


def separate_difference(first: Estimate, second: Estimate) -> Difference:
    """Compare the scores of other rows, such as of two test sets.

    The interval follows from those of the two scores (Newcombe 1998, method 10,
    doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I). It takes the rows for
    independent: of two sets that share rows it is rather too wide.
    """
    value = second.value - first.value
    down = math.hypot(second.value - second.low, first.high - first.value)
    up = math.hypot(second.high - second.value, first.value - first.low)
    groups = [each.groups for each in (first, second) if each.groups is not None]
    n, fewest = min(first.n, second.n), min(groups, default=None)
    return Difference(Estimate(value, value - down, value + up, n, fewest), None)


def _check(one: int, other: int) -> None:
    if one != other or not one:
        raise EvaluationError(f"{one:,} and {other:,} scores are not of the same pictures")
