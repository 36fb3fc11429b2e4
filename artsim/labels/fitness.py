"""Why a column cannot be a label: it names the rows, or has one class."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MANY = 100  # whole numbers that do not all differ by chance
# 'id', 'Object ID', 'accession_number', 'objectid', 'objectID'; not 'paid'
_ID_NAME = re.compile(
    r"(^|[\W_])(?i:id|nr|no|number|uuid)$|[a-z]I[Dd]$|(?i:object|image|item|record)(?i:id)$"
)


def why_id(name: str, numbers: NDArray[np.float64]) -> str | None:
    """Return why a column of numbers is an id and not a measurement, or None.

    A hundred or more whole numbers that are all different are an id. If most of them are different,
    the column's name decides.
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
    """Return whether a column has the name of an id: 'objectid', 'accession_number'."""
    return _ID_NAME.search(name) is not None


def why_not_label(values: Sequence[object]) -> str | None:
    """Return why a column of values cannot be a label, or None if it can be one.

    A label is text, or a list of text, of at least two classes, and at least half of the rows
    that have one share it with another row: otherwise it names the rows instead of sorting them.

    Args:
        values: One a row: text, a list of text, None or an empty list where there is no label.
    """
    rows: list[set[str]] = []
    for value in values:
        if isinstance(value, int | float):
            return f"it holds numbers, such as {value!r}"
        members = [value] if isinstance(value, str) else value or []
        if not isinstance(members, Sequence) or not all(isinstance(each, str) for each in members):
            return f"it holds {type(value).__name__}, not text"
        if members:
            rows.append(set(members))
    if not rows:
        return "no row has a value"
    counts = Counter(itertools.chain.from_iterable(rows))
    if len(counts) == 1:
        return f"one class only: {next(iter(counts))!r}"
    shared = sum(any(counts[member] > 1 for member in members) for members in rows)
    if shared == 0:
        return f"all {len(rows):,} values are different"
    if 2 * shared < len(rows):
        return f"only {shared:,} of {len(rows):,} rows share their value with another row"
    return None
