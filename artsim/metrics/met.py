"""The kNN protocol of The Met dataset: whitened vectors, confident answers, GAP.

Ypsilantis et al. 2021, https://arxiv.org/abs/2202.01747. Vectors are whitened by the training
set. A class is as near as its nearest member among the K neighbors; its confidence is the
softmax of t times that, classes without a member counting as similarity 0. K and t are those with
the best GAP on validation. The class predicted is always the nearest neighbor's: K and t decide
only how confident it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.metrics import scores as metrics
from artsim.metrics.intervals import estimate_share
from artsim.metrics.neighbors import NO_ROW, Neighbors, nearest
from artsim.splits import Split

MET_KS = (1, 2, 3, 5, 7, 10, 15, 20, 50)
SHARPNESSES = (0.01, 0.1, 1.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0, 100.0, 500.0)

_DIMENSIONS = 512
_BLOCK = 1 << 13  # vectors made float64 at a time

Array = NDArray[np.floating]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Whitening:
    """Takes off the mean, turns to the principal axes and makes each vary by 1."""

    mean: NDArray[np.float32]  # (D,)
    axes: NDArray[np.float32]  # (D, d) divided by the standard deviations

    def __call__(self, vectors: Array) -> NDArray[np.float32]:
        """Whiten vectors (N, D) and make them unit vectors again, shape (N, d)."""
        turned = (vectors.astype(np.float32) - self.mean) @ self.axes
        norms = np.linalg.norm(turned, axis=1, keepdims=True)
        whitened: NDArray[np.float32] = turned / np.maximum(norms, np.finfo(np.float32).tiny)
        return whitened


@dataclass(frozen=True, kw_only=True)
class MetScore:
    """What the protocol found on the test rows."""

    k: int  # chosen on validation, as t
    t: float
    validation_gap: float
    gap: float  # over all queries, distractors too
    gap_minus: float  # without distractors
    accuracy: Estimate  # without distractors
    n: int  # queries
    n_distractors: int
    dimensions: int  # that the whitening kept
    predicted: NDArray[np.int64]  # (n,) class codes
    confidence: Floats  # (n,)
    neighbors: Neighbors  # (n, k) rows of the vectors


def evaluate_met(
    vectors: Array,
    codes: NDArray[np.integer],
    split: Split,
    *,
    ks: Sequence[int] = MET_KS,
    sharpnesses: Sequence[float] = SHARPNESSES,
    dimensions: int = _DIMENSIONS,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> MetScore:
    """Evaluate by the protocol.

    Args:
        vectors: Shape (N, D).
        codes: Class of each row, shape (N,); -1 in validation and test is a distractor, in train
            it takes no part.
        split: Train is the bank, validation chooses K and t; rows that share a group are no
            neighbors.
        ks: K to choose from.
        sharpnesses: t to choose from.
        dimensions: Kept by the whitening, at most.
        seed: Of the interval, where the split has groups to resample.
        device: Where neighbors are searched.

    Raises:
        EvaluationError: If a part is empty, every K is too large, or validation or test has only
            distractors.
    """
    train, validation, test = split.train[codes[split.train] >= 0], split.validation, split.test
    for name, part in (("train", train), ("validation", validation), ("test", test)):
        if not len(part):
            raise EvaluationError(f"the split has no {name} rows")
    groups = split.groups
    whitening = whiten(vectors[train], dimensions)
    bank, classes = whitening(vectors[train]), codes[train]
    n_classes = len(np.unique(classes))
    possible = [k for k in sorted(set(ks)) if k <= len(train)]
    if not possible:
        raise EvaluationError(f"K = {min(ks)} is more than the {len(train)} rows of train")

    def find(rows: Rows, k: int) -> Neighbors:
        found = nearest(
            whitening(vectors[rows]),
            bank,
            k,
            query_groups=None if groups is None else groups[rows],
            bank_groups=None if groups is None else groups[train],
            device=device,
        )
        return Neighbors(found.scores, np.where(found.rows == NO_ROW, NO_ROW, train[found.rows]))

    best, chosen = -1.0, (possible[0], sharpnesses[0])
    found = find(validation, possible[-1])
    for t in sharpnesses:
        each = confidences(found, codes, n_classes, t)  # (Q, largest k)
        for k in possible:
            gap = metrics.global_average_precision(
                codes[validation], _nearest_class(found, codes), each[:, k - 1]
            )
            if gap > best:
                best, chosen = gap, (k, t)

    found = find(test, chosen[0])
    predicted = _nearest_class(found, codes)
    confidence = confidences(found, codes, n_classes, chosen[1])[:, -1]
    truth = codes[test]
    known = truth >= 0
    return MetScore(
        k=chosen[0],
        t=chosen[1],
        validation_gap=best,
        gap=metrics.global_average_precision(truth, predicted, confidence),
        gap_minus=metrics.global_average_precision(
            truth[known], predicted[known], confidence[known]
        ),
        accuracy=estimate_share(
            (truth == predicted)[known],
            None if split.resampled is None else split.resampled[test[known]],
            seed=seed,
        ),
        n=len(test),
        n_distractors=int((~known).sum()),
        dimensions=whitening.axes.shape[1],
        predicted=predicted,
        confidence=confidence,
        neighbors=found,
    )


def whiten(vectors: Array, dimensions: int = _DIMENSIONS) -> Whitening:
    """Fit a whitening to vectors (N, D), keeping at most so many dimensions.

    Directions in which the vectors do not vary are dropped: there is only noise to blow up.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((len(mean), len(mean)))
    for start in range(0, len(vectors), _BLOCK):
        centered = vectors[start : start + _BLOCK] - mean
        covariance += centered.T @ centered / len(vectors)
    variances, axes = np.linalg.eigh(covariance)  # rising
    variances, axes = variances[::-1][:dimensions], axes[:, ::-1][:, :dimensions]
    kept = variances > 1e-7 * variances[0]
    if variances[0] <= 0:
        raise EvaluationError("all train vectors are the same; there is nothing to whiten")
    axes = axes[:, kept] / np.sqrt(variances[kept])
    return Whitening(mean.astype(np.float32), axes.astype(np.float32))


