"""Which rows meet a condition: structured ones for programs, SQL for people.

DuckDB evaluates both over the metadata, in memory or as it is read from the parts, locked so that
it reaches no file, network or other table. Structured conditions become expressions, never SQL
text.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim.datatypes import FieldType
from artsim.errors import SearchError
from artsim.labels import (
    Parsed,
    catalog_table,
    columns_meant,
    connect,
    distinct_names,
    filtered,
    parse_sql,
    quoted,
    reason,
    shown,
    time_limit,
)
from artsim.search.metadata import RowStream
from artsim.store import indices

_REMEMBERED = 32  # filters whose rows are kept: 8 bytes per row each
_LIMIT = 2**127  # DuckDB holds no larger whole numbers

Value = str | int | float


class Op(StrEnum):
    """How a column is compared.

    Where a work has several values, EQUAL, IN and CONTAINS are met if any value meets them, their
    opposites if none does. A range of years is EQUAL to each of its years, and LESS than a year
    if it ends before it.
    """

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    IN = "in"  # several values
    NOT_IN = "not in"
    BETWEEN = "between"  # two values, both included; a range of years need only touch it
    CONTAINS = "contains"  # part of a text, ignoring case
    KNOWN = "known"  # takes no value
    MISSING = "missing"
    AMONG = "among"  # rows that were found some other way; see `among`


_ORDERED = (Op.LESS, Op.AT_MOST, Op.MORE, Op.AT_LEAST, Op.BETWEEN)
_SEVERAL = (Op.IN, Op.NOT_IN, Op.BETWEEN)
_IMPOSSIBLE = {  # by the type of the column
    FieldType.TEXT: (),
    FieldType.NUMBER: (Op.CONTAINS,),
    FieldType.LIST: _ORDERED,
    FieldType.YEARS: (Op.CONTAINS, Op.IN, Op.NOT_IN),
}


@dataclass(frozen=True)
class Condition:
    """A column, a comparison and its value; never met by a missing value."""

    column: str
    op: Op
    value: Value | tuple[Value, ...] | bytes | None = None


def among(rows: NDArray[np.int64]) -> Condition:
    """Return the condition to be one of some distinct rows of the index, shape (n,)."""
    return Condition("", Op.AMONG, np.sort(rows).astype(np.int64).tobytes())


class RowFilter:
    """Finds the rows of a table that meet conditions. Safe to use from several threads.

    Args:
        types: The types of the columns.
        blocks: Yields columns of all rows, in order.
        is_in_memory: Whether they are one block, which is in memory.
    """

    def __init__(
        self,
        types: Mapping[str, FieldType],
        blocks: Callable[[Sequence[str]], Iterator[pa.Table]],
        *,
        is_in_memory: bool,
    ) -> None:
        self._types = types
        self._blocks = blocks
        self._is_in_memory = is_in_memory
        self._row = "row"  # the column of row numbers; no other has its name
        while self._row in map(str.lower, types):
            self._row += "_"
        self._unknown: dict[str, int] = {}  # rows without a value, by column
        self._lock = threading.Lock()  # a connection runs one query at a time
        self._remembered = lru_cache(_REMEMBERED)(self._find)

    def rows(self, where: str | None, conditions: Sequence[Condition]) -> NDArray[np.int64] | None:
        """Return the rows that meet all conditions, in order; None if there are no conditions.

        Raises:
            SearchError: If a condition cannot be read, or names an unknown column.
        """
        by_column = tuple(each for each in conditions if not isinstance(each.value, bytes))
        rows = None
        if where is not None or by_column:
            with self._lock:
                rows = self._remembered(where, by_column)
        for each in conditions:
            if isinstance(each.value, bytes):
                chosen = np.frombuffer(each.value, np.int64)
                rows = chosen if rows is None else np.intersect1d(rows, chosen, assume_unique=True)
        return rows

    def unknown(self, where: str | None, conditions: Sequence[Condition]) -> dict[str, int]:
        """Count the rows without a value in each column that conditions compare; none meets them.

        Columns with a value in each row are left out, and those of an SQL condition on null.
        """
        names = [each.column for each in conditions if each.op not in (Op.KNOWN, Op.MISSING)]
        if where is not None and "null" not in where.lower():
            fault = partial(self._unreadable, where)
            names += columns_meant(parse_sql(where).columns, list(self._types), fault)
        names = [name for name in dict.fromkeys(names) if name in self._types]
        with self._lock:
            new = [name for name in names if name not in self._unknown]
            counts = dict.fromkeys(new, 0)
            for table in self._read(new) if new else ():
                for name in new:
                    counts[name] += table.column(name).null_count
            self._unknown |= counts
        return {name: count for name in names if (count := self._unknown[name])}

    @cached_property
    def _connection(self) -> Any:
        return connect()

    def _find(self, where: str | None, conditions: tuple[Condition, ...]) -> NDArray[np.int64]:
        import duckdb

        fault = partial(self._unreadable, where or "")
        parsed = parse_sql(where) if where is not None else Parsed()
        used = columns_meant(parsed.columns, [*self._types, self._row], fault)
        needed = [*used, *(condition.column for condition in conditions)]
        if "STAR" in parsed.classes:
            needed = [*self._types]
        columns = [*(name for name in self._types if name in needed), self._row]
        # DuckDB ignores the case of names.
        names = dict(zip(columns, distinct_names(columns, used), strict=True))
        found = self._connection.from_arrow(self._source(names))
        for condition in conditions:
            try:
                found = found.filter(self._expression(condition, names))
            except duckdb.Error as error:  # a value such as text that is not Unicode
                raise SearchError(
                    f"{condition.column!r} cannot be compared with {condition.value!r} "
                    f"({reason(error)}); give another value"
                ) from error
        if where is not None:
            found = filtered(self._connection, found, where, fault)
        # Some values fail only now, such as text that is cast to a number.
        with time_limit(self._connection, fault):
            rows = found.select(self._row).fetchnumpy()[self._row]
        rows = np.sort(np.asarray(rows, dtype=np.int64))
        rows.flags.writeable = False  # callers share it
        return rows

    def _source(self, names: Mapping[str, str]) -> pa.Table | RowStream:
        """Return columns for DuckDB, which knows them by the names given."""
        own = [name for name in names if name != self._row]

        def blocks() -> Iterator[pa.Table]:
            for table in self._read(own):
                yield table.select(list(names)).rename_columns(list(names.values()))

        return next(blocks()) if self._is_in_memory else RowStream(blocks)

    def _read(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns as conditions see them, with the numbers of their rows."""
        start = 0
        for table in self._blocks(names or ["id"]):
            numbers = np.arange(start, start + table.num_rows)
            yield catalog_table(table).append_column(self._row, indices(numbers))
            start += table.num_rows

    def _unreadable(self, text: str, why: str) -> SearchError:
        listed = f"the columns are {self._columns}"
        return SearchError(f"cannot read {shown(text)} as a condition ({why}); {listed}")

    @property
    def _columns(self) -> str:
        return quoted(list(self._types))

    def _expression(self, condition: Condition, names: Mapping[str, str]) -> Any:
        """Turn a condition into an expression of DuckDB, which knows the columns by these names."""
        kind = self._types.get(condition.column)
        if kind is None:
            raise SearchError(f"no column {condition.column!r}; choose from {self._columns}")
        if condition.op == Op.AMONG or condition.op in _IMPOSSIBLE[kind]:
            raise SearchError(
                f"{condition.column!r} is of type {kind} and cannot be compared with "
                f"{condition.op.value!r}"
            )
        from duckdb import ColumnExpression

        column = ColumnExpression(names[condition.column])
        if condition.op in (Op.KNOWN, Op.MISSING):
            return column.isnotnull() if condition.op == Op.KNOWN else column.isnull()
        values = _values(condition, kind)
        if kind == FieldType.LIST:
            return _of_list(column, condition.op, values)
        if kind == FieldType.YEARS:
            return _of_years(column, condition.op, values)
        return _of_value(column, column, condition.op, values)


