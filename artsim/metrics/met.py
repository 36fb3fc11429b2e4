"""The kNN protocol of The Met dataset: whitened vectors, confident answers, GAP.

Ypsilantis et al. 2021, https://arxiv.org/abs/2202.01747. Vectors are whitened by the training
set. The similarity of a class is that of its nearest member among the K neighbors, or 0 without
one; its confidence is the softmax of t times the similarities. K and t are those with the best GAP
on validation. The predicted class is always the nearest neighbor's: K and t only determine the
confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.metrics.intervals import estimate_share
from artsim.metrics.neighbors import NO_ROW, Neighbors, nearest_among
from artsim.metrics.scores import global_average_precision
from artsim.splits import Split

MET_KS: tuple[int, ...] = (1, 2, 3, 5, 7, 10, 15, 20, 50)
SHARPNESSES = (0.01, 0.1, 1.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0, 100.0, 500.0)

_DIMENSIONS = 512
_BLOCK = 1 << 13  # vectors made float64 at a time

Array = NDArray[np.floating]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Whitening:
    """Subtracts the mean, rotates to the principal axes and scales each to variance 1."""

    mean: NDArray[np.float32]  # (D,)
    axes: NDArray[np.float32]  # (D, d) divided by the standard deviations

    def __call__(self, vectors: Array) -> NDArray[np.float32]:
        """Whiten vectors (N, D) and make them unit vectors again, shape (N, d)."""
        rotated = (vectors.astype(np.float32) - self.mean) @ self.axes
        norms = np.linalg.norm(rotated, axis=1, keepdims=True)
        whitened: NDArray[np.float32] = rotated / np.maximum(norms, np.finfo(np.float32).tiny)
        return whitened


@dataclass(frozen=True, kw_only=True)
class MetScore:
    """The scores of the test rows."""

    k: int  # chosen on validation, like t
    t: float
    validation_gap: float
    gap: float  # over all queries, with distractors
    gap_minus: float  # without distractors
    accuracy: Estimate  # without distractors
    n: int  # queries
    n_distractors: int
    dimensions: int  # after whitening
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
        split: Train is the bank, validation chooses K and t; rows that share a group are never
            neighbors.
        ks: Values of K to choose from.
        sharpnesses: Values of t to choose from.
        dimensions: At most so many are kept by the whitening.
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
    whitening = whiten(vectors[train], dimensions)
    whitened = whitening(vectors)
    n_classes = len(np.unique(codes[train]))
    possible = [k for k in sorted(set(ks)) if k <= len(train)]
    if not possible:
        raise EvaluationError(f"K = {min(ks)} is more than the {len(train)} rows of train")

    best, chosen = -1.0, (possible[0], sharpnesses[0])
    found = nearest_among(
        whitened, validation, train, possible[-1], groups=split.groups, device=device
    )
    for t in sharpnesses:
        each = confidences(found, codes, n_classes, t)  # (Q, largest k)
        for k in possible:
            gap = global_average_precision(
                codes[validation], _nearest_class(found, codes), each[:, k - 1]
            )
            if gap > best:
                best, chosen = gap, (k, t)

    found = nearest_among(whitened, test, train, chosen[0], groups=split.groups, device=device)
    predicted = _nearest_class(found, codes)
    confidence = confidences(found, codes, n_classes, chosen[1])[:, -1]
    truth = codes[test]
    known = truth >= 0
    return MetScore(
        k=chosen[0],
        t=chosen[1],
        validation_gap=best,
        gap=global_average_precision(truth, predicted, confidence),
        gap_minus=global_average_precision(truth[known], predicted[known], confidence[known]),
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

    Directions without variance are dropped: scaled up they would be noise.
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
    first = np.empty(members.shape, dtype=bool)  # whether each is the nearest of its class
    for i in range(members.shape[1]):
        first[:, i] = (members[:, :i] != members[:, i, None]).all(axis=1) & (members[:, i] >= 0)
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
