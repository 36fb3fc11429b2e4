"""Rows in memory-mapped files: a catalog that is read once, a column that is large."""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim.datatypes import Catalog
from artsim.errors import ReaderError
from artsim.store.arrow import take_rows
from artsim.store.files import SPOOL, write_errors

_ARRAY = 64 << 20  # bytes of a column that are written together


class CatalogRows:
    """Rows of a catalog, or of one column, in an Arrow file: any of them, at any time."""

    def __init__(self, reader: pa.RecordBatchFileReader) -> None:
        self.schema: pa.Schema = reader.schema
        self._batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        self._sizes = [batch.num_rows for batch in self._batches]

    def __len__(self) -> int:
        return sum(self._sizes)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return sum(batch.nbytes for batch in self._batches)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of all rows."""
        type_ = self.schema.field(name).type
        return pa.chunked_array([batch.column(name) for batch in self._batches], type=type_)

    def take(
        self, positions: Sequence[int] | NDArray[np.int64], columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return rows in the order of their positions, all columns if None."""
        names = self.schema.names if columns is None else columns
        return take_rows(
            lambda number: pa.Table.from_batches([self._batches[number].select(names)]),
            self._sizes,
            positions,
        )


@contextmanager
def spooled(catalog: Catalog, path: Path) -> Iterator[CatalogRows]:
    """Read the catalog once, to a memory-mapped file that is removed when the run ends.

    Raises:
        ReaderError: If the catalog cannot be read.
        StoreError: If the file cannot be written.
    """
    file = path / SPOOL
    try:
        with write_errors(path):
            sink = pa.OSFile(str(file), "wb")
        with sink, pa.ipc.new_file(sink, catalog.schema) as out:
            for batch in _read(catalog):
                with write_errors(path):
                    out.write_batch(batch)
        yield CatalogRows(pa.ipc.open_file(pa.memory_map(str(file))))
    finally:
        with suppress(OSError):
            file.unlink()


def spool_column(field: pa.Field, read: Callable[[], Iterable[pa.Array]]) -> CatalogRows:
    """Copy a column to a file without a name, memory-mapped; to memory if it cannot be written.

    Args:
        field: Its name and type.
        read: Begins to read its values, at each call.
    """

    def write(out: IO[bytes] | pa.NativeFile) -> None:
        schema = pa.schema([field])
        with pa.ipc.new_file(out, schema) as writer:
            for values in _larger(itertools.chain([pa.array([], field.type)], read())):
                writer.write_batch(pa.record_batch([values], schema=schema))

    with suppress(OSError), TemporaryFile(prefix="artsim-") as file:
        write(file)
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return CatalogRows(pa.ipc.open_file(pa.py_buffer(mapped)))
    held = pa.BufferOutputStream()
    write(held)
    return CatalogRows(pa.ipc.open_file(held.getvalue()))


def _larger(arrays: Iterable[pa.Array]) -> Iterator[pa.Array]:
    """Join small arrays: rows in another order are taken from each array that has one of them."""
    waiting, size = list[pa.Array](), 0
    for values in arrays:
        waiting.append(values)
        size += values.nbytes
        if size >= _ARRAY:
            yield pa.concat_arrays(waiting)
            waiting, size = [], 0
    if waiting:
        yield pa.concat_arrays(waiting)


def _read(catalog: Catalog) -> Iterator[pa.RecordBatch]:
    """Read the catalog; a file that cannot be read is the collection's fault, not the index's."""
    try:
        yield from catalog.batches()
    except OSError as error:
        raise ReaderError(
            f"cannot read {str(error.filename or catalog.source)!r}: {error.strerror or error}; "
            "check its disk and permissions"
        ) from error
