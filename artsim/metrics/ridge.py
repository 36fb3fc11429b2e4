"""Ridge regression at a whole grid of penalties, from one eigendecomposition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.metrics.logistic import LinearPath

ALPHAS = tuple(float(a) for a in np.logspace(-6, 5, 45))


def fit_ridge(
    features: NDArray[np.floating],
    values: NDArray[np.floating],
    alphas: Sequence[float] = ALPHAS,
) -> LinearPath:
    """Fit ridge regression at every penalty, in float64.

    The objective is scikit-learn's: |y - X w - b|^2 + alpha |w|^2, the intercept not penalized.

    Args:
        features: Shape (n, D).
        values: Shape (n,), or (n, K) for K numbers.
        alphas: Penalties, above 0.
    """
    grid = np.unique(np.asarray(alphas, dtype=np.float64))
    if not len(grid) or grid[0] <= 0:
        raise EvaluationError(f"alphas must be numbers above 0, got {list(alphas)}")
    x, y = features.astype(np.float64), values.astype(np.float64).reshape(len(values), -1)
    mean, center = x.mean(axis=0), y.mean(axis=0)
    x, y = x - mean, y - center
    squares, axes = np.linalg.eigh(x.T @ x)  # (D,), (D, D)
    turned = axes.T @ (x.T @ y)  # (D, K)
    inverse = 1 / (np.maximum(squares, 0)[None, :, None] + grid[:, None, None])  # (S, D, 1)
    weights = axes @ (inverse * turned)  # (S, D, K)
    rest = ((y - x @ weights) ** 2).sum(axis=(1, 2))
    return LinearPath(
        grid,
        weights.astype(np.float32),
        (center - mean @ weights).astype(np.float32),
        rest + grid * (weights**2).sum(axis=(1, 2)),
        np.ones(len(grid), dtype=bool),
    )
