"""Open the search index of a tap: the one on disk if it belongs to the present vectors."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import faiss
import numpy as np

from artsim.index.note import (
    FLAT,
    INDEX,
    VECTORS,
    Goals,
    IndexInfo,
    damaged_files,
    index_file,
    is_current,
    read_note,
)
from artsim.index.vector_index import VectorIndex
from artsim.index.vectors import Vectors, unit
from artsim.store import Store

_LOG = logging.getLogger(__name__)


def open_index(store: Store, tap: str) -> VectorIndex:
    """Open the search index of a tap, its vectors memory-mapped.

    If it is missing or older than the vectors (``embed`` was stopped), one is made in memory; so
    it is if it is damaged, with a warning.
    """
    info = read_note(store, tap)
    damaged = damaged_files(store, tap)
    if info is not None and not damaged and is_current(store, tap):
        with suppress(RuntimeError, OSError, ValueError):  # of a damaged file
            if info.kind == FLAT:
                file = index_file(store, tap, INDEX)
                index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
                vectors = _flat_vectors(index)
            else:
                index, vectors = read_coded(store, tap)
            if (index.ntotal, *vectors.shape) == (info.rows, info.rows, info.dim):
                return VectorIndex(info, index, vectors)
        damaged = [index_file(store, tap, INDEX)]
    if damaged:
        _LOG.warning(
            "%r is damaged, so that every vector is compared; run 'artsim repair %s'",
            str(damaged[0]),
            store.path,
        )
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
    return VectorIndex(info, index, _flat_vectors(index))


def read_coded(store: Store, tap: str) -> tuple[faiss.Index, Vectors]:
    """Read an index with codes, and map its vectors."""
    index = faiss.read_index(str(index_file(store, tap, INDEX)))
    return index, Vectors(np.load(index_file(store, tap, VECTORS), mmap_mode="r"))


def flat_in_memory(store: Store, tap: str) -> faiss.Index:
    """Make an index for exact search without writing it."""
    index = faiss.IndexFlatIP(store.tap(tap).dim)
    for vectors in store.iter_vectors(tap):
        index.add(unit(vectors))
    return index


def _flat_vectors(index: Any) -> Vectors:
    """Return a view of the vectors of an IndexFlat by row."""
    matrix = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return Vectors(matrix.reshape(index.ntotal, index.d), keep=index)
