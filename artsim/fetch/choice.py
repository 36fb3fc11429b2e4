"""Which rows of a catalog are fetched: those of a condition, some of each class, the first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.errors import FetchError
from artsim.labels import (
    catalog_table,
    columns_meant,
    connect,
    distinct_names,
    encode,
    filtered,
    parse_sql,
    shown,
    time_limit,
)
from artsim.splits import sample_per_class


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which rows; each field narrows what the one before has left."""

    where: str | None = None  # a condition in SQL over the catalog's columns
    per_class: tuple[str, int] | None = None  # column, and rows of each of its values
    limit: int | None = None  # at most so many rows, the first in the catalog's order
    seed: int = 0  # of the random rows of each class


ALL: Choice = Choice()


def choose_rows(table: pa.Table, choice: Choice) -> NDArray[np.int64]:
    """Choose among a catalog's rows that name a picture, and return them sorted.

    In a column of lists a row counts for each of its values, so there can be more than requested
    of the common ones. Rows without a value are in no class.

    Raises:
        FetchError: If the condition cannot be evaluated or the column is not there.
    """
    rows = np.flatnonzero(pc.is_valid(table["image"]).to_numpy())
    if choice.where is not None:
        rows = np.intersect1d(rows, _where(table, choice.where))
    if choice.per_class is not None:
        column, n = choice.per_class
        rows = rows[_per_class(_column(table, column).take(rows), n, choice.seed)]
    return rows[: choice.limit]


def _where(table: pa.Table, condition: str) -> NDArray[np.int64]:
    row = "row"  # numbers the rows; a name that no column has
    while row in map(str.lower, table.column_names):
        row += "_"

    def fault(why: str) -> FetchError:
        return FetchError(
            f"the condition {shown(condition)} cannot be evaluated: {why}; the columns are "
            f"{', '.join(table.column_names)}"
        )

    used = columns_meant(parse_sql(condition).columns, table.column_names, fault)
    renamed = catalog_table(table.rename_columns(distinct_names(table.column_names, used)))
    numbered = renamed.append_column(row, pa.array(np.arange(table.num_rows)))
    connection = connect()
    found = filtered(connection, connection.from_arrow(numbered), condition, fault)
    with time_limit(connection, fault):
        rows = found.select(row).fetchnumpy()[row]
    return np.sort(np.asarray(rows, np.int64))


def _per_class(values: pa.ChunkedArray, n: int, seed: int) -> NDArray[np.int64]:
    rows = np.arange(len(values))
    if pa.types.is_list(values.type):
        rows = pc.list_parent_indices(values).to_numpy()
        values = pc.list_flatten(values)
    if not len(values):
        return rows
    codes = encode(pc.cast(values, pa.string()).to_pylist())[0]
    return np.unique(rows[sample_per_class(codes, n, seed=seed)])


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise FetchError(f"no column {name!r}; the columns are {', '.join(table.column_names)}")
    if pa.types.is_struct(table.schema.field(name).type):
        raise FetchError(f"column {name!r} holds ranges of years, not classes; use --where")
    return table[name]
