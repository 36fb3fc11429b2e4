"""Open the search index of a tap: what is on disk where that is of the vectors as they are now."""

from __future__ import annotations

from contextlib import suppress

import faiss
import numpy as np

from artsim.index.flat import flat_in_memory, flat_vectors, open_flat
from artsim.index.note import (
    FLAT,
    Goals,
    IndexInfo,
    index_file,
    is_current,
    read_note,
    vectors_file,
)
from artsim.index.vector_index import VectorIndex
from artsim.index.vectors import Vectors
from artsim.store import Store


def open_index(store: Store, tap: str) -> VectorIndex:
    """Open the search index of a tap, its vectors memory-mapped.

    Where it is missing or older than the vectors (``embed`` was stopped), one is made in memory.
    """
    info = read_note(store, tap)
    if info is not None and is_current(store, tap):
        with suppress(RuntimeError, OSError, ValueError):  # what they raise of a file not their own
            if info.kind == FLAT:
                index = open_flat(store, tap)
                vectors = flat_vectors(index)
            else:
                index = faiss.read_index(str(index_file(store, tap)))
                vectors = Vectors(np.load(vectors_file(store, tap), mmap_mode="r"))
            if (index.ntotal, *vectors.shape) == (info.rows, info.rows, info.dim):
                return VectorIndex(info, index, vectors)
    index = flat_in_memory(store, tap)
    info = IndexInfo(
        tap=tap,
        kind=FLAT,
        rows=index.ntotal,
        dim=index.d,
        memory=4 * index.ntotal * index.d,
        why="made in memory: there is no index of these vectors on disk",
        goals=Goals(),
        fingerprint=store.fingerprint,
        faiss=faiss.__version__,
    )
    return VectorIndex(info, index, flat_vectors(index))
