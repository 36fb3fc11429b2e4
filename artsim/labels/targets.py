"""A label of an index as what is to be told: one class a picture, several, or a number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim.datatypes import FieldType
from artsim.errors import EvaluationError
from artsim.labels.columns import derived_labels, values_of
from artsim.labels.expressions import is_derivation, parse_label
from artsim.labels.values import Labels, Members, Ranges, encode, encode_lists, why_not_label
from artsim.store import Store

__all__ = [
    "Kind",
    "Target",
    "is_id_name",
    "label_columns",
    "label_values",
    "numbers_of",
    "ranges_of",
    "read_target",
    "short_name",
    "why_id",
]

_MANY = 100  # whole numbers that are all different by chance no more
# 'id', 'Object ID', 'accession_number', 'objectid', 'objectID'; not 'paid'
_ID_NAME = re.compile(
    r"(^|[\W_])(?i:id|nr|no|number|uuid)$|[a-z]I[Dd]$|(?i:object|image|item|record)(?i:id)$"
)
_STRATA = 10  # of a number, so that each side of a split has small ones and large ones


class Kind(StrEnum):
    """How a label is told and scored."""

    CLASSES = "classes"  # one a picture: top-1
    MEMBERS = "members"  # several a picture: mean average precision
    NUMBER = "number"  # mean absolute error


@dataclass(frozen=True, kw_only=True)
class Target:
    """A label, one value a row of the index; which of the arrays is there follows from the kind."""

    name: str
    kind: Kind
    strata: NDArray[np.int64]  # (N,) classes to split alike; -1 where there is no label
    classes: tuple[str, ...] = ()  # what codes and columns stand for
    members: Members | None = None
    ranges: Ranges | None = None  # a number is a range that begins where it ends

    @property
    def labeled(self) -> NDArray[np.int64]:
        """Rows that have the label."""
        return np.flatnonzero(self.strata >= 0)

    @property
    def matrix(self) -> NDArray[np.bool_]:
        """Which classes each row has, shape (N, K)."""
        assert self.members is not None
        matrix = np.zeros((len(self.strata), len(self.classes)), dtype=bool)
        rows = np.repeat(np.arange(len(matrix)), np.diff(self.members.starts))
        matrix[rows, self.members.codes] = True
        return matrix

    @property
    def numbers(self) -> NDArray[np.float64] | None:
        """Numbers, or the middles of ranges, shape (N,); NaN where there is none."""
        return None if self.ranges is None else self.ranges.middle

    @property
    def values(self) -> Labels | Members | Ranges:
        """What the kind says is there."""
        return self.members or self.ranges or Labels(self.strata, self.classes)


def label_columns(store: Store) -> tuple[list[str], dict[str, str]]:
    """Find the columns and derived labels of one class a picture that can be labels.

    Returns:
        Their names, and for every other one why not.
    """
    labels, others = [], {}
    for column in store.manifest.fields:
        if column.type in (FieldType.NUMBER, FieldType.YEARS):
            others[column.name] = f"it is of type {column.type}"
            continue
        if column.type == FieldType.LIST:
            others[column.name] = "it has several values a picture"
            continue
        reason = why_not_label(values_of(store, column.name))
        if reason is None:
            labels.append(column.name)
        else:
            others[column.name] = reason
    for name in derived_labels(store):  # whoever derived one means it
        try:
            values_of(store, name)
            labels.append(name)
        except EvaluationError as error:  # its column has gone since
            others[name] = str(error)
    return labels, others


def read_target(store: Store, name: str) -> Target:
    """Read a column, a derived label, or ``NAME = EXPRESSION`` as what is to be told.

    Raises:
        EvaluationError: If there is none, it has one class, or it names the pictures (an id).
    """
    type_ = _types(store).get(name)
    if type_ in (FieldType.NUMBER, FieldType.YEARS):
        return _read_numbers(store, name)
    values = label_values(store, name)
    reason = why_not_label(values)
    if reason is not None:
        known = ", ".join(label_columns(store)[0])
        others = f"choose from {known}" if known else "no other column can be one either"
        raise EvaluationError(f"{name!r} cannot be a label: {reason}; {others}")
    short = name if type_ is not None else short_name(name)
    if type_ == FieldType.LIST:
        members = encode_lists(values)
        counts = np.diff(members.starts)
        first = np.full(len(counts), -1, dtype=np.int64)
        first[counts > 0] = members.codes[members.starts[:-1][counts > 0]]
        return Target(
            name=short, kind=Kind.MEMBERS, strata=first, classes=members.classes, members=members
        )
    labels = encode(values)
    return Target(name=short, kind=Kind.CLASSES, strata=labels.codes, classes=labels.classes)


def label_values(store: Store, name: str) -> list[Any]:
    """Return a label's values as they are shown: text, a list of text, or a number; else None.

    Raises:
        EvaluationError: If the index has no such column or derived label.
    """
    type_ = _types(store).get(name)
    if type_ == FieldType.LIST:
        lists = store.read([name]).column(name).to_pylist()
        return [_without_none(value) for value in lists]
    if type_ in (FieldType.NUMBER, FieldType.YEARS):
        numbers = numbers_of(store.read([name]).column(name))
        return [None if np.isnan(number) else float(number) for number in numbers]
    return values_of(store, name)


def numbers_of(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return a column of numbers, or the middles of year ranges, shape (N,); NaN where missing."""
    return ranges_of(column).middle


