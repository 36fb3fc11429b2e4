"""What a search needs of a vector store; FAISS over the folder of the index is the default.

Another store implements `SearchBackend`, and `Searcher(store, backend=...)` makes it of the works
of an index, as for a vector database: see `artsim.search.published`. Every comparison of vectors
and every condition goes through it. The Parquet index stays the truth: limits per value and the ids
shared by two indexes are read from it.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from artsim.errors import StoreError
from artsim.index import VectorIndex, Vectors, open_index, to_gpu, write_vectors
from artsim.search.conditions import Condition
from artsim.search.works import Works
from artsim.store import Store, is_whole, sealed, sha256_of, unsealed, write_whole

Keys = NDArray[np.int64]  # the rows of the index, from 0; a copy keeps them with its vectors
Nearest = list[tuple[NDArray[np.float32], Keys]]  # of each query: cosines, best first, and keys

T = TypeVar("T")


class SearchBackend(Protocol):
    """A store of vectors that can be searched; called from several threads.

    With ``tiles``, a row is compared by the most similar of its T tiles.
    """

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
        """Find the k rows nearest to each query among those that meet the conditions.

        Args:
            tap: Which of the vectors.
            queries: Unit vectors, shape (Q, D).
            k: How many; fewer are found only where fewer rows meet the conditions.
            where: SQL.
            conditions: Structured conditions; all of them must be met.
            exact: Compare every row that meets the conditions, without an approximate index.
            tiles: Compare tiles; always exact.

        Returns:
            For each query the cosines, best first, and keys; equal cosines by key.

        Raises:
            SearchError: If a condition cannot be read, or names an unknown column.
        """

    def cosines(
        self, tap: str, queries: NDArray[np.float32], keys: Keys | None, *, tiles: bool = False
    ) -> NDArray[np.float32]:
        """Compare queries, (Q, D), with some keys, or with all: exact, shape (Q, n)."""

    def vectors(self, tap: str, keys: Keys, *, tiles: bool = False) -> NDArray[np.float32]:
        """Return the unit vectors of some keys, shape (n, D); of their tiles, (n, T, D)."""

    def count(self, where: str | None, conditions: Sequence[Condition]) -> int:
        """Return how many rows meet the conditions."""

    def keys(self, where: str | None, conditions: Sequence[Condition]) -> Keys | None:
        """Return the keys that meet the conditions, in order; None if there are no conditions."""

    def find(self, id_: str) -> int:
        """Return the key of an id.

        Raises:
            SearchError: If there is none.
        """

    def known(self, keys: Sequence[int]) -> list[tuple[str, str | None, dict[str, Any]]]:
        """Return the id, image (a path or URL) and metadata of some keys."""


class FaissBackend:
    """The search indexes of an index folder, and its metadata in DuckDB; see `SearchBackend`.

    Args:
        works: The works of the index.
        gpu: The number of the GPU that the search indexes are copied to; None: they stay.
    """

    def __init__(self, works: Works, *, gpu: int | None = None) -> None:
        self._works = works
        self._gpu = gpu
        self._lock = threading.RLock()
        self._kept: dict[tuple[Callable[[Store, str], Any], str], Any] = {}

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
        """Search the index of a tap; compare every row under conditions, or by tiles."""
        rows = self.keys(where, conditions)
        if rows is None and not exact and not tiles:
            index = self._once(open_index if self._gpu is None else self._open_on_gpu, tap)
            scores, found = index.search(queries, min(k, self._works.store.rows))
            return [(s[f >= 0], f[f >= 0]) for s, f in zip(scores, found, strict=True)]
        nearest: Nearest = []
        for query in queries:
            (cosines,) = self.cosines(tap, query[None], rows, tiles=tiles)
            places = best(cosines, k)
            nearest.append((cosines[places], places if rows is None else rows[places]))
        return nearest

    def cosines(
        self, tap: str, queries: NDArray[np.float32], keys: Keys | None, *, tiles: bool = False
    ) -> NDArray[np.float32]:
        """Compare queries with some rows, or with all, where they are memory-mapped."""
        if not tiles:
            vectors = self._once(open_index, tap).vectors
            return np.stack([vectors.cosines(query, keys) for query in queries])
        places = None if keys is None else self._tiles_of(keys)
        vectors, each = self._once(open_tiles, tap), self._works.store.manifest.tiles**2
        cosines = np.stack([vectors.cosines(query, places) for query in queries])  # (Q, n * T)
        best_tiles: NDArray[np.float32] = cosines.reshape(len(queries), -1, each).max(axis=2)
        return best_tiles

    def vectors(self, tap: str, keys: Keys, *, tiles: bool = False) -> NDArray[np.float32]:
        """Read the unit vectors of some rows, or of their tiles."""
        if not tiles:
            return self._once(open_index, tap).vectors[keys]
        vectors, each = self._once(open_tiles, tap), self._works.store.manifest.tiles**2
        found = vectors[self._tiles_of(keys)]
        return found.reshape(len(keys), each, found.shape[1])

    def count(self, where: str | None, conditions: Sequence[Condition]) -> int:
        """Return how many rows meet the conditions."""
        rows = self.keys(where, conditions)
        return self._works.store.rows if rows is None else len(rows)

    def keys(self, where: str | None, conditions: Sequence[Condition]) -> Keys | None:
        """Return the rows that meet the conditions, in order; None if there are no conditions."""
        return self._works.filter.rows(where, conditions)

    def find(self, id_: str) -> int:
        """Return the row of an id."""
        return self._works.row(id_)

    def known(self, keys: Sequence[int]) -> list[tuple[str, str | None, dict[str, Any]]]:
        """Return the id, image and metadata of some rows."""
        return self._works.known(keys)

    def _tiles_of(self, keys: Keys) -> Keys:
        each = self._works.store.manifest.tiles**2
        return (keys[:, None] * each + np.arange(each)).ravel()

    def _once(self, open_: Callable[[Store, str], T], tap: str) -> T:
        """Open something of a tap for all threads, by the first that needs it."""
        with self._lock:
            if (open_, tap) not in self._kept:
                self._kept[open_, tap] = open_(self._works.store, tap)
            found: T = self._kept[open_, tap]
            return found

    def _open_on_gpu(self, _: Store, tap: str) -> VectorIndex:
        assert self._gpu is not None
        return to_gpu(self._once(open_index, tap), self._gpu)


def open_tiles(store: Store, tap: str) -> Vectors:
    """Open the unit vectors of an index's tiles, shape (N * T, D), work by work.

    They are kept in half precision as ``faiss/TAP.tiles.npy``, made at the first search; in the
    system's temporary folder where the index cannot be written, until they are closed.

    Raises:
        StoreError: If neither can be written.
    """
    file = store.path / "faiss" / f"{tap.replace('/', '-')}.tiles.npy"
    note = file.with_suffix(".json")
    shape = (store.rows * store.manifest.tiles**2, store.tap(tap).dim)

    blocks = partial(store.iter_vectors, tap, tiles=True)
    with suppress(OSError, ValueError):  # missing or torn
        if _tiles_are_current(store, file, note):
            matrix = np.load(file, mmap_mode="r")
            if matrix.shape == shape:
                return Vectors(matrix)
    with suppress(StoreError, OSError):  # an index can be searched where it cannot be written
        note.unlink(missing_ok=True)  # it vouches for the vectors: removed first, written last
        write_whole(file, lambda stream: write_vectors(stream, blocks, *shape))
        values = {"fingerprint": store.fingerprint, "sha256": {file.name: sha256_of(file)}}
        write_whole(note, lambda stream: stream.write(sealed(values)))
        file.with_suffix(".fingerprint").unlink(missing_ok=True)
        return Vectors(np.load(file, mmap_mode="r"))
    try:
        with tempfile.TemporaryFile() as stream:
            write_vectors(stream, blocks, *shape)
            stream.seek(0)
            np.lib.format.read_magic(stream)
            _, _, dtype = np.lib.format.read_array_header_1_0(stream)
            return Vectors(np.memmap(stream, dtype, "r", stream.tell(), shape))
    except OSError as error:
        raise StoreError(
            f"cannot write {str(file)!r}, nor a temporary file ({error.strerror or error}); make "
            "room, or set TMPDIR to a folder that can be written"
        ) from error


def _tiles_are_current(store: Store, file: Path, note: Path) -> bool:
    """Return whether the vectors of tiles on disk are those of the index, and whole."""
    old = file.with_suffix(".fingerprint")  # by artsim 0.1
    if not note.is_file() and old.is_file():
        return old.read_text(encoding="ascii") == store.fingerprint
    values = unsealed(note.read_text(encoding="utf-8"))
    return bool(
        values.get("fingerprint") == store.fingerprint
        and is_whole(file, values.get("sha256", {}).get(file.name))
    )


def best(scores: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Return the places of the n highest scores, highest first; of equal ones the first."""
    places = np.arange(len(scores))
    if n < len(scores):
        least = np.partition(scores, len(scores) - n)[len(scores) - n]
        places = np.flatnonzero(scores >= least)  # more than n where several are the least
    return places[np.lexsort((places, -scores[places]))][:n]
