"""The values of columns with how many works have each: by which a visitor can filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.datatypes import FieldType
from artsim.search import Condition, Works
from artsim.store import indices

_MOST_VALUES = 2000  # a column with more distinct ones is no facet
_SHOWN = 30  # values of a facet


def facet_columns(works: Works) -> list[str]:
    """List the columns whose values works share, and those of numbers and years."""
    return [name for name in works.fields if _is_facet(works, name)]


def count_values(works: Works, conditions: Sequence[Condition]) -> list[dict[str, Any]]:
    """Count the values of every facet over the works that meet the conditions on other columns.

    Returns:
        For a column of text or lists: column, type, values (most frequent first, with counts) and
        how many more there are; for numbers and years: column, type, low and high.

    Raises:
        SearchError: If a condition cannot be met by its column.
    """
    found: list[dict[str, Any]] = []
    for name in facet_columns(works):
        others = [condition for condition in conditions if condition.column != name]
        rows = works.filter.rows(None, others)
        column = works.table.column(name)
        facet: dict[str, Any] = {"column": name, "type": str(works.types[name])}
        if works.types[name] in (FieldType.NUMBER, FieldType.YEARS):
            found.append(facet | _ends(_take(column, rows)))
            continue
        counted = pc.value_counts(_flat(_take(column, rows)))
        pairs = sorted(
            ((pair["values"], pair["counts"]) for pair in counted.to_pylist()),
            key=lambda pair: (-pair[1], pair[0]),
        )
        own = [each.value for each in conditions if each.column == name]
        chosen = {one for value in own for one in (value if isinstance(value, tuple) else [value])}
        shown = pairs[:_SHOWN] + [pair for pair in pairs[_SHOWN:] if pair[0] in chosen]
        found.append(
            facet
            | {
                "values": [{"value": value, "count": count} for value, count in shown],
                "more": len(pairs) - len(shown),
            }
        )
    return found


def _is_facet(works: Works, name: str) -> bool:
    column = works.table.column(name)
    if works.types[name] in (FieldType.NUMBER, FieldType.YEARS):
        return bool(column.null_count < len(column))
    values = _flat(column)
    distinct: int = pc.count_distinct(values).as_py()
    return bool(1 < distinct <= _MOST_VALUES and 2 * distinct <= len(values))


def _take(column: pa.ChunkedArray, rows: NDArray[np.int64] | None) -> pa.ChunkedArray:
    return column if rows is None else column.take(indices(rows))


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The single values of a column, without what is missing."""
    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    return column.drop_null()


def _ends(column: pa.ChunkedArray) -> dict[str, Any]:
    """The least and the greatest number, or the first and the last year."""
    low = high = column
    if pa.types.is_struct(column.type):
        low, high = (pc.struct_field(column, name) for name in ("begin", "end"))
    return {"low": pc.min(low).as_py(), "high": pc.max(high).as_py()}
