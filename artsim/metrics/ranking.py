"""Average precision of many rankings at once: rows ranked for each class, or classes for each row.

Equal scores count together, as in scikit-learn's ``average_precision_score``, which takes one
ranking at a time: a probe has thousands, and an interval a thousand times as many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """Scores of n rows for K classes.

    M pairs of row and class are listed, by class, then by falling score. The rows that are not
    listed for a class come last there, as equals.
    """

    n: int
    classes: Codes  # (M,)
    rows: Codes  # (M,)
    scores: NDArray[np.floating]  # (M,)
    hits: Mask  # (M,) whether the row has the class
    missed: tuple[Codes, Codes]  # rows and classes of the true pairs that are not listed
    relevant: Codes  # (K,) number of rows that have each class

    @classmethod
    def of(cls, truth: Mask, scores: NDArray[np.floating]) -> Ranking:
        """Rank by a full table of scores; truth and scores have shape (n, K)."""
        n, k = truth.shape
        rows = np.argsort(-scores, axis=0, kind="stable").T  # (K, n)
        classes = np.repeat(np.arange(k), n)
        flat = rows.ravel()
        none = np.zeros(0, dtype=np.int64)
        return cls(
            n=n,
            classes=classes,
            rows=flat,
            scores=scores[flat, classes],
            hits=truth[flat, classes],
            missed=(none, none),
            relevant=truth.sum(axis=0),
        )

    @classmethod
    def listed(
        cls,
        truth: tuple[Codes, Codes],
        rows: Codes,
        classes: Codes,
        scores: NDArray[np.floating],
        shape: tuple[int, int],
    ) -> Ranking:
        """Rank by the scores of M pairs of row and class; all other pairs score less.

        ``truth`` has the rows and classes of the true pairs, ``shape`` is (n, K).
        """
        n, k = shape
        order = np.lexsort((-scores, classes))
        rows, classes = rows[order], classes[order]
        keys, true = rows * k + classes, truth[0] * k + truth[1]
        missed = ~np.isin(true, keys)
        return cls(
            n=n,
            classes=classes,
            rows=rows,
            scores=scores[order],
            hits=np.isin(keys, true),
            missed=(truth[0][missed], truth[1][missed]),
            relevant=np.bincount(truth[1], minlength=k),
        )


def average_precisions(ranking: Ranking) -> Floats:
    """Compute the average precision of each class, shape (K,); NaN if no row has it."""
    classes, hits, relevant = ranking.classes, ranking.hits, ranking.relevant
    n_classes = len(relevant)
    begin = np.searchsorted(classes, np.arange(n_classes))  # (K,) its first listed row
    running = np.append(0, np.cumsum(hits))  # hits before each place
    last = np.flatnonzero(_ends(ranking))  # of the places of equal score
    group = classes[last]
    found = running[last + 1] - running[begin[group]]  # hits down to here
    precision = found / (last + 1 - begin[group])
    before = np.append(0, found[:-1])[: len(found)]
    new = found - np.where(np.append(True, group[1:] != group[:-1])[: len(group)], 0, before)
    sums = np.bincount(group, weights=new * precision, minlength=n_classes)
    listed = np.bincount(classes, weights=hits, minlength=n_classes)
    total = sums + (relevant - listed) * relevant / max(1, ranking.n)
    averages: Floats = np.divide(
        total, relevant, out=np.full(n_classes, np.nan), where=relevant > 0
    )
    return averages


def resampled_precisions(ranking: Ranking, weights: NDArray[np.float32]) -> Floats:
    """Compute the mean average precision of each of r resamples, shape (r,).

    Args:
        ranking: Of n rows.
        weights: How often each resample has each row, shape (n, r). The mean is over the classes
            of its rows; NaN where they have none.
    """
    totals = weights.sum(axis=0)  # (r,)
    sums, counts = np.zeros((2, weights.shape[1]))
    ends = _ends(ranking)
    begin = np.searchsorted(ranking.classes, np.arange(len(ranking.relevant) + 1))
    order = np.argsort(ranking.missed[1], kind="stable")
    missed_rows, missed_classes = (each[order] for each in ranking.missed)
    miss = np.searchsorted(missed_classes, np.arange(len(ranking.relevant) + 1))
    for k in np.flatnonzero(ranking.relevant):
        place = slice(begin[k], begin[k + 1])
        missed = weights[missed_rows[miss[k] : miss[k + 1]]].sum(axis=0)  # (r,)
        gained, found = _weighted(ranking.rows[place], ranking.hits[place], ends[place], weights)
        relevant = found + missed  # (r,)
        has = relevant > 0
        tail = np.divide(missed * relevant, totals, out=np.zeros_like(totals), where=totals > 0)
        sums[has] += ((gained + tail)[has]) / relevant[has]
        counts += has
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _weighted(
    rows: Codes, hits: Mask, ends: Mask, weights: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sum the precision at the hits of one class, and the hits, weighted by row; each (r,).

    Precision is needed only at scores that have a hit: the rows between two of them are added up
    at once.
    """
    if not hits.any():
        none = np.zeros(weights.shape[1], dtype=np.float32)
        return none, none
    tie = np.cumsum(np.append(0, ends[:-1]))  # of each row
    tied = np.unique(tie[hits])  # ties with a hit
    stop = np.flatnonzero(ends)[tied] + 1  # (c,)
    starts = np.append(0, stop[:-1])
    shown = np.add.reduceat(weights[rows[: stop[-1]]], starts, axis=0).cumsum(axis=0)  # (c, r)
    first = np.searchsorted(tie[hits], tied)
    new = np.add.reduceat(weights[rows[hits]], first, axis=0)  # (c, r)
    right = new.cumsum(axis=0)
    precision = np.divide(right, shown, out=np.zeros_like(right), where=shown > 0)
    return (new * precision).sum(axis=0), right[-1]


def _ends(ranking: Ranking) -> Mask:
    """Whether each listed pair is the last of its class and score, shape (M,)."""
    ends = np.ones(len(ranking.rows), dtype=bool)
    classes, scores = ranking.classes, ranking.scores
    ends[:-1] = (classes[1:] != classes[:-1]) | (scores[1:] != scores[:-1])
    return ends
