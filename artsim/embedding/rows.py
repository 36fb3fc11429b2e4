"""The rows of a catalog that was read to a file of the index folder."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class CatalogRows:
    """The catalog's rows in a memory-mapped Arrow file: any of them, at any time."""

    def __init__(self, reader: pa.RecordBatchFileReader) -> None:
        self._reader = reader
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


def text_values(column: pa.ChunkedArray) -> Iterator[str]:
    """Iterate over a text column without holding all of it as Python text; null is empty."""
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else []:
        for value in chunk.to_pylist():
            yield value or ""
