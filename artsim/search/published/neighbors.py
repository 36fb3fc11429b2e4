"""Neighbors for kNN evaluation from a search backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artsim.search.backend import SearchBackend

if TYPE_CHECKING:
    from artsim.metrics.neighbors import Neighbors

_TOGETHER = 64  # queries
_DEEPER = 4

Rows = NDArray[np.int64]


def published_neighbors(backend: SearchBackend, tap: str) -> Callable[..., Neighbors]:
    """Return a function that finds neighbors as `nearest_among` does, by searching a backend."""
    from artsim.metrics.neighbors import NO_ROW, Neighbors  # loads torch

    def find(
        vectors: NDArray[np.float32],
        queries: Rows,
        bank: Rows,
        k: int,
        *,
        groups: NDArray[np.int64] | None = None,
        **_: Any,
    ) -> Neighbors:
        n, k = len(vectors), min(k, len(bank))
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        rows = np.full((len(queries), k), NO_ROW, dtype=np.int64)
        allowed = np.zeros(n, dtype=bool)
        allowed[bank] = True
        depth, waiting = min(n, 1 + k * n // max(1, len(bank))), np.arange(len(queries))
        while len(waiting):
            left = []
            for start in range(0, len(waiting), _TOGETHER):
                some = waiting[start : start + _TOGETHER]
                nearest = backend.nearest(tap, vectors[queries[some]], depth)
                for place, (cosines, found) in zip(some.tolist(), nearest, strict=True):
                    row = queries[place]
                    kept = allowed[found] & (found != row)
                    if groups is not None:
                        kept &= ~_same_group(groups[found], groups[row])
                    cosines, found = cosines[kept][:k], found[kept][:k]
                    scores[place, : len(found)], rows[place, : len(found)] = cosines, found
                    if len(found) < k and depth < n:
                        left.append(place)
            waiting, depth = np.array(left, dtype=np.int64), min(n, depth * _DEEPER)
        return Neighbors(scores, rows)

    return find


def _same_group(groups: NDArray[np.int64], own: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which rows share a group with another; below zero is no group."""
    same = (groups == own) & (own >= 0)
    return np.asarray(same if same.ndim == 1 else same.any(axis=1))
