"""The map of an index for the page: points, colors, and names of groups of neighbors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.datatypes import FieldType
from artsim.errors import EvaluationError
from artsim.report import are_ordered, class_names, in_order
from artsim.search import Works
from artsim.server.facets import facet_columns
from artsim.store import indices

_CLASSES = 16  # with a color of their own
_SHADES = 255  # of numbers
_OTHER = -2  # a value without a color
_CENTURY = "century of "  # a column of years
_CENTURIES = "century"  # as the page calls those of a single column
_NUMBERS = (FieldType.NUMBER, FieldType.YEARS)
_GROUPS = range(4, 17)  # groups of neighbors, fewest and most
_FITTED = 20_000  # points that groups are fitted to
_LEAST = 3  # works of a group that share its name
_BARE = ("yes", "no", "true", "false")
_SHARE = 0.3  # of a group that shares its name, at least
_LIFT = 2.0  # how many times as frequent as in the collection

Points = NDArray[np.float32]
Rows = NDArray[np.int64]


def inside(points: Points, corners: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Return whether points, shape (N, 2), are in an area with these corners: even-odd rule."""
    x, y = points[:, 0], points[:, 1]
    found = np.zeros(len(points), dtype=bool)
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], *corners[:1]], strict=True):
        crosses = (y1 > y) != (y2 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            found ^= crosses & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return found


def colorings(works: Works) -> list[str]:
    """Name what a map can be colored by: columns whose values differ and are shared, centuries.

    A single column of years has its centuries under a name that a column of the index may have:
    then they are left out.
    """
    found, centuries = [], []
    for name in facet_columns(works):
        is_number = works.types[name] in _NUMBERS
        if is_number and pc.count_distinct(_numbers(works.column(name))).as_py() < 2:
            continue
        found.append(name)
        if name in works.year_columns:
            centuries.append(_CENTURY + name)
            found.append(centuries[-1])
    if len(centuries) == 1 and _CENTURIES in map(str.casefold, found):
        found.remove(centuries[0])
    return found


def color_by(
    works: Works, name: str, rows: Rows, met: NDArray[np.bool_] | None = None
) -> dict[str, Any]:
    """Return the color of some works by a column, a label or "century of" a column of years.

    Args:
        works: The works of the index.
        name: Of the column.
        rows: The works, shape (N,).
        met: Which of them are counted, shape (N,); None: all.

    Returns:
        values: for each row a class, or a shade from 0 (low) to 255 (high); -1 where there is no
        value, -2 where it is none of the classes. classes: The names of the most frequent values.
        others: How many more values there are. ordered: Whether they are numbers, from low to high.
        low, high: The ends of numbers or years, else None. ends: What these are called.

    Raises:
        EvaluationError: If there is no such column.
    """
    of = name.removeprefix(_CENTURY)
    if name not in works.types and of != name and of in works.year_columns:
        years = _numbers(works.column(of).take(indices(rows)))
        # Away from 0, as century() in SQL: 400 BCE is in the 4th century before Christ.
        found = pc.round(pc.divide(years, 100.0), round_mode="towards_infinity")
        centuries = pc.if_else(pc.equal(found, 0), None, found)
        return _classes("century", pc.cast(pc.cast(centuries, pa.int64()), pa.string()), met)
    if name not in works.types:
        known = ", ".join([*works.fields, *works.labels])
        raise EvaluationError(f"no column {name!r}; choose from {known or 'none'}")
    column = works.column(name).take(indices(rows))
    if works.types[name] in _NUMBERS:
        return _shades(column, is_years=name in works.year_columns)
    return _classes(name, column, met)


def _classes(name: str, column: pa.ChunkedArray, met: NDArray[np.bool_] | None) -> dict[str, Any]:
    if pa.types.is_list(column.type):
        column = pc.list_element(
            pc.if_else(pc.equal(pc.list_value_length(column), 0), None, column), 0
        )
    counted = _counted(column)
    if met is not None and len(counted) > _CLASSES:  # else a class keeps its color
        counted = _counted(column.filter(pa.array(met)))
    most = counted.sort_by([("counts", "descending"), ("values", "ascending")])
    classes = in_order(most.column("values").slice(0, _CLASSES).to_pylist())
    colors = pc.index_in(column, pa.array(classes, column.type), skip_nulls=True)
    colors = pc.coalesce(colors, pc.if_else(pc.is_valid(column), _OTHER, -1))
    named = class_names(name, [str(each) for each in classes])
    return {
        "values": colors.to_pylist(),
        "classes": [named[str(each)] for each in classes],
        "others": len(counted) - len(classes),
        "ordered": are_ordered([str(each) for each in classes]),
        "low": None,
        "high": None,
        "ends": [],
    }


def _counted(column: pa.ChunkedArray) -> pa.Table:
    counts = pc.value_counts(column.drop_null())
    return pa.table({part: counts.field(part) for part in ("values", "counts")})


def name_groups(works: Works, rows: Rows, points: Points) -> list[dict[str, Any]]:
    """Group neighbors on the map and name each group by what is more frequent in it.

    Args:
        works: The works of the index.
        rows: Those that are on the map, shape (N,).
        points: Their places, shape (N, 2).

    Returns:
        For each group that has something in common: its name, its middle x and y, and how many
        works it has, the largest first.
    """
    from scipy.cluster.vq import kmeans2, vq

    groups = int(np.clip(round(len(rows) ** 0.5 / 4), _GROUPS[0], _GROUPS[-1]))
    if len(np.unique(points, axis=0)) <= groups:
        return []
    some = np.random.default_rng(0).permutation(len(rows))[:_FITTED]
    centers, _ = kmeans2(points[some].astype(np.float64), groups, minit="++", rng=0)
    group = vq(points.astype(np.float64), centers)[0]  # (N,)
    sizes = np.bincount(group, minlength=groups)
    best: list[list[tuple[float, str]]] = [[] for _ in range(groups)]  # strength and name
    for column in facet_columns(works):
        if works.types[column] in _NUMBERS:
            continue
        for each, found in enumerate(
            _frequent(works.column(column).take(indices(rows)), group, sizes)
        ):
            best[each].extend((strength, _named(column, value)) for strength, value in found)
    named = []
    for each, found in enumerate(best):
        if found:
            x, y = np.median(points[group == each], axis=0).round(4).tolist()
            # Two columns may say the same.
            names = list(dict.fromkeys(name for _, name in sorted(found, reverse=True)))[:2]
            named.append({"name": ", ".join(names), "x": x, "y": y, "works": int(sizes[each])})
    return sorted(named, key=lambda each: -each["works"])


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return numbers, or the first of each range of years."""
    if pa.types.is_struct(column.type):
        begin, end = (pc.struct_field(column, part) for part in ("begin", "end"))
        column = pc.coalesce(begin, end)
    return pc.cast(column, pa.float64())


def _shades(column: pa.ChunkedArray, *, is_years: bool) -> dict[str, Any]:
    numbers = pc.fill_null(_numbers(column), np.nan).to_numpy()
    known = np.isfinite(numbers)
    found: dict[str, Any] = {"classes": [], "others": 0, "ordered": True}
    if not known.any():
        nothing = {"values": [-1] * len(numbers), "low": None, "high": None, "ends": []}
        return found | nothing
    low, high = np.quantile(numbers[known], [0.02, 0.98]).tolist()  # a few outliers hide the rest
    scaled = np.clip((numbers - low) / max(high - low, 1e-9), 0, 1) * _SHADES
    shades = np.where(known, scaled, -1).astype(int).tolist()
    ends = [_short(low), _short(high)]
    if numbers[known].min() < low:
        ends[0] = f"up to {ends[0]}"
    if numbers[known].max() > high:
        ends[1] += " and later" if is_years else " and more"
    return found | {"values": shades, "low": low, "high": high, "ends": ends}


def _short(number: float) -> str:
    return str(round(number)) if abs(number) >= 100 else f"{number:.3g}"


def _named(column: str, value: str) -> str:
    """Name a value; one that says nothing by itself with its column."""
    is_bare = value.lower() in _BARE or value.replace(".", "", 1).isdecimal()
    return f"{column}: {value}" if is_bare else value


def _frequent(
    column: pa.ChunkedArray, group: NDArray[np.int32], sizes: NDArray[np.int64]
) -> list[list[tuple[float, str]]]:
    """Return for each group the value that is most over-represented in it, if there is one."""
    values = column.combine_chunks()
    if pa.types.is_list(values.type):
        places = np.asarray(pc.list_parent_indices(values))
        values = pc.list_flatten(values)
    else:
        places = np.arange(len(values))
    encoded = values.dictionary_encode()
    codes = np.asarray(pc.fill_null(encoded.indices, -1), dtype=np.int64)
    places, codes = places[codes >= 0], codes[codes >= 0]
    names = encoded.dictionary.to_pylist()
    counts = np.zeros((len(sizes), len(names)))
    np.add.at(counts, (group[places], codes), 1)
    expected = np.outer(sizes, counts.sum(0) / sizes.sum())
    strength = (counts - expected) / np.sqrt(expected + 1e-9)
    enough = np.maximum(_LEAST, _SHARE * sizes)[:, None]
    strength[(counts < enough) | (counts < _LIFT * expected)] = 0
    return [
        [(float(each.max()), str(names[int(each.argmax())]))]
        if len(each) and each.max() > 0
        else []
        for each in strength
    ]
