"""Features in the eigenbasis of their covariance, where logistic regression is nearly round."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from artsim.errors import EvaluationError
from artsim.metrics.spilling import BLOCK, room_for


@dataclass(frozen=True)
class Eigenbasis:
    """Features rotated to the axes of their covariance, and a column of ones for the intercept."""

    x: Tensor  # (n, R+1)
    variances: Tensor  # (R+1,) eigenvalues; 1 for the intercept
    axes: Tensor  # (D, R) columns; R is D, or n - 1 if that is less
    mean: Tensor  # (D,)

    @classmethod
    def of(cls, features: Tensor) -> Eigenbasis:
        """Rotate features (n, D).

        Raises:
            EvaluationError: If they are no matrix, or a value is not finite.
        """
        if features.ndim != 2 or not torch.isfinite(features.sum(dim=1)).all():
            raise EvaluationError("features must be a matrix (n, D) of finite numbers")
        n, dim = features.shape
        blocks = [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]
        mean = features.mean(dim=0)
        rank = max(1, min(n - 1, dim))
        if n < dim:  # few rows span few of the dimensions
            span, inside = torch.linalg.qr((features - mean).T)  # (D, n), (n, n)
            variances, axes = _eigh(inside @ inside.T / n)
            axes = span @ axes
        else:
            covariance = mean.new_zeros(dim, dim)
            for block in blocks:
                centered = features[block] - mean
                covariance += centered.T @ centered
            variances, axes = _eigh(covariance / n)
        variances, axes = variances[-rank:], axes[:, -rank:]  # ascending: the last ones
        variances = torch.cat([variances.clamp(min=0), torch.ones_like(mean[:1])])
        x = room_like(mean, n, rank + 1)
        x[:, -1] = 1
        for block in blocks:
            x[block, :-1] = (features[block] - mean) @ axes
        return cls(x, variances, axes, mean)

    def back(self, found: Tensor) -> tuple[Tensor, Tensor]:
        """Convert parameters (S, K, R+1) to weights (S, D, K) and bias (S, K) of the features."""
        weights = self.axes @ found[..., :-1].mT
        return weights, found[..., -1] - self.mean @ weights


def _eigh(symmetric: Tensor) -> tuple[Tensor, Tensor]:
    """Find eigenvalues and vectors, in float64 where float32 fails, as for copies of a few rows."""
    try:
        values, vectors = torch.linalg.eigh(symmetric)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # missing in its stubs
        values, vectors = torch.linalg.eigh(symmetric.cpu().double())
    return values.to(symmetric), vectors.to(symmetric)


def room_like(like: Tensor, rows: int, columns: int) -> Tensor:
    """Make a matrix of any content on the device of another; a large one on a CPU is in a file."""
    if not like.is_cpu:
        return like.new_empty(rows, columns)
    return torch.from_numpy(room_for(rows, columns))