def _values(condition: Condition, kind: FieldType) -> list[Value]:
    """Check the number and the types of the values that a column is compared with."""
    given = condition.value
    is_list = isinstance(given, tuple | list)
    values: list[Any] = list(given) if isinstance(given, tuple | list) else [given]
    what = f"{condition.column!r} {condition.op.value}"
    if is_list != (condition.op in _SEVERAL):
        expected = "a list of values" if condition.op in _SEVERAL else "one value"
        raise SearchError(f"{what} takes {expected}, got {given!r}")
    if condition.op == Op.BETWEEN and len(values) != 2:
        raise SearchError(f"{what} takes two values, got {len(values)}")
    if not values:
        raise SearchError(f"{what} takes one value or more, got none")
    for value in values:
        if kind in (FieldType.NUMBER, FieldType.YEARS):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not abs(value) < _LIMIT:  # NaN is not, either
                raise SearchError(f"{what} takes a number, got {value!r}")
        elif not isinstance(value, str):
            raise SearchError(f"{what} takes text, got {value!r}")
    return values


def _of_value(low: Any, high: Any, op: Op, values: list[Value]) -> Any:
    """Compare values, or ranges from low to high."""
    from duckdb import ConstantExpression, FunctionExpression

    constants = list(map(ConstantExpression, values))
    if op in (Op.IN, Op.NOT_IN):
        return low.isin(*constants) if op == Op.IN else low.isnotin(*constants)
    if op == Op.CONTAINS:
        text, wanted = (FunctionExpression("lower", each) for each in (low, constants[0]))
        return FunctionExpression("contains", text, wanted)
    first, last = constants[0], constants[-1]
    touches = (low <= last) & (high >= first)
    compared: dict[Op, Any] = {
        Op.EQUAL: touches,
        Op.BETWEEN: touches,
        Op.UNEQUAL: ~touches,
        Op.LESS: high < first,
        Op.AT_MOST: high <= first,
        Op.MORE: low > first,
        Op.AT_LEAST: low >= first,
    }
    return compared[op]


def _of_years(column: Any, op: Op, values: list[Value]) -> Any:
    import duckdb

    begin, end = (
        duckdb.FunctionExpression("struct_extract", column, duckdb.ConstantExpression(name))
        for name in ("begin", "end")
    )
    low, high = duckdb.CoalesceOperator(begin, end), duckdb.CoalesceOperator(end, begin)
    return _of_value(low, high, op, values)


def _of_list(column: Any, op: Op, values: list[Value]) -> Any:
    import duckdb

    if op == Op.CONTAINS:
        separator = duckdb.ConstantExpression("\x1f")  # no value holds it
        text = duckdb.FunctionExpression("array_to_string", column, separator)
        return _of_value(text, text, op, values)
    wanted = duckdb.FunctionExpression("list_value", *map(duckdb.ConstantExpression, values))
    any_ = duckdb.FunctionExpression("list_has_any", column, wanted)
    return any_ if op in (Op.EQUAL, Op.IN) else ~any_
