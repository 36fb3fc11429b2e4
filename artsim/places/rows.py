"""Pictures in the rows of a Parquet file, read row group by row group."""

from __future__ import annotations

import errno
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from artsim.places.remembered import remembered
from artsim.places.remote import RemotePath

_BATCH_BYTES = 2**23  # of pictures that are read at a time
_MOST_ROWS = 64  # that are read at a time
_WINDOW = 4  # batches that are kept, as threads read rows out of order
_BUFFER = 2**20  # bytes of the file: without one, row groups are read whole


class PictureRows:
    """The pictures of a Parquet file; the member ``image/17`` is row 17 of the column ``image``.

    Columns hold the bytes, or structs of ``bytes`` and ``path`` as Hugging Face writes them. Rows
    are found quickly one after the other, and others by reading their row group up to them.

    Raises:
        OSError: If it cannot be read as Parquet.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._parquet = pq.ParquetFile(
                parquet_source(file), buffer_size=_BUFFER, pre_buffer=False
            )
        except pa.ArrowException as error:
            raise _unreadable(file, error) from error
        metadata = self._parquet.metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        self._starts = np.cumsum([0, *(group.num_rows for group in groups)])  # of row groups
        self._columns = {
            name: _Column(file, self._parquet, name, self._starts)
            for name in picture_columns(self._parquet.schema_arrow)
        }
        self._lock = threading.Lock()

    def has(self, member: str) -> bool:
        """Return whether there is such a row, with or without a picture."""
        name, _, row = member.rpartition("/")
        is_row = row.isascii() and row.isdecimal() and int(row) < self._starts[-1]
        return is_row and name in self._columns

    def size(self, member: str) -> int:
        """Return the bytes of a picture; the first call reads the column."""
        name, row = self._place(member)
        with self._lock:
            return int(self._columns[name].sizes()[row])

    def read(self, member: str) -> bytes:
        """Read the picture of a row."""
        name, row = self._place(member)
        with self._lock:
            data = self._columns[name].read(row)
        if data is None:
            raise FileNotFoundError(errno.ENOENT, "no picture in this row", f"{self.file}/{member}")
        return data

    def _place(self, member: str) -> tuple[str, int]:
        if not self.has(member):
            raise FileNotFoundError(errno.ENOENT, "no such row", f"{self.file}/{member}")
        name, _, row = member.rpartition("/")
        return name, int(row)


class _Column:
    """A column, and the batches of it that were read last."""

    def __init__(
        self, file: Path, parquet: pq.ParquetFile, name: str, starts: NDArray[np.int64]
    ) -> None:
        self._file, self._parquet, self._name, self._starts = file, parquet, name, starts
        self._is_struct = pa.types.is_struct(parquet.schema_arrow.field(name).type)
        self._leaf = f"{name}.bytes" if self._is_struct else name
        self._window: deque[tuple[int, pa.Array]] = deque(maxlen=_WINDOW)  # with their first rows
        self._group = -1  # the row group that is open
        self._next = 0  # row that comes next from it
        self._batches: Iterator[tuple[int, pa.Array]] = iter(())
        self._sizes: NDArray[np.int64] | None = None

    def sizes(self) -> NDArray[np.int64]:
        """Return the bytes of every row, (rows,)."""
        if self._sizes is None:
            known = remembered(self._file, f"sizes of {self._name}", self._read_sizes)
            self._sizes = known["bytes"].to_numpy()
        return self._sizes

    def _read_sizes(self) -> pa.Table:
        found = [
            pc.fill_null(pc.binary_length(batch), 0).cast(pa.int64())
            for group in range(len(self._starts) - 1)
            for _, batch in self._read_group(group)
        ]
        return pa.table({"bytes": pa.chunked_array(found, pa.int64())})

    def read(self, row: int) -> bytes | None:
        for start, batch in self._window:
            if start <= row < start + len(batch):
                return _bytes(batch, row - start)
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        if group != self._group or row < self._next:
            self._group, self._batches = group, self._read_group(group)
        for start, batch in self._batches:
            self._window.append((start, batch))
            self._next = start + len(batch)
            if row < self._next:
                return _bytes(batch, row - start)
        raise OSError(errno.EIO, f"row {row:,} cannot be read", str(self._file))

    def _read_group(self, group: int) -> Iterator[tuple[int, pa.Array]]:
        """Read a row group in batches of some megabytes."""
        start = int(self._starts[group])
        try:
            batches = self._parquet.iter_batches(
                self._rows_at_once(group), row_groups=[group], columns=[self._leaf]
            )
            for batch in batches:
                column = batch.column(0)
                yield start, (pc.struct_field(column, "bytes") if self._is_struct else column)
                start += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self._file, error) from error

    def _rows_at_once(self, group: int) -> int:
        found = self._parquet.metadata.row_group(group)
        columns = (found.column(number) for number in range(found.num_columns))
        size = sum(c.total_uncompressed_size for c in columns if c.path_in_schema == self._leaf)
        average = max(1, size // max(1, found.num_rows))
        return int(max(1, min(_MOST_ROWS, _BATCH_BYTES // average)))


def parquet_source(file: Path) -> Path | IO[bytes]:
    """Return what PyArrow opens: the file, or a stream of ranges of one in a store."""
    return file.open("rb") if isinstance(file, RemotePath) else file.absolute()


def picture_columns(schema: pa.Schema) -> list[str]:
    """List the columns that may hold the bytes of pictures."""
    return [field.name for field in schema if _may_hold_pictures(field.type)]


def _may_hold_pictures(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        names = {member.name: member.type for member in type_}
        return "bytes" in names and names.keys() <= {"bytes", "path"} and _is_bytes(names["bytes"])
    return _is_bytes(type_)


def _is_bytes(type_: pa.DataType) -> bool:
    return bool(pa.types.is_binary(type_) or pa.types.is_large_binary(type_))


def _bytes(batch: pa.Array, place: int) -> bytes | None:
    data: bytes | None = batch[place].as_py()
    return data


def _unreadable(file: Path, error: Exception) -> OSError:
    return OSError(errno.EIO, " ".join(str(error).split())[:200], str(file))
