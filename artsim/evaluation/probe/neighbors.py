"""How well nearest neighbors tell a label on the very sides that a probe is judged on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from artsim.evaluation.probe.sides import Sides
from artsim.labels import Label, LabelKind
from artsim.metrics import scores as metrics
from artsim.metrics.knn import KS
from artsim.metrics.knn_members import score_members, vote_members
from artsim.metrics.knn_values import predict_values, score_ranges
from artsim.metrics.neighbors import Neighbors, nearest
from artsim.metrics.votes import vote

__all__ = ["KS", "Score", "score_neighbors"]

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]


class Score(NamedTuple):
    """A score of the test rows, with its 95 % bootstrap interval."""

    value: float
    interval: tuple[float, float]


def score_neighbors(
    vectors: Vectors, target: Label, sides: Sides, *, ks: Sequence[int] = KS, seed: int = 0
) -> tuple[Score, Score, int]:
    """Score the nearest neighbor, and the k nearest with the k that validation rows choose.

    The k is chosen among the neighbors in train; the test rows' neighbors are in train and
    validation. Votes are weighted, see `artsim.metrics.votes`.

    Args:
        vectors: Unit vectors, shape (N, D).
        target: The label.
        sides: Its rows.
        ks: To choose from; those beyond the rows of train are left out.
        seed: Of the intervals.

    Returns:
        The score of one neighbor, that of k, and the k; of equally good ones the smallest.
    """
    possible = [k for k in sorted(set(ks)) if k <= len(sides.train)]
    found = nearest(vectors[sides.validation], vectors[sides.train], possible[-1])
    judge = _judge(target, sides.train, sides.validation, seed)
    chosen = [judge(found, k).value for k in possible]
    best = (
        np.argmin(chosen) if target.kind == LabelKind.NUMBER else np.argmax(np.nan_to_num(chosen))
    )
    k = possible[int(best)]
    found = nearest(vectors[sides.test], vectors[sides.seen], k)
    judge = _judge(target, sides.seen, sides.test, seed)
    return judge(found, 1), judge(found, k), k


def _judge(
    target: Label, bank: Rows, queries: Rows, seed: int
) -> Callable[[Neighbors, int], Score]:
    """Return what scores neighbors in the bank of these queries."""
    if target.kind == LabelKind.NUMBER:
        return lambda found, k: _score_numbers(target, bank, queries, found, k, seed)
    if target.kind == LabelKind.MULTILABEL:
        return lambda found, k: _score_members(target, bank, queries, found, k, seed)
    return lambda found, k: _score_classes(target, bank, queries, found, k, seed)


def _score_classes(
    target: Label, bank: Rows, queries: Rows, found: Neighbors, k: int, seed: int
) -> Score:
    truth = target.strata[queries]
    predicted = vote(found, target.strata[bank], k).classes[:, 0]
    right = int((predicted == truth).sum())
    return Score(
        metrics.accuracy(truth, predicted),
        metrics.accuracy_interval(right, len(truth), seed=seed),
    )


def _score_members(
    target: Label, bank: Rows, queries: Rows, found: Neighbors, k: int, seed: int
) -> Score:
    votes = vote_members(found, target.take(bank), k)
    each = score_members(votes, target.take(queries)).per_label
    share = target.matrix[bank].mean(axis=0)
    # Of the classes that a probe can learn: the mean is of the same ones.
    each = each[(share > 0) & (share < 1) & ~np.isnan(each)]
    if not len(each):
        return Score(float("nan"), (float("nan"), float("nan")))
    return Score(float(each.mean()), metrics.mean_interval(each, seed=seed))


def _score_numbers(
    target: Label, bank: Rows, queries: Rows, found: Neighbors, k: int, seed: int
) -> Score:
    known, truth = target.numbers[bank], target.numbers[queries]
    scored = score_ranges(predict_values(found, known, k), truth, truth, known, seed=seed)
    return Score(scored.mae, scored.interval)
