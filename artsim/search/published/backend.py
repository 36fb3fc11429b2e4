"""A published index as a search backend: the database finds candidates, exact cosines rank them.

Conditions are met by the metadata of the index folder, as with FAISS. The vectors of few works are
read and compared here. Among many, the database compares every vector and returns more candidates
than are needed, of which those that meet the conditions are kept. Only a search without conditions
may be approximate.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from artsim.errors import SearchError
from artsim.search.backend import FaissBackend, Keys, Nearest, best
from artsim.search.conditions import Condition
from artsim.search.published.address import LostError, table_name
from artsim.search.published.databases import Database, Floats, VectorTable
from artsim.search.published.note import PublishedNote
from artsim.search.published.places import PlaceMap
from artsim.search.works import Works

_SPARE = 16  # candidates more than needed
_SAFE = 2  # times as many as the share of works that meet the conditions needs
_DEEPER = 4
_FEW = 4  # works are read rather than searched where so many times the candidates are all
_SAME = 1e-6  # cosines that differ by less may be of one rank to a database
_NUMBERS = 1 << 23  # read at a time: 32 MB

T = TypeVar("T")
_log = logging.getLogger("artsim")


class PublishedBackend:
    """The vectors in a database, the metadata in the index folder; see `SearchBackend`.

    If the database is lost, a warning says so once and FAISS over the folder answers.

    Args:
        works: The works of the index.
        database: Where it is published.
        note: What is published there.
    """

    def __init__(self, works: Works, database: Database, note: PublishedNote) -> None:
        self._works, self._database = works, database
        store = works.store
        self._tiles = store.manifest.tiles**2
        parts = store.manifest.parts
        self._maps = {each: PlaceMap(parts, note.numbers, each) for each in {1, self._tiles or 1}}
        self._tables: dict[str, VectorTable] = {}
        self._lock = threading.RLock()
        self._local = FaissBackend(works)
        self._lost = False

    def nearest(
        self,
        tap: str,
        queries: NDArray[np.float32],
        k: int,
        *,
        where: str | None = None,
        conditions: Sequence[Condition] = (),
        exact: bool = False,
        tiles: bool = False,
    ) -> Nearest:
        """Find the nearest; approximate at most without conditions and tiles."""
        rows = self.keys(where, conditions)
        exact = exact or tiles or rows is not None
        options: dict[str, Any] = {"where": where, "conditions": conditions, "exact": exact}
        return self._reached(
            lambda: self._nearest(tap, queries, k, rows, exact=exact, tiles=tiles),
            lambda: self._local.nearest(tap, queries, k, tiles=tiles, **options),
        )

    def cosines(
        self, tap: str, queries: NDArray[np.float32], keys: Keys | None, *, tiles: bool = False
    ) -> NDArray[np.float32]:
        """Compare queries with some rows, or with all: their vectors are read."""
        rows = np.arange(self._works.store.rows) if keys is None else keys
        return self._reached(
            lambda: self._cosines(tap, queries, rows, tiles=tiles),
            lambda: self._local.cosines(tap, queries, keys, tiles=tiles),
        )

    def vectors(self, tap: str, keys: Keys, *, tiles: bool = False) -> NDArray[np.float32]:
        """Read the unit vectors of some rows, or of their tiles."""
        return self._reached(
            lambda: self._vectors(tap, keys, tiles=tiles),
            lambda: self._local.vectors(tap, keys, tiles=tiles),
        )

    def count(self, where: str | None, conditions: Sequence[Condition]) -> int:
        """Return how many rows meet the conditions."""
        return self._local.count(where, conditions)

    def keys(self, where: str | None, conditions: Sequence[Condition]) -> Keys | None:
        """Return the rows that meet the conditions, in order; None if there are no conditions."""
        return self._local.keys(where, conditions)

    def find(self, id_: str) -> int:
        """Return the row of an id."""
        return self._local.find(id_)

    def known(self, keys: Sequence[int]) -> list[tuple[str, str | None, dict[str, Any]]]:
        """Return the id, image and metadata of some rows."""
        return self._local.known(keys)

    def _reached(self, published: Callable[[], T], local: Callable[[], T]) -> T:
        if not self._lost:
            try:
                return published()
            except LostError as error:
                _log.warning("%s; %s answers instead", error, self._works.store)
                self._lost = True
        return local()

    def _nearest(
        self, tap: str, queries: Floats, k: int, rows: Keys | None, *, exact: bool, tiles: bool
    ) -> Nearest:
        table = self._table(tap, tiles=tiles)
        count = self._works.store.rows if rows is None else len(rows)
        k = min(k, count)
        if not k:
            return [(np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64))] * len(queries)
        share = self._works.store.rows / count
        each = self._tiles if tiles else 1
        depth = int(_SAFE * k * share * min(each, 2) + _SPARE)
        found: list[tuple[Any, Any] | None] = [None] * len(queries)
        waiting = list(range(len(queries)))
        can_search = table.exact or not exact
        while waiting and can_search and depth <= self._database.depth and _FEW * depth < count:
            candidates = table.search(queries[waiting], depth, exact=exact)
            for place, (places, vectors) in zip(waiting, candidates, strict=True):
                own = self._maps[each].rows(places)
                found[place] = _settled(queries[place], own, vectors, k, rows)
            waiting = [place for place in waiting if found[place] is None]
            depth *= _DEEPER
        every = np.arange(count) if rows is None else rows
        for place in waiting:
            (cosines,) = self._cosines(tap, queries[place, None], every, tiles=tiles)
            places = best(cosines, k)
            found[place] = cosines[places], every[places]
        return [each for each in found if each is not None]

    def _cosines(self, tap: str, queries: Floats, rows: Keys, *, tiles: bool) -> Floats:
        dim = self._works.store.tap(tap).dim * (self._tiles if tiles else 1)
        cosines = np.empty((len(queries), len(rows)), dtype=np.float32)
        step = max(1, _NUMBERS // dim)
        for start in range(0, len(rows), step):
            vectors = self._vectors(tap, rows[start : start + step], tiles=tiles)
            for query, own in zip(queries, cosines, strict=True):
                scores = np.vecdot(vectors, query)
                own[start : start + step] = scores.max(axis=1) if tiles else scores
        return cosines

    def _vectors(self, tap: str, rows: Keys, *, tiles: bool) -> Floats:
        each, dim = self._tiles if tiles else 1, self._works.store.tap(tap).dim
        rows = np.asarray(rows, dtype=np.int64)
        distinct, where = np.unique(rows, return_inverse=True)
        wanted = self._maps[each].places(distinct)
        places, vectors = self._table(tap, tiles=tiles).take(wanted)
        order = np.argsort(places)
        if not np.array_equal(places[order], np.sort(wanted)):
            raise SearchError(
                f"{str(self._works.store)!r} was published again since it was opened; open it again"
            )
        ranks = np.argsort(np.argsort(wanted))  # of each wanted place among the sorted ones
        read = vectors[order][ranks]
        if not tiles:
            return np.ascontiguousarray(read[where])
        return read.reshape(len(distinct), each, dim)[where]

    def _table(self, tap: str, *, tiles: bool) -> VectorTable:
        name = table_name(tap, tiles=tiles)
        with self._lock:
            if name not in self._tables:
                self._tables[name] = self._database.open_table(name)
            return self._tables[name]


def _settled(
    query: Floats, own: Keys, vectors: Floats, k: int, rows: Keys | None
) -> tuple[Floats, Keys] | None:
    """Rank candidates; None if others may be among the k best.

    Args:
        query: Shape (D,).
        own: The row of each candidate, (n,), the same for tiles of one work; -1 for another's.
        vectors: Of the candidates, (n, D).
        k: How many are wanted.
        rows: Those that meet the conditions, sorted; None: all.
    """
    if not len(own):
        return None
    cosines = np.vecdot(vectors, query)
    least = cosines.min()
    kept = own >= 0
    if rows is not None:
        ranks = np.minimum(np.searchsorted(rows, own), len(rows) - 1)
        kept &= rows[ranks] == own
    cosines, own = cosines[kept], own[kept]
    order = np.lexsort((own, -cosines))
    _, first = np.unique(own[order], return_index=True)  # a work is found by several tiles
    order = order[np.sort(first)]
    if len(order) < k or cosines[order[k - 1]] <= least + _SAME:
        return None
    return cosines[order[:k]], own[order[:k]]
