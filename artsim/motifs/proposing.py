"""Which pairs of works may share a detail: those of which two tiles are near neighbors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Progress, no_progress
from artsim.index import Vectors
from artsim.metrics.neighbors import NO_ROW, blocks_to_unit, nearest_inner
from artsim.motifs.journal import Journal
from artsim.search import open_tiles
from artsim.store import Store

BLOCK = 1 << 14  # tiles whose neighbors are searched at a time; a journal keeps each such block
_BANK = 1 << 15  # tiles that are in memory as float32 to be searched
_NUMBERS = 1 << 25  # in a block at most, so that vectors of any length take the same memory

Rows = NDArray[np.int64]


def candidate_pairs(
    store: Store,
    tap: str,
    *,
    each: int,
    device: str = "cpu",
    journal: Journal | None = None,
    progress: Progress = no_progress,
) -> Rows:
    """Return pairs of rows whose most similar tiles are near neighbors, shape (n, 2), ordered.

    The works themselves are compared where the index has no tiles. Vectors stay on disk: memory
    grows by 8 bytes for each pair.

    Args:
        store: The index.
        tap: Its tap.
        each: Nearest works of a tile that are kept.
        device: Where the neighbors are computed.
        journal: Keeps what is done, and what an interrupted run has done.
        progress: Called with the tiles that are done, of those still to do.
    """
    journal = journal or Journal()
    if store.rows < 2:
        return np.empty((0, 2), dtype=np.int64)
    bank = _bank(store, tap)
    count = max(store.manifest.tiles**2, 1)
    starts = range(0, len(bank), _fitting(BLOCK, bank.shape[1]))
    found = journal.candidates()
    left = [start for start in starts if start not in found]
    for done, start in enumerate(left, 1):
        stop = min(start + starts.step, len(bank))
        works = np.arange(start, stop)[:, None] // count  # (B, 1)
        others = _nearest_works(bank, slice(start, stop), each, count, device)  # (B, k)
        pairs = np.minimum(works, others) * store.rows + np.maximum(works, others)
        found[start] = np.unique(pairs[others != NO_ROW])
        journal.add_candidates(start, found[start])
        progress(done * starts.step, len(left) * starts.step, 0)
    codes = np.unique(np.concatenate([found[start] for start in starts]))
    return np.column_stack(np.divmod(codes, store.rows))


def _nearest_works(
    bank: Vectors, block: slice, each: int, count: int, device: str
) -> NDArray[np.int64]:
    """Return the works of the nearest tiles of other works, (B, k); the bank is read in parts."""
    queries = bank[block]
    own = np.arange(block.start, block.stop) // count
    scores: NDArray[np.float32] = np.empty((len(queries), 0), dtype=np.float32)
    rows: NDArray[np.int64] = np.empty((len(queries), 0), dtype=np.int64)
    for part in _parts(len(bank), _fitting(_BANK, bank.shape[1])):
        owners = np.arange(part.start, part.stop) // count
        near = nearest_inner(
            queries, bank[part], each, query_groups=own, bank_groups=owners, device=device
        )
        moved = np.where(near.rows == NO_ROW, NO_ROW, near.rows + part.start)
        scores = np.concatenate([scores, near.scores], axis=1)
        rows = np.concatenate([rows, moved], axis=1)
        order = np.lexsort((rows, -scores), axis=1)[:, :each]
        scores = np.take_along_axis(scores, order, axis=1)
        rows = np.take_along_axis(rows, order, axis=1)
    return np.where(rows == NO_ROW, NO_ROW, rows // count)


def _bank(store: Store, tap: str) -> Vectors:
    """Open the unit vectors of the tiles, or of the works, (N, D)."""
    if store.manifest.tiles:
        return open_tiles(store, tap)
    shape = store.rows, store.tap(tap).dim
    vectors, _ = blocks_to_unit(store.iter_vectors(tap), shape, f"the tap {tap!r}")
    return Vectors(vectors)


def _parts(rows: int, step: int) -> Iterator[slice]:
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _fitting(rows: int, dim: int) -> int:
    return max(1, min(rows, _NUMBERS // dim))
