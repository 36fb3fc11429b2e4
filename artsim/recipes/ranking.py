"""The nearest rows by cosine, Euclidean or Manhattan distance, all of them exact."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.metrics import to_unit
from artsim.metrics.neighbors import nearest, nearest_inner

Measure = Literal["cosine", "euclidean", "manhattan"]
MEASURES: tuple[Measure, ...] = ("cosine", "euclidean", "manhattan")

_BLOCK_BYTES = 64 << 20  # of distances that are computed at a time

Rows = NDArray[np.int64]


def rank(
    vectors: NDArray[np.float32],
    queries: Rows,
    k: int,
    measure: Measure,
    *,
    device: str | torch.device = "cpu",
) -> Rows:
    """Find the k rows nearest to each query, without the query itself, nearest first.

    Args:
        vectors: Shape (N, D).
        queries: Rows of them, shape (Q,).
        k: At most N - 1.
        measure: How distance is measured.
        device: Where it is computed.

    Returns:
        Rows, shape (Q, k).
    """
    if measure == "cosine":
        unit, _ = to_unit(vectors, "the vectors")
        return nearest(unit[queries], unit, k, exclude=queries, device=device).rows
    if measure == "euclidean":
        # |q - x|^2 = |q|^2 - 2 (q x - |x|^2 / 2): the largest product is the smallest distance.
        centered = vectors - vectors.mean(axis=0)  # for numerical precision
        halves = -0.5 * (centered**2).sum(axis=1, keepdims=True)
        bank = np.concatenate([centered, halves], axis=1)
        with_one = np.concatenate([centered[queries], np.ones((len(queries), 1), "f4")], axis=1)
        return nearest_inner(with_one, bank, k, exclude=queries, device=device).rows
    return _manhattan(vectors, queries, k, torch.device(device))


def _manhattan(vectors: NDArray[np.float32], queries: Rows, k: int, device: torch.device) -> Rows:
    bank = torch.from_numpy(vectors).to(device)
    step = max(_BLOCK_BYTES // (4 * len(vectors)), 1)
    found = []
    for start in range(0, len(queries), step):
        rows = torch.from_numpy(queries[start : start + step]).to(device)
        distances = torch.cdist(bank[rows], bank, p=1)  # (q, N)
        distances[torch.arange(len(rows)), rows] = torch.inf
        found.append(distances.topk(k, largest=False).indices.cpu().numpy())
    return np.concatenate(found)
