"""Rows of text and lists gathered into an Arrow table, a batch at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pyarrow as pa

from artsim.datatypes import FieldType
from artsim.readers.columns import ColumnGuess, convert, field_names
from artsim.readers.nested import Flat
from artsim.readers.years import YEARS

_BATCH = 2048  # rows held as Python values
_LIST = pa.list_(pa.string())


class RowColumns:
    """Gathers rows whose columns come up as they go; what came earlier is null in them."""

    def __init__(self) -> None:
        self.rows = 0
        self._waiting: list[Mapping[str, Flat]] = []
        self._batches: list[dict[str, pa.Array]] = []
        self._names: dict[str, bool] = {}  # whether any value is a list

    def add(self, row: Mapping[str, Flat]) -> None:
        """Add a row."""
        self.rows += 1
        self._waiting.append(row)
        if len(self._waiting) == _BATCH:
            self._flush()

    def table(self, *, years: Collection[str] = (), text: Collection[str] = ()) -> pa.Table:
        """Return id, image and the other columns; numbers are found, columns of nulls left out.

        Columns in ``years`` hold ``BEGIN/END`` and become ranges of years; those in ``text`` stay
        text, though all their values may be numbers.
        """
        self._flush()
        names = [name for name in self._names if name not in ("id", "image")]
        columns = {name: self._column(name) for name in ("id", "image")}
        for name, field in zip(names, field_names(names), strict=True):
            column = self._column(name)
            if column.null_count == len(column):
                continue
            if name in years:
                column = _years(column)
            elif name not in text:
                column = _typed(name, column)
            columns[field] = column
        return pa.table(columns)

    def _flush(self) -> None:
        rows, self._waiting = self._waiting, []
        if not rows:
            return
        batch: dict[str, pa.Array] = {}
        for name in dict.fromkeys(name for row in rows for name in row):
            values = [row.get(name) for row in rows]
            is_list = any(isinstance(value, list) for value in values)
            self._names[name] = self._names.get(name, False) or is_list
            batch[name] = _lists(values) if is_list else pa.array(values, pa.string())
        batch["__rows__"] = pa.nulls(len(rows))
        self._batches.append(batch)

    def _column(self, name: str) -> pa.ChunkedArray:
        """Put the batches of a column together: a list everywhere if it is one anywhere."""
        is_list = self._names.get(name, False)
        type_ = _LIST if is_list else pa.string()
        chunks = []
        for batch in self._batches:
            chunk = batch.get(name)
            if chunk is None:
                chunk = pa.nulls(len(batch["__rows__"]), type_)
            elif is_list and not pa.types.is_list(chunk.type):
                chunk = _lists(chunk.to_pylist())
            chunks.append(chunk)
        return pa.chunked_array(chunks, type_)


def _lists(values: list[Flat]) -> pa.Array:
    return pa.array(
        [
            None if value is None else value if isinstance(value, list) else [value]
            for value in values
        ],
        _LIST,
    )


def _typed(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Find the numbers among the text; lists stay lists."""
    if pa.types.is_list(column.type):
        return column
    guess = ColumnGuess(name)
    for chunk in column.chunks:
        guess.add(chunk)
    decided = guess.decide()
    if FieldType.of(decided.arrow) is FieldType.LIST:  # titles hold bars; records have real lists
        return column
    return pa.chunked_array([convert(chunk, decided) for chunk in column.chunks], decided.arrow)


def _years(column: pa.ChunkedArray) -> pa.Array:
    ends = [
        None if value is None else tuple(map(int, value.split("/"))) for value in column.to_pylist()
    ]
    return pa.array(
        [None if each is None else {"begin": each[0], "end": each[1]} for each in ends], YEARS
    )
