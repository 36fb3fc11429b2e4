"""The tiles of an index's works: which of them is most like what is looked for.

Their unit vectors are kept as ``faiss/TAP.tiles.npy`` in half precision, memory-mapped, made at the
first request; a note next to them names those vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from artsim.errors import SearchError, StoreError
from artsim.index import Vectors, unit, write_vectors
from artsim.store import Store, write_whole

_BLOCK = 4096  # works compared at a time

Rows = NDArray[np.int64]


class Tiles:
    """The unit vectors of N works' tiles, T each."""

    def __init__(self, vectors: Vectors, each: int) -> None:
        """Take vectors, shape (N * T, D), work by work."""
        self._vectors = vectors
        self.each = each

    def cosines(self, query: NDArray[np.float32], rows: Rows | None) -> NDArray[np.float32]:
        """Compare a query, (D,), with the tiles of some works, or of all: (n, T)."""
        if rows is None:
            return self._vectors.cosines(query).reshape(-1, self.each)
        return self._vectors.cosines(query, self._places(rows).ravel()).reshape(-1, self.each)

    def pairs(self, first: Rows, second: Rows) -> NDArray[np.float32]:
        """Compare a tile of each first work with the most like of the second's: (n,)."""
        found = np.empty(len(first), dtype=np.float32)
        for start in range(0, len(first), _BLOCK):
            part = slice(start, start + _BLOCK)
            tiles_of_first = first[part] * self.each + np.arange(len(first[part])) % self.each
            tiles = self._vectors[self._places(second[part]).ravel()]
            tiles = tiles.reshape(-1, self.each, tiles.shape[1])  # (n, T, D)
            found[part] = np.vecdot(tiles, self._vectors[tiles_of_first][:, None]).max(axis=1)
        return found

    def _places(self, rows: Rows) -> Rows:
        return rows[:, None] * self.each + np.arange(self.each)


def open_tiles(store: Store, tap: str) -> Tiles:
    """Open the tiles of a tap.

    Raises:
        SearchError: If the index has none.
    """
    each = store.manifest.tiles**2
    if not each:
        raise SearchError(
            f"{str(store.path)!r} has no tiles, which --details needs; make another index with "
            f"'artsim embed {store.manifest.source} --tiles 3 -o DIR'"
        )
    file = store.path / "faiss" / f"{tap.replace('/', '-')}.tiles.npy"
    note = file.with_suffix(".fingerprint")
    shape = (store.rows * each, store.tap(tap).dim)

    def blocks() -> Iterator[NDArray[np.float32]]:
        return store.iter_tile_vectors(tap)

    with suppress(OSError, ValueError):  # not there, or torn
        if note.read_text(encoding="ascii") == store.fingerprint:
            matrix = np.load(file, mmap_mode="r")
            if matrix.shape == shape:
                return Tiles(Vectors(matrix), each)
    try:
        note.unlink(missing_ok=True)  # it vouches for the vectors, so it goes first and comes last
        write_whole(file, lambda stream: write_vectors(stream, blocks, *shape))
        write_whole(note, lambda stream: stream.write(store.fingerprint.encode("ascii")))
        return Tiles(Vectors(np.load(file, mmap_mode="r")), each)
    except (StoreError, OSError):  # an index can be searched where it cannot be written
        matrix = unit(np.concatenate(list(blocks())))
        return Tiles(Vectors(matrix), each)
