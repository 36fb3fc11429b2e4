"""Which pairs of works may share a detail: those of which two tiles are near neighbors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from artsim.index import unit
from artsim.metrics.neighbors import NO_ROW, nearest_inner
from artsim.search import open_tiles
from artsim.store import Store

_BLOCK = 4_096  # tiles that are compared at a time


def candidate_pairs(
    store: Store, tap: str, *, each: int, device: str = "cpu"
) -> list[tuple[int, int]]:
    """Return pairs of rows whose most similar tiles are near neighbors, ordered.

    The works themselves are compared where the index has no tiles.

    Args:
        store: The index.
        tap: Its tap.
        each: Nearest works of a tile that are kept.
        device: Where the neighbors are computed.
    """
    count = max(store.manifest.tiles**2, 1)
    if store.rows < 2:
        return []
    found: set[tuple[int, int]] = set()
    for works, others in _neighbors(store, tap, count, each, device):
        places, columns = np.nonzero(others != NO_ROW)
        a, b = works[places], others[places, columns]
        found.update(zip(np.minimum(a, b).tolist(), np.maximum(a, b).tolist(), strict=True))
    return sorted(found)


def _neighbors(
    store: Store, tap: str, count: int, each: int, device: str
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield blocks of tiles: the work of each, (B,), and the works of its nearest, (B, k)."""
    if store.manifest.tiles:
        bank = open_tiles(store, tap)[:]
    else:
        bank = np.concatenate([unit(block) for block in store.iter_vectors(tap)])
    owners = np.arange(len(bank)) // count
    for start in range(0, len(bank), _BLOCK):
        part = slice(start, start + _BLOCK)
        near = nearest_inner(
            bank[part],
            bank,
            each,
            query_groups=owners[part],
            bank_groups=owners,
            device=device,
        ).rows
        yield owners[part], np.where(near == NO_ROW, NO_ROW, near // count)
