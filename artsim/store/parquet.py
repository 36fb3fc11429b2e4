"""Parquet files with checksums: of every page, which Parquet itself knows, and of the footer.

The footer's stands before the footer, where no Parquet reader looks. Files of an older artsim have
none and are read as before.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from artsim.errors import ShortageError, StoreError, shortage_of
from artsim.store.checksums import cannot_read_now

DAMAGED = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, EOFError, MemoryError)

_SEAL = b"footer sha256: "
_ENDS = 8  # bytes after the footer: its length and PAR1


def write_parquet(stream: IO[bytes], table: pa.Table, **options: Any) -> None:
    """Write a table, with options of `pyarrow.parquet.write_table`, to an empty stream."""
    written = pa.BufferOutputStream()
    options = {"compression": "zstd", **options}
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
    try:
        is_sealed = has_checksums(file)
        with pq.ParquetFile(file, memory_map=True, page_checksum_verification=True) as parquet:
            table = parquet.read(columns=None if columns is None else list(columns))
        if columns is not None and table.num_columns != len(columns):
            missing = ", ".join(set(columns) - set(table.column_names))
            raise ValueError(f"no column {missing}")
        if rows not in (None, table.num_rows):
            raise ValueError(f"{table.num_rows:,} rows instead of {rows:,}")
        if not is_sealed:
            table.validate(full=True)
    except FileNotFoundError as error:
        raise StoreError(f"{str(file)!r} is missing; {remedy}") from error
    except DAMAGED as error:
        if isinstance(error, OSError) and shortage_of(error):
            raise ShortageError(cannot_read_now(file, error)) from error
        problem = (str(error) or type(error).__name__).splitlines()[0]
        raise StoreError(f"{str(file)!r} is damaged ({problem}); {remedy}") from error
    return table


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