def confidences(
    neighbors: Neighbors, codes: NDArray[np.integer], n_classes: int, t: float
) -> Floats:
    """Compute the confidence in the nearest neighbor's class at every K, shape (Q, K).

    Args:
        neighbors: Best first, shape (Q, K).
        codes: Class of each row that is a neighbor, shape (N,).
        n_classes: Classes that the bank has.
        t: Multiplies similarities before the softmax.
    """
    members = np.where(neighbors.rows == NO_ROW, -1, codes[neighbors.rows])  # (Q, K)
    first = _first_of_class(members) & (members >= 0)
    # similarities below 0 count as 0, as for classes without a member
    similarity = np.maximum(neighbors.scores.astype(np.float64), 0.0)
    highest = similarity[:, :1]
    terms = np.where(first, np.exp(t * (similarity - highest)), 0.0)
    without = n_classes - np.cumsum(first, axis=1)  # classes without a member among the first K
    confidence: Floats = 1 / (np.cumsum(terms, axis=1) + without * np.exp(-t * highest))
    return confidence


def _nearest_class(neighbors: Neighbors, codes: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the class of each query's nearest neighbor, shape (Q,); -1 where it has none."""
    nearest_row = neighbors.rows[:, 0]
    return np.where(nearest_row == NO_ROW, -1, codes[nearest_row]).astype(np.int64)


def _first_of_class(members: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Say which neighbors are the nearest of their class, shape (Q, K)."""
    order = np.argsort(members, axis=1, kind="stable")
    ordered = np.take_along_axis(members, order, axis=1)
    new = np.ones(members.shape, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.empty_like(new)
    np.put_along_axis(first, order, new, axis=1)
    return first
