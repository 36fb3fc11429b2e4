"""What could not be embedded: the list in ``failures.parquet``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from artsim.store.parquet import read_parquet

FAILURES = "failures.parquet"

_FAILURE_COLUMNS = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("image", pa.string()),
        pa.field("stage", pa.string(), nullable=False),  # see `Failure`
        pa.field("reason", pa.string(), nullable=False),
        pa.field("file_bytes", pa.int64()),
        pa.field("file_mtime_ns", pa.int64()),
        pa.field("tried_with", pa.string()),  # what decoding depends on besides the file
        pa.field("chunk", pa.int32(), nullable=False),  # -1: known before any chunk was embedded
    ]
)
_FAILURES = 65_536  # that are Python objects at a time


@dataclass(frozen=True, slots=True)
class Failure:
    """A row of the catalog that could not be embedded, and why."""

    id: str | None
    image: str | None
    stage: str
    reason: str
    file_bytes: int | None = None
    file_mtime_ns: int | None = None
    tried_with: str | None = None
    chunk: int = -1


def failure_table(failures: Iterable[Failure]) -> pa.Table:
    """Return failures as a table."""
    left = iter(failures)
    tables = [_FAILURE_COLUMNS.empty_table()]
    # There may be as many as rows: where all pictures are on the web.
    while some := list(islice(left, _FAILURES)):
        columns = [
            pa.array([getattr(each, field.name) for each in some], field.type)
            for field in _FAILURE_COLUMNS
        ]
        tables.append(pa.Table.from_arrays(columns, schema=_FAILURE_COLUMNS))
    return pa.concat_tables(tables)


def read_failures(path: Path, chunks: int, *, remedy: str) -> pa.Table:
    """Read the list of an index folder; a chunk beyond the first ``chunks`` does not count.

    Raises:
        StoreError: If it is damaged; ``remedy`` says what to do then.
    """
    file = path / FAILURES
    if not file.exists():
        return failure_table([])
    table = read_parquet(file, None, remedy=remedy)
    # A chunk whose part the manifest does not list does not count.
    return table.filter(pa.array(table.column("chunk").to_numpy() < chunks))
