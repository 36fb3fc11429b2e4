"""The search index of a tap: unit vectors in FAISS, searched by inner product (cosine).

Only the exact kind is here: every vector is compared. What it was built from is written beside it;
an index that is older than its vectors is never asked.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import faiss
import numpy as np
from numpy.typing import NDArray

from artsim.errors import SearchError
from artsim.store import Store, write_whole

__all__ = ["IndexInfo", "VectorIndex", "build_index", "is_current", "open_index", "unit"]


@dataclass(frozen=True, kw_only=True)
class IndexInfo:
    """How a search index was made: faiss/TAP.json."""

    tap: str
    kind: str  # 'Flat': exact
    metric: str  # 'cosine': inner product of unit vectors
    rows: int
    dim: int
    recall_at_10: float  # against exact search; 1 by construction here
    fingerprint: str  # of the rows and vectors it was built from
    faiss: str  # version


class VectorIndex:
    """Answers which rows' vectors are nearest."""

    def __init__(self, index: faiss.Index, info: IndexInfo) -> None:
        self.info = info
        self._index = index

    def search(
        self, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the nearest rows.

        Args:
            queries: Vectors, shape (Q, D); they are normalised here.
            k: How many; at most the rows there are.

        Returns:
            Cosines, best first, and rows, both of shape (Q, k). Equal cosines: lower row first.

        Raises:
            SearchError: If k is out of range or the vectors have another size.
        """
        if not 1 <= k <= self.info.rows:
            raise SearchError(f"k must be between 1 and {self.info.rows} (the rows), got {k}")
        if queries.shape[1] != self.info.dim:
            raise SearchError(
                f"the index holds vectors of {self.info.dim}, the query has {queries.shape[1]}"
            )
        scores, rows = self._index.search(unit(queries), k)
        order = np.lexsort((rows, -scores))  # (Q, k)
        return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors to length 1, shape (N, D); a vector of zeros stays one."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.where(norms > 0, norms, 1), dtype=np.float32)


def build_index(store: Store, tap: str) -> IndexInfo:
    """Build the search index of a tap and write it to faiss/.

    Raises:
        StoreError: If it cannot be written.
    """
    info = _describe(store, tap)
    file = _index_file(store, tap)
    # What vouches for the file goes first: a kill must not leave it beside other vectors.
    file.with_suffix(".json").unlink(missing_ok=True)
    write_whole(file, lambda stream: _write_flat(stream, store, info))
    text = json.dumps(asdict(info), indent=1) + "\n"
    write_whole(file.with_suffix(".json"), lambda stream: stream.write(text.encode()))
    return info


def open_index(store: Store, tap: str) -> VectorIndex:
    """Open the search index of a tap, memory-mapped.

    Where it is missing or older than the vectors (``embed`` was stopped), one is made in memory.
    """
    info = _describe(store, tap)
    if is_current(store, tap):
        with suppress(RuntimeError):  # what faiss raises of a file that is not its own
            index = faiss.read_index(str(_index_file(store, tap)), faiss.IO_FLAG_MMAP_IFC)
            if (index.ntotal, index.d) == (info.rows, info.dim):
                return VectorIndex(index, info)
    return VectorIndex(_flat_in_memory(store, info), info)


def is_current(store: Store, tap: str) -> bool:
    """Say whether a tap's search index on disk is of the vectors as they are now."""
    file = _index_file(store, tap)
    try:
        info = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        least = 4 * store.rows * store.tap(tap).dim  # bytes: a torn file is no index
        return bool(info["fingerprint"] == store.fingerprint) and file.stat().st_size > least
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _describe(store: Store, tap: str) -> IndexInfo:
    return IndexInfo(
        tap=tap,
        kind="Flat",
        metric="cosine",
        rows=store.rows,
        dim=store.tap(tap).dim,
        recall_at_10=1.0,
        fingerprint=store.fingerprint,
        faiss=faiss.__version__,
    )


def _index_file(store: Store, tap: str) -> Path:
    return store.path / "faiss" / f"{tap.replace('/', '-')}.index"


def _write_flat(stream: IO[bytes], store: Store, info: IndexInfo) -> None:
    """Write a flat index as faiss does, but part by part: memory is one part's vectors."""
    header = _flat_header(info.dim, info.rows)
    if header is None:
        stream.write(faiss.serialize_index(_flat_in_memory(store, info)).tobytes())
        return
    stream.write(header)
    for vectors in store.iter_vectors(info.tap):
        stream.write(unit(vectors).tobytes())


def _flat_in_memory(store: Store, info: IndexInfo) -> faiss.Index:
    index = faiss.IndexFlatIP(info.dim)
    for vectors in store.iter_vectors(info.tap):
        index.add(unit(vectors))
    return index


def _flat_header(dim: int, rows: int) -> bytes | None:
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
