"""Rows found by id: in another index, or in a column that was added."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim.store.arrow import text_hashes


class RowsById:
    """The rows of ids, which are compared by hashes of 64 bits: 16 bytes each, whatever the length.

    Two of ten million ids have the same hash in one of 300,000 indexes.

    Args:
        blocks: The ids of the rows, in order.
    """

    def __init__(self, blocks: Iterable[pa.Array | pa.ChunkedArray]) -> None:
        hashes = _hashes(blocks)
        self._order = np.argsort(hashes, kind="stable")  # (N,) rows, those of a hash ascending
        self._hashes = hashes[self._order]  # (N,) ascending

    def find(self, ids: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
        """Return the first row of each id, shape (n,); -1 where there is none."""
        return self._find(text_hashes(ids))

    def find_all(self, blocks: Iterable[pa.Array | pa.ChunkedArray]) -> NDArray[np.int64]:
        """Return the first row of each id of some blocks, together, which is faster for many."""
        return self._find(_hashes(blocks))

    def _find(self, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        found = np.full(len(wanted), -1, dtype=np.int64)
        if len(self._hashes):
            order = np.argsort(wanted)  # neighbors are looked up in the same part of memory
            places = np.searchsorted(self._hashes, wanted[order])
            places = np.minimum(places, len(self._hashes) - 1)
            same = self._hashes[places] == wanted[order]
            found[order[same]] = self._order[places[same]]
        return found


def _hashes(blocks: Iterable[pa.Array | pa.ChunkedArray]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *map(text_hashes, blocks)])