def ranges_of(column: pa.ChunkedArray) -> Ranges:
    """Return a column of year ranges or numbers; of a range with one end that is both."""
    values = column.to_pylist()
    ends = [(value, value) for value in values]
    if pa.types.is_struct(column.type):
        ends = [(None, None) if value is None else _ends(value) for value in values]
    numbers = np.array(
        [[np.nan if end is None else end for end in each] for each in ends], dtype=np.float64
    ).reshape(-1, 2)
    numbers[~np.isfinite(numbers).all(axis=1)] = np.nan
    return Ranges(numbers[:, 0], numbers[:, 1])


def why_id(name: str, numbers: NDArray[np.float64]) -> str | None:
    """Say why a column of numbers names the pictures and measures nothing, or None.

    Whole numbers that are all different are an id where there are a hundred or more of them; where
    most of them are different, the column's name decides.
    """
    known = numbers[~np.isnan(numbers)]
    if not len(known) or (known != np.floor(known)).any():
        return None
    distinct = len(np.unique(known))
    if distinct == len(known) >= _MANY:
        return f"it is an id: all {len(known):,} values are different whole numbers"
    if 2 * distinct > len(known) and is_id_name(name):
        return f"it is an id by its name, and {distinct:,} of {len(known):,} values are different"
    return None


def is_id_name(name: str) -> bool:
    """Tell whether a column is called as ids are: 'objectid', 'Object ID', 'accession_number'."""
    return _ID_NAME.search(name) is not None


def short_name(label: str) -> str:
    """Return the name in ``NAME = EXPRESSION``, or the name that was given."""
    return parse_label(label).name if is_derivation(label) else label


def _read_numbers(store: Store, name: str) -> Target:
    ranges = ranges_of(store.read([name]).column(name))
    numbers = ranges.middle
    known = numbers[~np.isnan(numbers)]
    reason = why_id(name, numbers)
    if not len(known):
        reason = "no row has a value"
    elif known.min() == known.max():
        reason = f"all its values are {known[0]:g}"
    if reason is not None:
        raise EvaluationError(f"{name!r} cannot be a label: {reason}; choose another column")
    edges = np.quantile(known, np.linspace(0, 1, _STRATA + 1)[1:-1])
    strata = np.where(np.isnan(numbers), -1, np.searchsorted(edges, np.nan_to_num(numbers)))
    return Target(name=name, kind=Kind.NUMBER, strata=strata.astype(np.int64), ranges=ranges)


def _types(store: Store) -> dict[str, FieldType]:
    return {field.name: field.type for field in store.manifest.fields}


def _without_none(value: list[str | None] | None) -> list[str] | None:
    return [each for each in value or () if each is not None] or None


def _ends(years: dict[str, int | None]) -> tuple[int | None, int | None]:
    begin, end = years["begin"], years["end"]
    return (end if begin is None else begin), (begin if end is None else end)
