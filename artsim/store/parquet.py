"""Parquet files with checksums: of every page, which Parquet itself knows, and of the footer.

The footer's stands before the footer, where no Parquet reader looks. Files of an older artsim have
none and are read as before.
"""

from __future__ import annotations

import hashlib
import io
import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from artsim.datatypes import shown_path
from artsim.errors import ShortageError, StoreError, shortage_of
from artsim.store.arrow import gather_rows, indices, text_scalar
from artsim.store.checksums import cannot_read_now

DAMAGED = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, EOFError, MemoryError)

GROUP_ROWS = 8192  # that are read together where a few rows of a large file are wanted

_SEAL = b"footer sha256: "
_LEAST = 64 << 20  # bytes of memory that reading a small file may take
_ENDS = 8  # bytes after the footer: its length and PAR1


def write_parquet(stream: IO[bytes], table: pa.Table, **options: Any) -> None:
    """Write a table, with options of `pyarrow.parquet.write_table`, to an empty stream."""
    written = pa.BufferOutputStream()
    options = {"compression": "zstd", "row_group_size": GROUP_ROWS, **options}
    pq.write_table(table, written, write_page_checksum=True, **options)
    data = memoryview(written.getvalue())
    footer = len(data) - _ENDS - int.from_bytes(data[-_ENDS:-4], "little")
    stream.write(data[:footer])
    stream.write(_SEAL + hashlib.sha256(data[footer:]).digest())
    stream.write(data[footer:])


def read_parquet(
    file: Path, columns: Sequence[str] | None, *, remedy: str, rows: int | None = None
) -> pa.Table:
    """Read columns of a file that the index has, all if None.

    Raises:
        StoreError: If it is missing or damaged, or has another number of rows; ``remedy`` says
            what to do then.
    """
    with _problems(file, remedy):
        try:
            return _read(file, columns, rows)
        except MemoryError:  # also Arrow's, for a damaged page that claims to be huge
            if not _has_room(file):
                raise
            return _read(file, columns, rows)


def parquet_batches(file: Path, columns: Sequence[str], *, remedy: str) -> Iterator[pa.RecordBatch]:
    """Read columns of a file in batches.

    Raises:
        StoreError: If it is missing or damaged; ``remedy`` says what to do then.
    """
    with _problems(file, remedy):
        is_sealed = has_checksums(file)
        with _opened(file) as parquet:
            parquet.schema_arrow.empty_table().select(list(columns))  # they are there
            for batch in parquet.iter_batches(GROUP_ROWS, columns=list(columns)):
                if not is_sealed:
                    batch.validate(full=True)
                yield batch


def take_parquet(
    file: Path, columns: Sequence[str], rows: NDArray[np.int64], *, remedy: str
) -> pa.Table:
    """Read columns of some rows of a file, in the order given; only groups that have one are read.

    Raises:
        StoreError: If it is missing or damaged; ``remedy`` says what to do then.
    """
    with _problems(file, remedy), _opened(file) as parquet:
        groups = [parquet.metadata.row_group(g).num_rows for g in range(parquet.num_row_groups)]

        def take(group: int, some: NDArray[np.int64]) -> pa.Table:
            read = _checked(parquet.read_row_group(group, list(columns)), columns)
            return read.take(indices(some))

        return gather_rows(take, groups, rows)


def find_parquet(file: Path, column: str, value: str, *, remedy: str) -> int | None:
    """Return the first row that has a text in a column; groups that cannot have it are not read.

    Raises:
        StoreError: If it is missing or damaged; ``remedy`` says what to do then.
    """
    wanted, start = text_scalar(value), 0
    with _problems(file, remedy), _opened(file) as parquet:
        place = parquet.schema_arrow.names.index(column)
        for number in range(parquet.num_row_groups):
            group = parquet.metadata.row_group(number)
            if _may_have(group.column(place), value):
                read = _checked(parquet.read_row_group(number, [column]), [column])
                found = pc.index(read.column(0), wanted).as_py()
                if found >= 0:
                    return start + int(found)
            start += group.num_rows
    return None


def _may_have(chunk: Any, value: str) -> bool:
    """Return whether a text may be in a chunk of a column, by its least and its greatest value."""
    try:
        known = chunk.statistics
        return known is None or not known.has_min_max or known.min <= value <= known.max
    except UnicodeDecodeError:  # names of files in other encodings
        return True


@contextmanager
def _problems(file: Path, remedy: str) -> Iterator[None]:
    """Turn what goes wrong while a file is read into one error that says what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise StoreError(f"{shown_path(file)!r} is missing; {remedy}") from error
    except DAMAGED as error:
        is_short = isinstance(error, OSError) and shortage_of(error)
        if is_short or (isinstance(error, MemoryError) and not _has_room(file)):
            raise ShortageError(cannot_read_now(file, error)) from error
        problem = (str(error) or type(error).__name__).splitlines()[0]
        raise StoreError(f"{shown_path(file)!r} is damaged ({problem}); {remedy}") from error


def _read(file: Path, columns: Sequence[str] | None, rows: int | None) -> pa.Table:
    is_sealed = has_checksums(file)
    with _opened(file) as parquet:
        table = _checked(parquet.read(columns=None if columns is None else list(columns)), columns)
    if rows not in (None, table.num_rows):
        raise ValueError(f"{table.num_rows:,} rows instead of {rows:,}")
    if not is_sealed:
        table.validate(full=True)
    return table


def _opened(file: Path) -> pq.ParquetFile:
    return pq.ParquetFile(file.absolute(), memory_map=True, page_checksum_verification=True)


def _checked(table: pa.Table, columns: Sequence[str] | None) -> pa.Table:
    if columns is not None and table.num_columns != len(columns):
        missing = ", ".join(set(columns) - set(table.column_names))
        raise ValueError(f"no column {missing}")
    return table


def _has_room(file: Path) -> bool:
    """Return whether there is memory for all that a file has, by a footer whose checksum matches.

    If so, and it cannot be read for want of memory, a page claims more than there is: damage.
    """
    try:
        if not has_checksums(file):
            return False
        with pq.ParquetFile(file.absolute(), memory_map=True) as parquet:
            footer = parquet.metadata
            groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
        mmap.mmap(-1, _LEAST + 2 * sum(group.total_byte_size for group in groups)).close()
    except DAMAGED:
        return False
    return True


def has_checksums(file: Path) -> bool:
    """Return whether a file was written with checksums, that of its footer compared.

    Raises:
        ValueError: If the footer is damaged.
    """
    with file.open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(max(size - _ENDS, 0))
        length = int.from_bytes(stream.read(4), "little") + _ENDS
        start = size - length - len(_SEAL) - hashlib.sha256().digest_size
        if start < 0:
            return False
        stream.seek(start)
        if stream.read(len(_SEAL)) != _SEAL:
            return False
        written = stream.read(hashlib.sha256().digest_size)
        if hashlib.sha256(stream.read()).digest() != written:
            raise ValueError("the checksum of its footer does not match")
    return True
