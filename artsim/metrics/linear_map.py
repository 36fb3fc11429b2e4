"""A linear map from the vectors of one model to those of another, fitted by ridge regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError

# Of the ridge, as shares of the mean variance of the old vectors; 0 is least squares.
LAMBDAS = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)

_RANK = 1e-10  # of the largest eigenvalue: below it a direction has no variance
_BLOCK = 8192  # rows at a time

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearMap:
    """``vectors @ weights + bias``, scaled to length 1."""

    weights: Floats  # (D, E)
    bias: Floats  # (E,)
    strength: float  # of the ridge, see `LAMBDAS`

    def apply(self, vectors: Vectors) -> Vectors:
        """Map unit vectors, (n, D), to unit vectors, (n, E)."""
        mapped = vectors.astype(np.float64) @ self.weights + self.bias
        lengths = np.linalg.norm(mapped, axis=1, keepdims=True)
        return np.asarray(mapped / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def fit_linear_map(
    old: Vectors,
    new: Vectors,
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    *,
    lambdas: Sequence[float] = LAMBDAS,
) -> LinearMap:
    """Fit a map by least squares with an L2 penalty, in closed form.

    Args:
        old: Unit vectors of N works, shape (N, D).
        new: The same works by the other model, shape (N, E).
        train: Rows to fit on.
        validation: Rows on which the mapped vectors must be most similar to the true ones: so the
            strength is chosen, the first of equals.
        lambdas: Strengths to choose from.

    Raises:
        EvaluationError: If there is no row to fit on, or to choose on.
    """
    if not len(train) or not len(validation):
        raise EvaluationError("a linear map needs works to fit on and works to choose lambda on")
    x_mean, y_mean = (_mean(vectors, train) for vectors in (old, new))
    gram, cross = np.zeros((old.shape[1],) * 2), np.zeros((old.shape[1], new.shape[1]))
    for start in range(0, len(train), _BLOCK):
        rows = train[start : start + _BLOCK]
        x = old[rows] - x_mean  # (b, D)
        gram += x.T @ x
        cross += x.T @ (new[rows] - y_mean)
    values, directions = np.linalg.eigh(gram)  # (D,), (D, D)
    turned = directions.T @ cross  # (D, E)
    seen = values > _RANK * values.max()
    best: tuple[float, LinearMap] | None = None
    for strength in lambdas:
        ridge = values + strength * values.mean()
        scale = np.divide(1, ridge, out=np.zeros_like(ridge), where=seen)
        weights = directions @ (scale[:, None] * turned)
        found = LinearMap(weights=weights, bias=y_mean - x_mean @ weights, strength=strength)
        cosine = float(np.vecdot(found.apply(old[validation]), new[validation]).mean())
        if best is None or cosine > best[0]:
            best = cosine, found
    assert best is not None
    return best[1]


def _mean(vectors: Vectors, rows: NDArray[np.int64]) -> Floats:
    return np.asarray(vectors[rows].mean(axis=0, dtype=np.float64))
