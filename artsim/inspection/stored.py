"""The rows of a catalog in a temporary file, read a column, or a part of one, at a time."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from artsim.readers import no_room
from artsim.store import large_text, take_rows

_PART = 8 * 2**20  # bytes of all columns


class StoredTable:
    """A table of any size, of which a part is in memory. Its text has 64-bit offsets.

    Raises:
        ReaderError: If the temporary folder is full.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        self.schema: pa.Schema = large_text(schema.empty_table()).schema
        self._sizes: list[int] = []
        file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as this
        weakref.finalize(self, file.close)
        try:
            with pq.ParquetWriter(file, _numbered(self.schema), write_statistics=False) as writer:
                for part in _parts(batches, _numbered(schema)):
                    writer.write_table(large_text(part), row_group_size=part.num_rows or 1)
                    self._sizes.append(part.num_rows)
        except OSError as error:
            raise no_room(error) from error
        self._file = pq.ParquetFile(file)

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return sum(self._sizes)

    def part(self, name: str, number: int) -> pa.Array:
        """Return a column in one part of the rows, which is some megabytes."""
        return self._read([name], number).column(0).combine_chunks()

    def parts(self, name: str) -> Iterator[pa.Array]:
        """Yield a column, part by part."""
        for number in range(len(self._sizes)):
            yield self.part(name, number)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a whole column."""
        return pa.chunked_array(list(self.parts(name)), self.schema.field(name).type)

    def take(self, rows: Sequence[int] | NDArray[np.int64], names: Sequence[str]) -> pa.Table:
        """Return columns of some rows, in the order given."""
        return take_rows(lambda number: self._read(names, number), self._sizes, rows)

    def _read(self, names: Sequence[str], number: int) -> pa.Table:
        places = [str(self.schema.get_field_index(name)) for name in names]
        part = self._file.read_row_group(number, columns=places).select(places)
        return part.rename_columns(list(names))


def _numbered(schema: pa.Schema) -> pa.Schema:
    """Name columns by their number: a dot in a name would lead into a struct in Parquet."""
    return pa.schema([field.with_name(str(place)) for place, field in enumerate(schema)])


def _parts(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    some: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        some.append(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
        size += batch.nbytes
        if size >= _PART:
            yield pa.Table.from_batches(some, schema)
            some, size = [], 0
    yield pa.Table.from_batches(some, schema)  # also the only one, without a row
