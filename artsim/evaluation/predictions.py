"""Predictions of neighbors and probes in the one form that every metric takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from artsim.labels import Label
from artsim.metrics import (
    ClassProbe,
    KnnMemberScore,
    KnnScore,
    KnnValueScore,
    MemberProbe,
    NumberProbe,
    Predictions,
    Ranking,
)

__all__ = ["AnyProbe", "AnyScore", "predictions_of"]

AnyProbe = ClassProbe | MemberProbe | NumberProbe
AnyScore = KnnScore | KnnMemberScore | KnnValueScore


def predictions_of(
    found: AnyProbe | AnyScore,
    truth: Label,
    learned: Label,
    *,
    groups: NDArray[np.int64] | None,
    seed: int,
) -> Predictions:
    """Return what a probe or neighbors predicted for test rows.

    Args:
        found: What predicted the test rows.
        truth: Of the n test rows.
        learned: Of the rows that were learned from, or may be neighbors.
        groups: Of the n test rows, that intervals resample; None: each row is its own.
        seed: Of the resampling.
    """
    empty = Predictions(truth=truth, learned=learned, groups=groups, seed=seed)
    if isinstance(found, KnnScore):
        return replace(empty, ranked=found.votes.classes)
    if isinstance(found, ClassProbe):
        return replace(empty, ranked=found.ranked)
    if isinstance(found, KnnMemberScore):
        votes, shape = found.votes, (len(truth), len(truth.classes))
        pairs = (votes.queries, votes.labels, votes.shares)
        return replace(empty, ranking=Ranking.listed(truth.row_codes, *pairs, shape))
    if isinstance(found, MemberProbe):
        # Classes that could not be learned are no part of the mean; what they score is no matter.
        scores = np.zeros((len(truth), len(truth.classes)), dtype=np.float32)
        scores[:, found.head.classes] = found.scores
        return replace(empty, ranking=Ranking.of(truth.matrix, scores))
    return replace(empty, numbers=found.predicted)
