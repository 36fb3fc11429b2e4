"""The metadata of an index: in memory, or where that is large, read from the parts when needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.store import CatalogRows, Store, indices, large_text, take_stored, text_scalar

_IN_MEMORY = 1 << 29  # bytes of metadata that are kept in memory, about

Rows = Sequence[int] | NDArray[np.int64]


class WorkMetadata(Protocol):
    """Columns of all rows of an index, whose text has 64-bit offsets. Safe for many threads."""

    is_in_memory: bool

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of all rows."""

    def blocks(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns of all rows, in order; in one block if they are in memory."""

    def take(self, rows: Rows, names: Sequence[str]) -> pa.Table:
        """Return columns of some rows, in the order given."""

    def find(self, id_: str) -> int | None:
        """Return the row of an id."""


def open_metadata(store: Store, names: Sequence[str]) -> WorkMetadata:
    """Open columns of an index; its first part shows how large they are."""
    if store.rows:
        own = [name for name in names if name not in store.added]
        first = store.read_part(0, own)
        if first.nbytes / first.num_rows * store.rows > _IN_MEMORY:
            return MetadataOnDisk(store)
    # Taking a few rows from many chunks takes a hundred times as long.
    return MetadataInMemory(large_text(store.read(names)).combine_chunks())


class MetadataInMemory:
    """Columns that are in memory; see `WorkMetadata`."""

    is_in_memory = True

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of all rows."""
        return self._table.column(name)

    def blocks(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns of all rows, in one block."""
        yield self._table.select(names)

    def take(self, rows: Rows, names: Sequence[str]) -> pa.Table:
        """Return columns of some rows."""
        return self._table.select(names).take(indices(rows))

    def find(self, id_: str) -> int | None:
        """Return the row of an id."""
        wanted = text_scalar(id_).cast(pa.large_string())
        found: int = pc.index(self._table.column("id"), wanted).as_py()
        return found if found >= 0 else None


class MetadataOnDisk:
    """Columns in the parts of an index; see `WorkMetadata`.

    Of a column that was added to it, the row of its file is in memory for each row of the index
    once it is used: 8 bytes each. Its values are memory-mapped.
    """

    is_in_memory = False

    def __init__(self, store: Store) -> None:
        self._store = store
        self._added: dict[str, tuple[NDArray[np.int64], CatalogRows]] = {}

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of all rows, read again at each call."""
        return pa.concat_tables(self.blocks([name])).column(0)

    def blocks(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns of all rows, part by part."""
        start = 0
        for table in self._store.blocks(self._own(names) or ["id"]):
            end = start + table.num_rows
            yield self._select(table, names, np.arange(start, end))
            start = end

    def take(self, rows: Rows, names: Sequence[str]) -> pa.Table:
        """Return columns of some rows."""
        table = self._store.take(rows, self._own(names) or ["id"])
        return self._select(table, names, np.asarray(rows, dtype=np.int64))

    def find(self, id_: str) -> int | None:
        """Return the row of an id; of the parts only what may have it is read."""
        return self._store.find(id_)

    def _own(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name not in self._store.added]

    def _select(self, table: pa.Table, names: Sequence[str], rows: NDArray[np.int64]) -> pa.Table:
        """Return columns of a table of some rows, also those that were added."""
        for name in names:
            if name in self._store.added:
                stored, values = self._stored(name)
                table = table.append_column(name, take_stored(values, stored[rows]))
        return large_text(table.select(names))

    def _stored(self, name: str) -> tuple[NDArray[np.int64], CatalogRows]:
        """Return the row in its file of each row, and the values, of a column that was added."""
        if name not in self._added:
            column = self._store.added[name]
            ids = (block.column(0) for block in self._store.blocks(["id"]))
            self._added[name] = column.rows_by_id().find_all(ids), column.stored()
        return self._added[name]


class RowStream:
    """Blocks of rows that DuckDB reads as often as it wants to.

    Args:
        blocks: Begins to read them, at each call.
    """

    def __init__(self, blocks: Callable[[], Iterator[pa.Table]]) -> None:
        self._blocks = blocks
        self._schema = next(blocks()).schema

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Begin to read the blocks."""
        batches = (batch for table in self._blocks() for batch in table.to_batches())
        reader = pa.RecordBatchReader.from_batches(self._schema, batches)
        return reader.__arrow_c_stream__(requested_schema)
