"""Candidates of the nearest neighbors among many vectors, from cells and one byte a number."""

from __future__ import annotations

import math
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from artsim.metrics.neighbors import NO_ROW

EXACT = 50_000  # vectors up to which each is compared with every other

_PROBED = 32  # cells around a query
_CELL_SAMPLE = 40  # vectors per cell to train its center on
_ROUNDS = 10  # of k-means
_FACTOR = 4  # times k candidates are compared exactly
_BLOCK = 16_384  # vectors added at a time

Rows = NDArray[np.int64]


class Candidates:
    """The vectors in cells: only those in the cells nearest to a query are compared with it.

    The pairs that matter are nearly equal, so that they are in one cell or in cells side by side.
    """

    def __init__(self, bank: NDArray[np.float32]) -> None:
        """Sort unit vectors, shape (N, D), into cells."""
        rows, dim = bank.shape
        cells = min(rows, 2 ** round(math.log2(2 * math.sqrt(rows))))
        self._centers = faiss.IndexFlatIP(dim)
        index: Any = faiss.IndexIVFScalarQuantizer(
            self._centers, dim, cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        index.cp.min_points_per_centroid = 1
        index.cp.max_points_per_centroid = _CELL_SAMPLE
        index.cp.niter = _ROUNDS
        drawn = np.random.default_rng(0).permutation(rows)[: _CELL_SAMPLE * cells]
        index.train(bank[np.sort(drawn)])
        for start in range(0, rows, _BLOCK):
            index.add(bank[start : start + _BLOCK])
        index.nprobe = min(_PROBED, cells)
        self._index, self._bank = index, bank

    def nearest(
        self, queries: Rows, k: int, groups: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float32], Rows]:
        """Find the k nearest of some of the vectors among the candidates, each (B, k).

        A vector does not find itself, nor another of its group, shape (N,). Where there are too few
        candidates the rest are -inf and `NO_ROW`.
        """
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        found = np.full((len(queries), k), NO_ROW, dtype=np.int64)
        of = np.zeros(len(queries), dtype=np.int64) if groups is None else groups[queries]
        for group in np.unique(of):
            settings = None if groups is None else self._only(groups != group)
            some = of == group
            scores[some], found[some] = self._ranked(queries[some], k, settings)
        return scores, found

    def _only(self, allowed: NDArray[np.bool_]) -> Any:
        """Make the settings of a search among some of the vectors, shape (N,)."""
        library: Any = faiss  # whose stubs lack the arguments
        bits = library.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        return library.SearchParametersIVF(sel=bits, nprobe=self._index.nprobe)

    def _ranked(self, queries: Rows, k: int, settings: Any) -> tuple[NDArray[np.float32], Rows]:
        """Rank the candidates of some vectors by their exact cosines; see `nearest`."""
        own = self._bank[queries]
        _, rows = self._index.search(own, _FACTOR * k + 1, params=settings)
        scores = np.empty(rows.shape, dtype=np.float32)
        for scored, column in zip(scores.T, rows.T, strict=True):  # bounds memory
            scored[:] = np.vecdot(own, self._bank[column])
        scores[(rows == NO_ROW) | (rows == queries[:, None])] = -np.inf
        order = np.lexsort((rows, -scores), axis=1)[:, :k]
        scores, rows = (np.take_along_axis(each, order, axis=1) for each in (scores, rows))
        return scores, np.where(np.isneginf(scores), NO_ROW, rows)
