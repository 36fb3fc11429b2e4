"""The principal components of vectors: for a map of them, and to fit fast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def principal_components(
    vectors: NDArray[np.float32], most: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Turn vectors, shape (N, D), to the M = ``most`` axes of their largest variance.

    Returns:
        The centered vectors along the axes, shape (N, M), and the share of the variance that each
        axis holds, shape (M,). Of the two directions of an axis, the largest part is positive.
    """
    centered = vectors - vectors.mean(axis=0)
    variances, axes = np.linalg.eigh((centered.T @ centered).astype(np.float64))
    variances, axes = variances[::-1][:most], axes[:, ::-1][:, :most]
    axes = axes * np.sign(axes[abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    total = float(np.einsum("nd,nd->", centered, centered, dtype=np.float64))
    shares = np.maximum(variances, 0) / total if total > 0 else np.zeros(len(variances))
    return centered @ axes.astype(np.float32), shares
