"""The tiles of an index's works, which a search for details compares.

Their unit vectors are kept as ``faiss/TAP.tiles.npy`` in half precision, memory-mapped, made at the
first request; a note next to them names those vectors.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import numpy as np

from artsim.errors import StoreError
from artsim.index import Vectors, unit, write_vectors
from artsim.store import Store, write_whole


def open_tiles(store: Store, tap: str) -> Vectors:
    """Open the unit vectors of an index's tiles, shape (N * T, D), work by work."""
    file = store.path / "faiss" / f"{tap.replace('/', '-')}.tiles.npy"
    note = file.with_suffix(".fingerprint")
    shape = (store.rows * store.manifest.tiles**2, store.tap(tap).dim)

    blocks = partial(store.iter_tile_vectors, tap)
    with suppress(OSError, ValueError):  # missing or torn
        if note.read_text(encoding="ascii") == store.fingerprint:
            matrix = np.load(file, mmap_mode="r")
            if matrix.shape == shape:
                return Vectors(matrix)
    try:
        note.unlink(missing_ok=True)  # it vouches for the vectors, so it goes first and comes last
        write_whole(file, lambda stream: write_vectors(stream, blocks, *shape))
        write_whole(note, lambda stream: stream.write(store.fingerprint.encode("ascii")))
        return Vectors(np.load(file, mmap_mode="r"))
    except (StoreError, OSError):  # an index can be searched where it cannot be written
        return Vectors(unit(np.concatenate(list(blocks()))))
