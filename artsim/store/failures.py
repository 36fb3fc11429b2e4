"""The rows of a catalog that could not be embedded, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

_COLUMNS = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("image", pa.string()),
        pa.field("stage", pa.string(), nullable=False),  # catalog, read, decode, forward, vector
        pa.field("reason", pa.string(), nullable=False),
        pa.field("file_bytes", pa.int64()),
        pa.field("file_mtime_ns", pa.int64()),
        pa.field("tried_with", pa.string()),  # what decoding depends on besides the file
        pa.field("chunk", pa.int32(), nullable=False),  # -1: known before any chunk was embedded
    ]
)


@dataclass(frozen=True)
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


def failure_table(failures: Sequence[Failure]) -> pa.Table:
    """Return failures as a table."""
    return pa.Table.from_pylist([asdict(each) for each in failures], schema=_COLUMNS)
