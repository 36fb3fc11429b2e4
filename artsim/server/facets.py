"""Facets: the values of columns, with the number of works of each, for filtering."""

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

_MOST_VALUES = 2000  # a column with more distinct values is no facet
_SHOWN = 30  # values of a facet


def facet_columns(works: Works) -> list[str]:
    """List the columns whose values are shared by works, and those of numbers and years."""
    return [name for name in works.fields if _is_facet(works, name)]


def count_values(works: Works, conditions: Sequence[Condition]) -> list[dict[str, Any]]:
    """Count the values of every facet over the works that meet the conditions on other columns.

    Returns:
        For a column of text or lists: column, type, values (most frequent first, with counts) and
        how many more there are; for numbers and years: column, type, low and high.

    Raises:
        SearchError: If a condition does not suit its column.
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
        counted = pc.value_counts(_flat(_take(column, rows))).to_pylist()
        counts = [{"value": each["values"], "count": each["counts"]} for each in counted]
        counts.sort(key=lambda each: (-each["count"], each["value"]))
        own = [each.value for each in conditions if each.column == name]
        chosen = {one for value in own for one in (value if isinstance(value, tuple) else [value])}
        shown = counts[:_SHOWN] + [each for each in counts[_SHOWN:] if each["value"] in chosen]
        found.append(facet | {"values": shown, "more": len(counts) - len(shown)})
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
    """Return the single values of a column, without missing ones."""
    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    return column.drop_null()


def _ends(column: pa.ChunkedArray) -> dict[str, Any]:
    """Return the least and the greatest number, or the first and the last year."""
    low = high = column
    if pa.types.is_struct(column.type):
        low, high = (pc.struct_field(column, name) for name in ("begin", "end"))
    return {"low": pc.min(low).as_py(), "high": pc.max(high).as_py()}
