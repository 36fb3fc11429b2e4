"""Which columns of a catalog can be labels, and labels as class codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Labels",
    "Members",
    "Ranges",
    "Values",
    "encode",
    "encode_lists",
    "has_value",
    "keep",
    "why_not_label",
]


@dataclass(frozen=True)
class Labels:
    """A class code for each row, and what the codes stand for."""

    codes: NDArray[np.int64]  # (N,); -1 where there is no label
    classes: tuple[str, ...]  # sorted, so that codes do not depend on the order of the rows


def encode(values: Sequence[str | None]) -> Labels:
    """Number the distinct values; None is code -1."""
    classes = sorted({value for value in values if value is not None})
    code = {name: i for i, name in enumerate(classes)}
    codes = (-1 if value is None else code[value] for value in values)
    return Labels(np.fromiter(codes, dtype=np.int64, count=len(values)), tuple(classes))


@dataclass(frozen=True)
class Members:
    """The classes of each row, of which it may have several, one row after the other."""

    starts: NDArray[np.int64]  # (N+1,) row i has codes[starts[i] : starts[i + 1]]
    codes: NDArray[np.int64]  # class codes, within a row rising and each once
    classes: tuple[str, ...]  # sorted

    def take(self, rows: NDArray[np.integer]) -> Members:
        """Keep these rows, in this order."""
        counts = np.diff(self.starts)[rows]
        starts = np.append(0, np.cumsum(counts)).astype(np.int64)
        places = np.repeat(self.starts[rows] - starts[:-1], counts) + np.arange(starts[-1])
        return Members(starts, self.codes[places], self.classes)


@dataclass(frozen=True)
class Ranges:
    """The range of numbers of each row, say of years; a plain number begins where it ends."""

    begin: NDArray[np.float64]  # (N,); NaN where there is none
    end: NDArray[np.float64]  # (N,) included

    @property
    def middle(self) -> NDArray[np.float64]:
        """The number that stands for each range, shape (N,)."""
        return (self.begin + self.end) / 2

    @property
    def are_ranges(self) -> bool:
        """Whether any begins before it ends."""
        return bool((self.begin < self.end).any())

    def take(self, rows: NDArray[np.integer]) -> Ranges:
        """Keep these rows, in this order."""
        return Ranges(self.begin[rows], self.end[rows])


Values = Labels | Members | Ranges  # a label of N rows, of any kind


def has_value(values: Values) -> NDArray[np.bool_]:
    """Say which rows have the label, shape (N,)."""
    if isinstance(values, Labels):
        return values.codes >= 0
    if isinstance(values, Members):
        return np.diff(values.starts) > 0
    return ~np.isnan(values.middle)


def keep(values: Values, rows: NDArray[np.bool_]) -> Values:
    """Take the label from all rows but these, shape (N,)."""
    if isinstance(values, Labels):
        return Labels(np.where(rows, values.codes, -1), values.classes)
    if isinstance(values, Members):
        counts = np.diff(values.starts)
        starts = np.append(0, np.cumsum(np.where(rows, counts, 0))).astype(np.int64)
        return Members(starts, values.codes[np.repeat(rows, counts)], values.classes)
    return Ranges(np.where(rows, values.begin, np.nan), np.where(rows, values.end, np.nan))


def encode_lists(values: Sequence[Sequence[str] | None]) -> Members:
    """Number the distinct members of lists; None is an empty list."""
    lists = [sorted(set(value or ())) for value in values]
    classes = sorted({member for members in lists for member in members})
    code = {name: i for i, name in enumerate(classes)}
    starts = np.cumsum([0, *map(len, lists)])
    codes = (code[member] for members in lists for member in members)
    return Members(
        starts.astype(np.int64),
        np.fromiter(codes, dtype=np.int64, count=int(starts[-1])),
        tuple(classes),
    )


def why_not_label(values: Sequence[object]) -> str | None:
    """Say why a column of values cannot be a label, or None if it can be one.

    A label is text, or a list of text, of at least two classes, and at least half of the rows
    that have one share it with another row: else it names the rows instead of sorting them.

    Args:
        values: One a row: text, a list of text, None or an empty list where there is no label.
    """
    rows = [members for members in map(_members, values) if members != ()]
    if not rows:
        return "no row has a value"
    odd = next((value for value in values if _members(value) is None), None)
    if odd is not None:
        if isinstance(odd, int | float):
            return f"it holds numbers, such as {odd!r}"
        return f"it holds {type(odd).__name__}, not text"
    counts = Counter(member for members in rows if members for member in set(members))
    if len(counts) == 1:
        return f"one class only: {next(iter(counts))!r}"
    shared = sum(any(counts[member] > 1 for member in members or ()) for members in rows)
    if shared == 0:
        return f"all {len(rows)} values are different"
    if 2 * shared < len(rows):
        return f"only {shared} of {len(rows)} rows share their value with another row"
    return None


def _members(value: object) -> tuple[str, ...] | None:
    """List the classes of one value; None if it is neither text nor a list of text."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Sequence) and all(isinstance(member, str) for member in value):
        return tuple(value)
    return None
