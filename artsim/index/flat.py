"""Exact search: unit vectors in float32, in the file that faiss itself would write."""

from __future__ import annotations

from typing import IO, Any

import faiss
import numpy as np

from artsim.index.note import index_file
from artsim.index.vectors import Vectors, unit
from artsim.store import Store, write_whole


def write_flat(store: Store, tap: str) -> None:
    """Write a flat index as faiss does, but part by part: memory is one part's vectors."""
    write_whole(index_file(store, tap), lambda stream: _write(stream, store, tap))


def _write(stream: IO[bytes], store: Store, tap: str) -> None:
    header = _header(store.tap(tap).dim, store.rows)
    if header is None:
        stream.write(faiss.serialize_index(flat_in_memory(store, tap)).tobytes())
        return
    stream.write(header)
    for vectors in store.iter_vectors(tap):
        stream.write(unit(vectors).tobytes())


def open_flat(store: Store, tap: str) -> faiss.Index:
    """Open the index that was written, memory-mapped."""
    return faiss.read_index(str(index_file(store, tap)), faiss.IO_FLAG_MMAP_IFC)


def flat_in_memory(store: Store, tap: str) -> faiss.Index:
    """Make the index without writing it."""
    index = faiss.IndexFlatIP(store.tap(tap).dim)
    for vectors in store.iter_vectors(tap):
        index.add(unit(vectors))
    return index


def flat_vectors(index: Any) -> Vectors:
    """Look at the vectors of an IndexFlat by row, where they are."""
    matrix = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return Vectors(matrix.reshape(index.ntotal, index.d), keep=index)


def _header(dim: int, rows: int) -> bytes | None:
    """Return what faiss writes before a flat index's vectors; None if it writes otherwise.

    The rows stand as int64 after a mark of four bytes and the dimension, the number of floats as
    uint64 at the end. That is looked at on an index of two rows before it is believed.
    """
    two = faiss.IndexFlatIP(dim)
    two.add(np.zeros((2, dim), dtype=np.float32))
    header = bytearray(faiss.serialize_index(two).tobytes()[: -2 * 4 * dim])
    if header[8:16] != np.int64(2).tobytes() or header[-8:] != np.uint64(2 * dim).tobytes():
        return None
    header[8:16] = np.int64(rows).tobytes()
    header[-8:] = np.uint64(rows * dim).tobytes()
    return bytes(header)
