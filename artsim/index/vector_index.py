"""A search index that is open: candidates from its codes, put in order by their exact cosines."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from artsim.errors import SearchError
from artsim.index.codes import fill
from artsim.index.note import IndexInfo
from artsim.index.vectors import Vectors, unit

NEIGHBORS = 10  # that recall is measured by; fewer are looked for among as many candidates

Found = tuple[NDArray[np.float32], NDArray[np.int64]]  # cosines and rows

_EXACT_SHARE = 0.25  # of the rows


class VectorIndex:
    """Answers which rows' vectors are nearest. Safe to use from several threads."""

    def __init__(
        self, info: IndexInfo, index: faiss.Index, vectors: Vectors, *, most: int | None = None
    ) -> None:
        """Search this index of faiss.

        It names the candidates, ``most`` of them at a time, or as many as there are rows if None;
        an IndexFlat gives their cosines too. Otherwise ``vectors`` gives the exact cosines.
        """
        self.info = info
        self.vectors = vectors
        self._index = index
        self._most = info.rows if most is None else most

    def search(self, queries: NDArray[np.float32], k: int) -> Found:
        """Find the nearest rows.

        Args:
            queries: Vectors, shape (Q, D); they are normalized here.
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

        Of rows equal to the last one faiss gives any, so it searches on until a lesser one comes.
        """
        wanted = min(k + 1, self.info.rows)
        scores, rows = self._index.search(queries, wanted)
        while wanted < self.info.rows and (scores[:, k - 1] == scores[:, -1]).any():
            wanted = min(2 * wanted, self.info.rows)
            scores, rows = self._index.search(queries, wanted)
        order = np.lexsort((rows, -scores))[:, :k]
        return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)

    def _nearest(self, query: NDArray[np.float32], rows: NDArray[np.int64] | None, k: int) -> Found:
        """Find the k nearest of some rows, in the order of the file, or of all, each (k,)."""
        if rows is None or len(rows) < k:  # the codes may name too few
            rows = np.arange(self.info.rows)
            scores = self.vectors.cosines(query)
        else:
            scores = self.vectors.cosines(query, rows)
        good = scores >= np.partition(scores, -k)[-k]  # k and those equal to the last
        scores, rows = scores[good], rows[good]
        order = np.lexsort((rows, -scores))[:k]
        return scores[order], rows[order]


def compares_all(candidates: int, rows: int) -> bool:
    """Return whether so many rows are candidates that comparing all is as fast."""
    return candidates > _EXACT_SHARE * rows


def candidates(index: faiss.Index, queries: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Name the rows whose codes are nearest, best first, shape (Q, count); -1 is none."""
    _, rows = index.search(fill(queries, index.d), count)
    found: NDArray[np.int64] = rows
    return found
