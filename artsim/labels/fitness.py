"""Why a column cannot be a label: it names the rows, or has one class."""

from __future__ import annotations

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
    """Return whether a column has the name of an id: 'objectid', 'accession_number'."""
    return _ID_NAME.search(name) is not None


def why_not_label(values: Sequence[object]) -> str | None:
    """Return why a column of values cannot be a label, or None if it can be one.

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
