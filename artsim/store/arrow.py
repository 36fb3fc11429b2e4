"""Arrow values without importing pandas.

pa.array, pa.scalar and to_numpy import pandas where it is installed, which takes longer than the
rest of a query by id; these functions do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_TOGETHER = 1000  # texts that are Python's
_SHORT = 2**31 - 1  # bytes of text that 32-bit offsets reach


def indices(
    numbers: Sequence[int] | NDArray[np.int64], valid: NDArray[np.bool_] | None = None
) -> pa.Array:
    """Return whole numbers as Arrow's int64, for `take`; null where they are not valid."""
    buffer = pa.py_buffer(np.ascontiguousarray(numbers, dtype=np.int64))
    bits = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(pa.int64(), len(numbers), [bits, buffer])


def floats(values: pa.Array) -> NDArray[np.float32]:
    """Return an Arrow array of float32 as numpy's, without a copy."""
    return np.from_dlpack(values)  # type: ignore[return-value]  # numpy's stub does not know the type


def large_text(table: pa.Table) -> pa.Table:
    """Give text 64-bit offsets, in lists too: no row of a column above 2 GiB can be taken else.

    The text itself is not copied.
    """
    return table.cast(pa.schema([field.with_type(_large(field.type)) for field in table.schema]))


def joined_lists(lists: pa.Array | pa.ChunkedArray, separator: str) -> pa.Array | pa.ChunkedArray:
    """Join the values of each list; the separator must have their type, which may be large."""
    return pc.binary_join(lists, text_scalar(separator).cast(lists.type.value_type))


def text_hashes(texts: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
    """Hash each text or null, shape (n,), as only this process does; few are Python's at a time."""
    starts = range(0, len(texts), _TOGETHER)
    some = (hash(text) for n in starts for text in texts.slice(n, _TOGETHER).to_pylist())
    return np.fromiter(some, np.int64, len(texts))


def text_scalar(value: str) -> pa.Scalar:
    """Return a text as Arrow's; bytes of a file name that are not UTF-8 stay as they are."""
    data = value.encode("utf-8", "surrogateescape")
    ends = pa.py_buffer(np.array([0, len(data)], dtype=np.int32))
    return pa.Array.from_buffers(pa.string(), 1, [None, ends, pa.py_buffer(data)])[0]


def take_rows(
    read: Callable[[int], pa.Table],
    sizes: Sequence[int],
    rows: Sequence[int] | NDArray[np.int64],
) -> pa.Table:
    """Take rows in the order given; they are numbered through tables of these sizes.

    ``read`` returns a table by its place; each is read once for all of its rows.
    """
    return gather_rows(lambda place, some: read(place).take(indices(some)), sizes, rows)


def gather_rows(
    take: Callable[[int, NDArray[np.int64]], pa.Table],
    sizes: Sequence[int],
    rows: Sequence[int] | NDArray[np.int64],
) -> pa.Table:
    """Take rows as `take_rows` does; ``take`` returns some rows of a table, by its place."""
    if not len(rows):
        return take(0, np.empty(0, dtype=np.int64))
    rows = np.asarray(rows, dtype=np.int64)
    ends = np.cumsum(sizes, dtype=np.int64)
    places = np.searchsorted(ends, rows, side="right")  # (n,) the table of each row
    order = np.argsort(places, kind="stable")
    taken = []
    for some in np.split(order, np.flatnonzero(np.diff(places[order])) + 1):
        place = int(places[some[0]])
        taken.append(take(place, rows[some] - (ends[place] - sizes[place])))
    table = pa.concat_tables(taken)
    if (np.diff(order) > 0).all():
        return table
    if table.nbytes > _SHORT:
        table = large_text(table)
    return table.take(indices(np.argsort(order)))


def _large(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_list(type_) and pa.types.is_string(type_.value_type):
        return pa.list_(pa.large_string())  # however the type names its items
    return pa.large_string() if pa.types.is_string(type_) else type_
