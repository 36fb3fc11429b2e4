"""LanceDB: tables in a folder or a bucket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim.errors import SearchError
from artsim.search.published.address import reaching
from artsim.search.published.databases import Floats, Places

_NOTE = "artsim"
_KEPT = timedelta(days=1)  # versions of a table that searches may still read
_EXACT = 1 << 26  # numbers; of fewer a search compares all
_PARTITION = 400  # vectors of a cell, about
_PROBED = 8  # a search reads one of so many cells
_REFINED = 30  # candidates for each match, compared exactly
_FEWEST_PROBED = 20
# A bucket that does not answer is lost after seconds, not minutes.
_BUCKET = {"client_max_retries": "3", "client_retry_timeout": "20", "connect_timeout": "5s"}

_ERRORS = (OSError, RuntimeError, ValueError)  # what LanceDB raises


class LanceDatabase:
    """A folder, or a path in a bucket; its credentials are the usual variables (AWS_...)."""

    depth = 1 << 20

    def __init__(self, address: str, place: str) -> None:
        try:
            import lancedb
        except ImportError as error:
            raise SearchError(
                f"{address} needs LanceDB; install it with pip install 'artsim[lance]'"
            ) from error
        self._address = address
        with self._reaching():
            options = _BUCKET if "://" in place else None
            self._database: Any = lancedb.connect(place, storage_options=options)

    def read_note(self) -> str | None:
        """Return the text that was written last."""
        with self._reaching():
            if not self._has(_NOTE):
                return None
            texts: list[str] = self._database.open_table(_NOTE).to_arrow()["note"].to_pylist()
        return texts[0]

    def write_note(self, text: str) -> None:
        """Replace the note."""
        with self._reaching():
            mode = "overwrite" if self._has(_NOTE) else "create"
            self._database.create_table(_NOTE, pa.table({"note": [text]}), mode=mode)

    def open_table(self, name: str) -> LanceTable:
        """Open a table."""
        with self._reaching():
            return LanceTable(self._address, self._database.open_table(name))

    def make_table(self, name: str, dim: int) -> LanceTable:
        """Open a table, or make it."""
        with self._reaching():
            if not self._has(name):
                self._database.create_table(name, schema=_schema(dim))
        return self.open_table(name)

    def drop(self, names: Iterable[str]) -> None:
        """Remove the note and some tables; others in the folder are not artsim's."""
        with self._reaching():
            for name in {_NOTE, *names}.intersection(self._names()):
                self._database.drop_table(name)

    def _has(self, name: str) -> bool:
        """Return whether a table can be opened; a disk that is full leaves its folder alone."""
        if name not in self._names():
            return False
        try:
            self._database.open_table(name)
        except ValueError as error:
            if "was not found" not in str(error):
                raise
            return False
        return True

    def _names(self) -> list[str]:
        names: list[str] = self._database.list_tables(limit=1000).tables
        return names

    def _reaching(self) -> Any:
        return reaching(self._address, *_ERRORS)


class LanceTable:
    """A table as it was when it was opened: publishing again does not change it."""

    exact = True

    def __init__(self, address: str, table: Any) -> None:
        self._address = address
        self._table = table
        self._dim: int = table.schema.field("vector").type.list_size

    @cached_property
    def approximate(self) -> bool:
        """Whether there is an index of cells."""
        with self._reaching():
            return any("vector" in index.columns for index in self._table.list_indices())

    def search(self, queries: Floats, depth: int, *, exact: bool) -> list[tuple[Places, Floats]]:
        """Compare every vector, or those of the cells near to a query."""
        with self._reaching():
            return [self._search(query, depth, exact=exact) for query in queries]

    def take(self, places: Places) -> tuple[Places, Floats]:
        """Read some vectors by their offsets."""
        sorted_, offsets = self._offsets
        ranks = np.minimum(np.searchsorted(sorted_, places), max(len(sorted_) - 1, 0))
        if not len(sorted_):
            return self._read(_schema(self._dim).empty_table())
        wanted = np.unique(offsets[ranks[sorted_[ranks] == places]]).tolist()
        with self._reaching():
            return self._read(self._table.take_offsets(wanted).to_arrow())

    def count(self, first: int, last: int) -> int:
        """Count the vectors of a range of places."""
        with self._reaching():
            count: int = self._table.count_rows(f"place >= {first} AND place < {last}")
        return count

    def add(self, blocks: Iterable[tuple[Places, Floats]]) -> None:
        """Add vectors in one commit."""
        schema = _schema(self._dim)
        tables = [
            pa.table([pa.array(places), _fixed(vectors)], schema=schema)
            for places, vectors in blocks
        ]
        with self._reaching():
            self._table.add(pa.concat_tables(tables))

    def delete(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Delete ranges of places in one commit."""
        tests = [f"(place >= {first} AND place < {last})" for first, last in ranges]
        with self._reaching():
            self._table.delete(" OR ".join(tests))

    def finish(self) -> None:
        """Join small files; index the vectors where comparing all would be slow."""
        with self._reaching():
            self._table.optimize(cleanup_older_than=_KEPT)
            rows = self._table.count_rows()
            if rows * self._dim >= _EXACT and not self.approximate:
                from lancedb.index import IvfPq

                config = IvfPq(distance_type="dot", num_partitions=rows // _PARTITION)
                self._table.create_index("vector", config=config)

    def _search(self, query: Floats, depth: int, *, exact: bool) -> tuple[Places, Floats]:
        # The vectors have length 1, but for those of zeros: they have no cosine distance.
        search = self._table.search(query, vector_column_name="vector").distance_type("dot")
        search = search.limit(depth).select(["place", "vector", "_distance"])
        if exact or not self.approximate:
            search = search.bypass_vector_index()
        else:
            cells = self._table.count_rows() // _PARTITION
            search = search.nprobes(max(_FEWEST_PROBED, cells // _PROBED)).refine_factor(_REFINED)
        return self._read(search.to_arrow())

    @cached_property
    def _offsets(self) -> tuple[Places, NDArray[np.int64]]:
        """All places, sorted, and the offset of each in the table."""
        with self._reaching():
            table = self._table.search().select(["place"]).limit(self._table.count_rows())
            places = np.asarray(table.to_arrow()["place"], dtype=np.int64)
        order = np.argsort(places)
        return places[order], order

    def _read(self, table: pa.Table) -> tuple[Places, Floats]:
        column = table["vector"].combine_chunks()
        vectors = np.asarray(column.flatten(), dtype=np.float32).reshape(-1, self._dim)
        return np.asarray(table["place"], dtype=np.int64), vectors

    def _reaching(self) -> Any:
        return reaching(self._address, *_ERRORS)


def _schema(dim: int) -> pa.Schema:
    return pa.schema([("place", pa.int64()), ("vector", pa.list_(pa.float32(), dim))])


def _fixed(vectors: Floats) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
