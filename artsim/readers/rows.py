"""Rows of text and lists gathered into an Arrow table, a batch at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import islice

import pyarrow as pa

from artsim.datatypes import FieldType
from artsim.readers.columns import ColumnGuess, convert, declared_types, field_names
from artsim.readers.missing import null_words
from artsim.readers.nested import Flat
from artsim.readers.options import ReaderOptions
from artsim.readers.years import YEARS

Row = Mapping[str, Flat]

_BATCH = 2048  # rows held as Python values
_LIST = pa.list_(pa.string())
_KEYS = ("id", "image")


def table_of(
    rows: Iterable[Row],
    options: ReaderOptions,
    *,
    years: Collection[str] = (),
    types: Mapping[str, str] | None = None,
    lists: Collection[str] = (),
    optional: Collection[str] = (),
    splits: bool = False,
) -> pa.Table:
    """Return id, image and the other columns, in the order in which they first appear.

    A column is a list if any of its values is; numbers are found.

    Args:
        rows: Those with other columns than the first ones are null in these.
        options: Types and words for no value, as the user names them.
        years: Columns that hold ``BEGIN/END`` and become ranges of years.
        types: The types of some columns, which are not looked for in their values.
        lists: Columns that are lists, and are there, whatever they hold.
        optional: Columns that are left out where no row has a value.
        splits: Whether text is split into lists where it is written as such, ``a|b``.

    Raises:
        ReaderError: If a type is of no column, or is none.
    """
    is_list = dict.fromkeys(_KEYS, False)  # by column
    batches = []
    rows = iter(rows)
    while some := list(islice(rows, _BATCH)):
        batch = {}
        for name in dict.fromkeys(name for row in some for name in row):
            values = [row.get(name) for row in some]
            has_lists = name in lists or any(isinstance(value, list) for value in values)
            is_list[name] = is_list.get(name, False) or has_lists
            batch[name] = _array(values, has_lists)
        batches.append(pa.table(batch))
    fields = (*_KEYS, *field_names([name for name in is_list if name not in _KEYS]))
    known = {**(types or {}), **declared_types("the collection", is_list, options.types)}
    columns = {}
    for name, field in zip(is_list, fields, strict=True):
        column = _joined(batches, name, _LIST if is_list[name] else pa.string())
        is_object = any(other.startswith(f"{name}.") for other in is_list)  # missing somewhere
        if (name in optional or is_object) and column.null_count == len(column):
            continue
        if name in years:
            columns[field] = _years(column)
        elif name in _KEYS or is_list[name]:
            columns[field] = column
        else:
            declared = FieldType(known[name]) if name in known else None
            guess = ColumnGuess(name, declared=declared, null=null_words(options.null))
            columns[field] = _typed(column, guess, splits or declared is not None)
    return pa.table(columns)


def _array(values: Iterable[Flat], is_list: bool) -> pa.Array:
    if not is_list:
        return pa.array(values, pa.string())
    return pa.array([[each] if isinstance(each, str) else each or None for each in values], _LIST)


def _joined(batches: list[pa.Table], name: str, type_: pa.DataType) -> pa.ChunkedArray:
    """Put the batches of a column together: a list everywhere if it is one anywhere."""
    chunks: list[pa.Array] = []
    for batch in batches:
        if name not in batch.column_names:
            chunks.append(pa.nulls(batch.num_rows, type_))
        elif batch[name].type == type_:
            chunks += batch[name].chunks
        else:
            chunks.append(_array(batch[name].to_pylist(), True))
    return pa.chunked_array(chunks, type_)


def _typed(column: pa.ChunkedArray, guess: ColumnGuess, splits: bool) -> pa.ChunkedArray:
    """Find the numbers among the text, and with ``splits`` the lists: titles hold bars too."""
    for chunk in column.chunks:
        guess.add(chunk)
    decided = guess.decide()
    if FieldType.of(decided.arrow) is FieldType.LIST and not splits:
        return column
    return pa.chunked_array([convert(chunk, decided) for chunk in column.chunks], decided.arrow)


def _years(column: pa.ChunkedArray) -> pa.Array:
    ends = [value and tuple(map(int, value.split("/"))) for value in column.to_pylist()]
    return pa.array([each and {"begin": each[0], "end": each[1]} for each in ends], YEARS)
