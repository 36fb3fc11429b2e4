"""The rows of a catalog, read once to a file of the index folder and then taken from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim.datatypes import Catalog
from artsim.errors import ReaderError, StoreError
from artsim.store import SPOOL

__all__ = ["CatalogRows", "spooled", "text_values"]


class CatalogRows:
    """The catalog's rows in a memory-mapped Arrow file: any of them, at any time."""

    def __init__(self, file: Path) -> None:
        self._reader = pa.ipc.open_file(pa.memory_map(str(file)))
        self.schema: pa.Schema = self._reader.schema
        sizes = [self._reader.get_batch(i).num_rows for i in range(self._reader.num_record_batches)]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of all rows."""
        batches = (self._reader.get_batch(i) for i in range(self._reader.num_record_batches))
        type_ = self.schema.field(name).type
        return pa.chunked_array([batch.column(name) for batch in batches], type=type_)

    def take(self, positions: NDArray[np.int64]) -> pa.Table:
        """Return rows in the order of their positions."""
        numbers = np.searchsorted(self._starts, positions, side="right") - 1
        tables = [self.schema.empty_table()]
        # Consecutive positions of one batch are taken together, so the order stays.
        for run in np.split(np.arange(len(positions)), np.flatnonzero(np.diff(numbers)) + 1):
            if len(run):
                batch = self._reader.get_batch(int(numbers[run[0]]))
                inside = positions[run] - self._starts[numbers[run[0]]]
                tables.append(pa.Table.from_batches([batch]).take(inside))
        return pa.concat_tables(tables)


@contextmanager
def spooled(catalog: Catalog, path: Path) -> Iterator[CatalogRows]:
    """Read the catalog once, to a file in the index folder that goes when the run ends."""
    file = path / SPOOL
    try:
        with _write_errors(path):
            sink = pa.OSFile(str(file), "wb")
        with sink, pa.ipc.new_file(sink, catalog.schema) as out:
            for batch in _read(catalog):
                with _write_errors(path):
                    out.write_batch(batch)
        rows = CatalogRows(file)
        if not len(rows):
            raise ReaderError(f"{str(catalog.source)!r} lists no picture; nothing to embed")
        yield rows
    finally:
        with suppress(OSError):
            file.unlink()


def _read(catalog: Catalog) -> Iterator[pa.RecordBatch]:
    """Read the catalog; a file that cannot be read is the collection's fault, not the index's."""
    try:
        yield from catalog.batches()
    except OSError as error:
        raise ReaderError(
            f"cannot read {str(error.filename or catalog.source)!r}: {error.strerror or error}; "
            "check its disk and permissions"
        ) from error


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write {str(path)!r}: {error.strerror or error}; make room or choose "
            "another folder with -o"
        ) from error


def text_values(column: pa.ChunkedArray) -> Iterator[str]:
    """Iterate over a text column without holding all of it as Python text; null is empty."""
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else []:
        for value in chunk.to_pylist():
            yield value or ""
