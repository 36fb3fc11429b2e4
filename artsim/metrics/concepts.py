"""A concept from a few marked works: a linear model, how good it is, and what to mark next.

The model is logistic regression from the positive marks to the negative ones and to a sample of
the collection. Most works do not show what was marked, so the sample stands for "no"; but some do,
so it counts little: all of it together as much as the negative marks that are missing to balance
the positive ones, and at least half as much as the positive ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.metrics.logistic import fit_weighted
from artsim.metrics.ranking import Ranking, average_precisions

STRENGTH = 10.0  # C. Of 1, 10, 100 and 1,000 it ranked eight subjects of paintings best or nearly
_FOLDS = 10
_LEAST = 3  # marks of each kind from which a held-out figure is computed
_WIDER = 5  # times as many uncertain works as are returned, to choose different ones from

Vectors = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """How well marks are ranked by models that have not seen them."""

    average_precision: float
    chance: float  # the share of positive marks: what a random order reaches
    positive: int
    negative: int

    def to_json(self) -> dict[str, float | int]:
        """Return the figures as plain values."""
        return dict(vars(self))


def fit_concept(
    marks: Vectors, positive: Mask, background: Vectors
) -> tuple[NDArray[np.float32], float]:
    """Fit the linear model of a concept.

    Args:
        marks: Unit vectors of the marked works, shape (M, D).
        positive: Which of them show the concept, shape (M,).
        background: Unit vectors of a sample of works that are not marked, shape (B, D).

    Returns:
        Weights (D,) and bias: the logit of a work is ``vector @ weights + bias``.

    Raises:
        EvaluationError: If no mark is positive, or there is neither a negative mark nor a
            background.
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    weak = max(n_positive - n_negative, n_positive / 2)
    weights = np.ones(len(marks) + len(background))
    weights[len(marks) :] = weak / max(1, len(background))
    truth = np.zeros(len(weights), dtype=bool)
    truth[: len(marks)] = positive
    path = fit_weighted(np.concatenate([marks, background]), truth, weights, [STRENGTH])
    return path.weights[0, :, 0], float(path.bias[0, 0])


def evaluate_concept(marks: Vectors, positive: Mask, background: Vectors) -> HeldOut | None:
    """Rank the marks by models that have not seen them: each left out, of many a tenth at a time.

    Marks are no random sample of the collection, so this says whether the marks are consistent, not
    how many of the first works will be right. For the arguments see `fit_concept`.

    Returns:
        The figures, or None with fewer than three positive or three negative marks.
    """
    counts = (int(positive.sum()), int((~positive).sum()))
    if min(counts) < _LEAST:
        return None
    # Both kinds are dealt out in turn, so that every fold has its share of them.
    order = np.argsort(~positive, kind="stable")
    fold = np.empty(len(marks), dtype=np.int64)
    fold[order] = np.arange(len(marks)) % _FOLDS
    scores = np.empty(len(marks))
    for number in np.unique(fold):
        out = fold == number
        weights, bias = fit_concept(marks[~out], positive[~out], background)
        scores[out] = marks[out] @ weights + bias
    (precision,) = average_precisions(Ranking.of(positive[:, None], scores[:, None]))
    return HeldOut(
        average_precision=float(precision),
        chance=counts[0] / len(marks),
        positive=counts[0],
        negative=counts[1],
    )


def least_sure(logits: NDArray[np.floating], n: int) -> NDArray[np.int64]:
    """Return the works to choose questions from: those with the logits nearest to 0, (m,)."""
    m = min(len(logits), _WIDER * n)
    near = np.argpartition(abs(logits), m - 1)[:m] if m else np.zeros(0, dtype=np.int64)
    return near[np.argsort(abs(logits[near]), kind="stable")]


def choose_different(vectors: Vectors, n: int) -> NDArray[np.int64]:
    """Choose rows that differ: the first, then always the one least similar to those chosen.

    Args:
        vectors: Unit vectors, shape (m, D), the most wanted first.
        n: How many; all if there are fewer.

    Returns:
        Their places, shape (min(n, m),).
    """
    chosen: list[int] = []
    nearest = np.full(len(vectors), -np.inf)  # cosine to the most similar chosen one
    for _ in range(min(n, len(vectors))):
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, vectors @ vectors[chosen[-1]])
        nearest[chosen] = np.inf
    return np.array(chosen, dtype=np.int64)
