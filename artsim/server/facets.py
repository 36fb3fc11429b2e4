"""Facets: the values of columns, with the number of works of each, for filtering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.datatypes import FieldType
from artsim.errors import EvaluationError
from artsim.search import Condition, Works
from artsim.store import indices

_MOST_VALUES = 2000  # a column with more distinct values is no facet
_SHOWN = 30  # values of a facet
_BARS = 24  # of a histogram, at most
_SIZES = ("width_catalog", "height_catalog")  # as embed renames columns of these names
_LOOKED_AT = 1000  # works, to decide whether a column is the size of pictures
_SAME_SHAPE = 0.02  # of width by height, between a picture and a larger file of it
_MOSTLY = 0.9  # of the works

Counts = list[dict[str, Any]]


_listed: WeakKeyDictionary[Works, list[str]] = WeakKeyDictionary()


def facet_columns(works: Works) -> list[str]:
    """List the columns whose values are shared by works, and those of numbers and years.

    The size of the picture in pixels, and of which work it is, say nothing about the work: they are
    left out.
    """
    if works not in _listed:
        every = (*works.fields, *works.labels)
        no_facets = [name for name, column in works.store.added.items() if column.is_identity]
        no_facets += _SIZES if _are_pixels(works) else ()
        chosen = [name for name in every if name not in no_facets]
        _listed[works] = [name for name in chosen if _is_facet(works, name)]
    return _listed[works]


def count_values(works: Works, conditions: Sequence[Condition]) -> list[dict[str, Any]]:
    """Count the values of every facet over the works that meet the conditions on other columns.

    Returns:
        For a column of text or lists: column, type, values (most frequent first, with counts;
        those of the conditions also without works) and how many more there are. For numbers and
        years: column, type, low and high of all works, and bars: a histogram between these. For
        all: missing, the works without a value.

    Raises:
        SearchError: If a condition does not suit its column.
    """
    found: list[dict[str, Any]] = []
    for name in facet_columns(works):
        facet: dict[str, Any] = {"column": name, "type": str(works.types[name])}
        if works.types[name] in (FieldType.NUMBER, FieldType.YEARS):
            found.append(facet | _histogram(works, name, conditions))
            continue
        counts, missing = _counts(works, name, conditions)
        own = [each.value for each in conditions if each.column == name and each.value is not None]
        chosen = {one for value in own for one in (value if isinstance(value, tuple) else [value])}
        shown = counts[:_SHOWN] + [each for each in counts[_SHOWN:] if each["value"] in chosen]
        known = {each["value"] for each in counts}
        gone = [{"value": value, "count": 0} for value in sorted(map(str, chosen - known))]
        more = {"more": len(counts) - len(shown), "missing": missing}
        found.append(facet | {"values": shown + gone} | more)
    return found


def find_values(
    works: Works, conditions: Sequence[Condition], column: str, containing: str
) -> Counts:
    """Count the values of a column that contain a text, ignoring case; most frequent first.

    Raises:
        SearchError: If the column is unknown, or a condition does not suit its column.
    """
    works.type_of(column)
    wanted = containing.casefold()
    counts, _ = _counts(works, column, conditions)
    return [each for each in counts if wanted in str(each["value"]).casefold()][:_SHOWN]


def names(works: Works) -> list[str]:
    """List the single values of the facets of text, each once."""
    texts = (FieldType.TEXT, FieldType.LIST)
    columns = [name for name in facet_columns(works) if works.types[name] in texts]
    found = (_distinct(works, name)[0].to_pylist() for name in columns)
    return list(dict.fromkeys(str(each) for some in found for each in some))


def _counts(works: Works, name: str, conditions: Sequence[Condition]) -> tuple[Counts, int]:
    """Count the works of each value, and those without one."""
    columns = [table.column(0) for table in works.blocks([name], _others(works, name, conditions))]
    counted = [pc.value_counts(_flat(column)) for column in columns]
    each = pa.concat_tables([pa.table(some.flatten(), ["value", "n"]) for some in counted])
    summed = each.group_by("value").aggregate([("n", "sum")]).select(["value", "n_sum"])
    counts: Counts = summed.rename_columns(["value", "count"]).to_pylist()
    counts.sort(key=lambda each: (-each["count"], each["value"]))
    return counts, sum(column.null_count for column in columns)


def _others(works: Works, name: str, conditions: Sequence[Condition]) -> NDArray[np.int64] | None:
    """Return the rows that meet the conditions on other columns."""
    return works.filter.rows(None, [each for each in conditions if each.column != name])


def _are_pixels(works: Works) -> bool:
    """Return whether width and height of the catalog are those of the pictures, or of larger files.

    Others, such as centimeters of the object, are facets.
    """
    if any(works.types.get(name) != FieldType.NUMBER for name in _SIZES):
        return False
    step = max(1, works.store.rows // _LOOKED_AT)
    rows = list(range(0, works.store.rows, step))
    table = works.take(rows, ["width", "height", *_SIZES])
    own_width, own_height, width, height = (
        np.asarray(pc.cast(table.column(name), pa.float64()), dtype=np.float64)
        for name in ("width", "height", *_SIZES)
    )
    known = (width > 0) & (height > 0) & (own_width > 0) & (own_height > 0)
    if not known.any():
        return False
    shapes = (width[known] / height[known]) / (own_width[known] / own_height[known])
    is_larger = (width >= own_width)[known] & (np.abs(np.log(shapes)) < _SAME_SHAPE)
    is_whole = (width[known] % 1 == 0) & (height[known] % 1 == 0)
    return bool((is_larger & is_whole).mean() >= _MOSTLY)


def _is_facet(works: Works, name: str) -> bool:
    try:
        if works.types[name] in (FieldType.NUMBER, FieldType.YEARS):
            blocks = works.blocks([name])
            return any(table.column(0).null_count < table.num_rows for table in blocks)
        distinct, values = _distinct(works, name)
    except EvaluationError:  # a derived label whose columns are gone
        return False
    return bool(1 < len(distinct) <= _MOST_VALUES and 2 * len(distinct) <= values)


def _distinct(works: Works, name: str) -> tuple[pa.Array, int]:
    """Return the distinct values of a column, and the number of all; too many are not all found."""
    found: pa.Array | None = None
    values = 0
    for table in works.blocks([name]):
        some = _flat(table.column(0))
        values += len(some)
        new = some.unique()
        found = new if found is None else pa.concat_arrays([found, new]).unique()
        if len(found) > _MOST_VALUES:
            break
    return pa.array([]) if found is None else found, values


def _take(column: pa.ChunkedArray, rows: NDArray[np.int64] | None) -> pa.ChunkedArray:
    return column if rows is None else column.take(indices(rows))


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the single values of a column, without missing ones."""
    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    return column.drop_null()


def _histogram(works: Works, name: str, conditions: Sequence[Condition]) -> dict[str, Any]:
    """Return the ends of all numbers, or of years, and how many works there are between them."""
    low = high = works.column(name)
    if pa.types.is_struct(low.type):
        low, high = (pc.struct_field(low, part) for part in ("begin", "end"))
    ends = pc.min(low).as_py(), pc.max(high).as_py()
    if None in ends or ends[0] == ends[1] or not np.isfinite(ends).all():
        return {"low": ends[0], "high": ends[1], "bars": [], "whole": True, "missing": 0}
    some = _take(low, _others(works, name, conditions))
    numbers = np.asarray(some.drop_null(), dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    is_whole = bool(np.all(numbers == np.floor(numbers)))
    bars = min(_BARS, int(ends[1] - ends[0]) + 1) if is_whole else _BARS
    counts, _ = np.histogram(numbers, bins=bars, range=ends)
    found = {"low": ends[0], "high": ends[1], "bars": counts.tolist(), "whole": is_whole}
    return found | {"missing": some.null_count}
