"""An open search index: its codes find candidates, exact cosines rank them. Also on a GPU."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from artsim.errors import SearchError
from artsim.index.codes import fill
from artsim.index.note import IndexInfo
from artsim.index.vectors import Vectors, unit

NEIGHBORS = 10  # that recall is measured by; smaller k are found among as many candidates

Found = tuple[NDArray[np.float32], NDArray[np.int64]]  # cosines and rows

_EXACT_SHARE = 0.25  # of the rows
_SPARE = 8  # rows found beyond k, so that more are seldom needed
_ROUNDING = 1e-5  # of a cosine, by the order of its sum

# So many queries at once are compared as a matrix: 64 in 100,000 x 512 take a fourteenth of the
# time, but a single one twice the time. faiss 1.15 does so from 128,000 numbers in all queries;
# before, it counted queries, and did so from 20.
_MATRIX = 3
_MATRIX_BY_FAISS = faiss.cvar.distance_compute_blas_threshold

_COPIED = 1 << 16  # rows copied to a GPU at a time
_GPU_FACTOR = 4  # times k candidates: half precision moves a cosine by about 1e-4
_GPU_MOST = 2048  # that faiss finds at a time on a GPU


class VectorIndex:
    """Finds the rows with the nearest vectors. Safe to use from several threads."""

    def __init__(
        self, info: IndexInfo, index: faiss.Index, vectors: Vectors, *, most: int | None = None
    ) -> None:
        """Search this index of faiss.

        It finds the candidates, at most ``most`` at a time, any number if None; their exact
        cosines come from ``vectors``.
        """
        self.info = info
        self.vectors = vectors
        self._index = index
        self._most = info.rows if most is None else most

    def search(self, queries: NDArray[np.float32], k: int) -> Found:
        """Find the nearest rows.

        Args:
            queries: Vectors, shape (Q, D), of any length.
            k: Neighbors per query; at most the number of rows.

        Returns:
            Cosines, best first, and rows, both (Q, k). Equal cosines: lower row first.

        Raises:
            SearchError: If k is out of range or the vectors have another size.
        """
        if not 1 <= k <= self.info.rows:
            raise SearchError(f"k must be between 1 and {self.info.rows} (the rows), got {k}")
        if queries.shape[1] != self.info.dim:
            raise SearchError(
                f"the index holds vectors of {self.info.dim} numbers, the query has "
                f"{queries.shape[1]}"
            )
        queries = unit(queries)
        if isinstance(self._index, faiss.IndexFlat):
            return self._nearest_of_all(queries, k)
        wanted = max(k, NEIGHBORS) * self.info.k_factor
        if wanted > self._most or compares_all(wanted, self.info.rows):
            found = [self._nearest(query, None, k) for query in queries]
        else:
            found = [
                self._nearest(query, np.sort(rows[rows >= 0]), k)
                for query, rows in zip(
                    queries, candidates(self._index, queries, wanted), strict=True
                )
            ]
        return np.stack([scores for scores, _ in found]), np.stack([rows for _, rows in found])

    def _nearest_of_all(self, queries: NDArray[np.float32], k: int) -> Found:
        """Find the k nearest by an IndexFlat, each (Q, k).

        It adds in another order for several queries at once, and of rows that tie for the last
        place it returns any. So more are found, until one is worse beyond doubt.
        """
        least = min(_MATRIX * self.info.dim, _MATRIX_BY_FAISS)
        faiss.cvar.distance_compute_blas_threshold = least  # of all threads; it moves no answer
        found = []
        first = self._index.search(queries, min(k + _SPARE, self.info.rows))
        for query, scores, rows in zip(queries, *first, strict=True):
            while len(rows) < self.info.rows and scores[k - 1] - scores[-1] <= _ROUNDING:
                wanted = min(2 * len(rows), self.info.rows)
                ((scores,), (rows,)) = self._index.search(query[None], wanted)
            found.append(self._nearest(query, np.sort(rows), k))
        return np.stack([scores for scores, _ in found]), np.stack([rows for _, rows in found])

    def _nearest(self, query: NDArray[np.float32], rows: NDArray[np.int64] | None, k: int) -> Found:
        """Find the k nearest of some rows, in ascending order, or of all, each (k,)."""
        if rows is None or len(rows) < k:  # the codes may find too few
            rows = np.arange(self.info.rows)
            scores = self.vectors.cosines(query)
        else:
            scores = self.vectors.cosines(query, rows)
        good = scores >= np.partition(scores, -k)[-k]  # k and those equal to the last
        scores, rows = scores[good], rows[good]
        order = np.lexsort((rows, -scores))[:k]
        return scores[order], rows[order]


def compares_all(candidates: int, rows: int) -> bool:
    """Return whether there are so many candidates that comparing all rows is as fast."""
    return candidates > _EXACT_SHARE * rows


def candidates(index: faiss.Index, queries: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the rows with the nearest codes, best first, shape (Q, count); -1 is none."""
    _, rows = index.search(fill(queries, index.d), count)
    found: NDArray[np.int64] = rows
    return found


# --- on a GPU ---------------------------------------------------------------------------


def count_gpus() -> int:
    """Count the GPUs that faiss can use: none if it was built for the CPU alone."""
    return int(faiss.get_num_gpus()) if hasattr(faiss, "get_num_gpus") else 0


def to_gpu(index: VectorIndex, device: int = 0) -> VectorIndex:
    """Copy an index, which stays open, to a GPU, in half precision.

    Raises:
        SearchError: If there is no such GPU, or not enough memory on it.
    """
    gpus = count_gpus()
    if not 0 <= device < gpus:
        raise SearchError(f"faiss sees {gpus} GPUs, none is number {device}; search on the CPU")
    gpu: Any = faiss  # its GPU classes are only in the builds for one
    settings = gpu.GpuIndexFlatConfig()
    settings.device = device
    settings.useFloat16 = True
    try:
        copy = gpu.GpuIndexFlatIP(gpu.StandardGpuResources(), index.info.dim, settings)
        for start in range(0, index.info.rows, _COPIED):
            copy.add(index.vectors[start : start + _COPIED])
    except RuntimeError as error:
        size = 2 * index.info.rows * index.info.dim / 1e9
        reason = str(error).strip().splitlines()[-1]
        raise SearchError(
            f"GPU {device} cannot hold the vectors, {size:.2g} GB ({reason}); search on the CPU"
        ) from error
    info = replace(index.info, kind="GPU Flat", k_factor=_GPU_FACTOR, recall_at_10=1.0)
    locked: Any = _OneAtATime(copy)  # has the part of faiss's Index that is used
    return VectorIndex(info, locked, index.vectors, most=_GPU_MOST)


class _OneAtATime:
    """An index on a GPU, whose memory faiss lets one thread use at a time."""

    def __init__(self, index: Any) -> None:
        self.d = index.d
        self._index = index
        self._lock = threading.Lock()

    def search(
        self, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the k nearest, as faiss does."""
        with self._lock:
            scores, rows = self._index.search(queries, k)
        return scores, rows
