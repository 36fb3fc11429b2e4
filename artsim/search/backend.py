"""What a search needs of a vector store; FAISS over the folder of the index is the default.

Another store implements `SearchBackend` and is given to `Searcher(store, backend=...)`. The Parquet
index stays the truth: limits per value, several methods at once and tiles are read from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from artsim.search.conditions import Condition
from artsim.search.picking import best
from artsim.search.works import Works

if TYPE_CHECKING:
    from artsim.search.opened import Opened

Keys = NDArray[np.int64]  # the rows of the index, from 0; a copy keeps them with its vectors
Nearest = list[tuple[NDArray[np.float32], Keys]]  # of each query: cosines, best first, and keys


class SearchBackend(Protocol):
    """A store of vectors that can be searched; called from several threads."""

    def nearest(
        self,
        tap: str,
        queries: NDArray[np.float32],
        k: int,
        *,
        where: str | None = None,
        conditions: Sequence[Condition] = (),
        exact: bool = False,
    ) -> Nearest:
        """Find the k rows nearest to each query among those that meet the conditions.

        Args:
            tap: Which of the vectors.
            queries: Unit vectors, shape (Q, D).
            k: How many; fewer are found only where fewer rows meet the conditions.
            where: SQL.
            conditions: Structured conditions; all of them must be met.
            exact: Compare every row that meets the conditions, without an approximate index.

        Returns:
            Of each query the cosines, best first, and keys; equal cosines by key.

        Raises:
            SearchError: If a condition cannot be read, or names an unknown column.
        """

    def count(self, where: str | None, conditions: Sequence[Condition]) -> int:
        """Return how many rows meet the conditions."""

    def find(self, id_: str) -> int:
        """Return the key of an id.

        Raises:
            SearchError: If there is none.
        """

    def known(self, keys: Sequence[int]) -> list[tuple[str, str, dict[str, Any]]]:
        """Return the id, image (a path or URL) and metadata of some keys."""

    def vectors(self, tap: str, keys: Keys) -> NDArray[np.float32]:
        """Return the unit vectors of some keys, shape (n, D)."""


class FaissBackend:
    """The search indexes of an index folder, and its metadata in DuckDB."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    @property
    def _works(self) -> Works:
        return self._opened.works

    def nearest(
        self,
        tap: str,
        queries: NDArray[np.float32],
        k: int,
        *,
        where: str | None = None,
        conditions: Sequence[Condition] = (),
        exact: bool = False,
    ) -> Nearest:
        """Search the index of a tap, or every row under conditions; see `SearchBackend`."""
        rows = self._works.filter.rows(where, conditions)
        if rows is None and not exact:
            scores, found = self._opened.index(tap).search(queries, min(k, self.count(None, ())))
            return [(s[f >= 0], f[f >= 0]) for s, f in zip(scores, found, strict=True)]
        vectors = self._opened.vectors(tap)
        nearest: Nearest = []
        for query in queries:
            cosines = vectors.cosines(query, rows)
            places = best(cosines, k)
            nearest.append((cosines[places], places if rows is None else rows[places]))
        return nearest

    def count(self, where: str | None, conditions: Sequence[Condition]) -> int:
        """Return how many rows meet the conditions."""
        rows = self._works.filter.rows(where, conditions)
        return self._opened.store.rows if rows is None else len(rows)

    def find(self, id_: str) -> int:
        """Return the row of an id."""
        return self._works.row(id_)

    def known(self, keys: Sequence[int]) -> list[tuple[str, str, dict[str, Any]]]:
        """Return the id, image and metadata of some rows."""
        return self._works.known(keys)

    def vectors(self, tap: str, keys: Keys) -> NDArray[np.float32]:
        """Return the unit vectors of some rows, memory-mapped until here."""
        return self._opened.vectors(tap)[keys]
