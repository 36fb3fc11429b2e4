"""Rows gathered into batches that are small in memory, however long their texts are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypeVar

import pyarrow.parquet as pq

BATCH_ROWS = 8192  # rows a record batch, at most
BATCH_BYTES = 16 << 20  # of text; a batch has a row more than fits, so one at least

T = TypeVar("T")


def batched(
    rows: Iterable[T], size: Callable[[T], int], most: int = BATCH_ROWS
) -> Iterator[list[T]]:
    """Yield ``most`` rows at a time, or fewer where they are large; ``size`` measures one."""
    some: list[T] = []
    total = 0
    for row in rows:
        some.append(row)
        total += size(row)
        if len(some) == most or total >= BATCH_BYTES:
            yield some
            some, total = [], 0
    if some:
        yield some


def rows_of_parquet(parquet: pq.ParquetFile, columns: Collection[str]) -> int:
    """Return how many rows of these columns a batch may have, by the row group that needs most."""
    footer, rows = parquet.metadata, BATCH_ROWS
    for group in map(footer.row_group, range(footer.num_row_groups)):
        leaves = map(group.column, range(group.num_columns))
        size = sum(
            leaf.total_uncompressed_size
            for leaf in leaves
            if leaf.path_in_schema.partition(".")[0] in columns
        )
        rows = min(rows, BATCH_BYTES * group.num_rows // max(size, 1))
    return max(rows, 1)
