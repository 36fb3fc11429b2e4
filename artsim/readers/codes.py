"""Columns of whole numbers that may be codes of classes: 0, 1 and 2 for three styles."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import Catalog

_MOST = 1000  # classes
_LEAST_ROWS = 2  # a class, on average: fewer are rather the numbers of rows
_NO_CODES = ("view", "width_catalog", "height_catalog")  # places in a cell, and measures
_FULL = 0.8  # of the numbers between the least and the most must occur


def with_suggested_types(catalog: Catalog, declared: Collection[str]) -> Catalog:
    """Add a note on columns that look like codes, unless their type is declared.

    Codes count from 0 or 1, hardly leave a number out, and occur again and again.
    """
    names = [
        field.name
        for field in catalog.schema
        if pa.types.is_integer(field.type) and field.name not in (*declared, *_NO_CODES)
    ]
    rows = dict.fromkeys(names, 0)
    seen: dict[str, set[int]] = {name: set() for name in names}
    for batch in catalog.batches() if names else ():
        for name in [name for name in names if len(seen[name]) <= _MOST]:
            known = batch[name].drop_null()
            rows[name] += len(known)
            seen[name].update(pc.unique(known).to_pylist())
    notes = tuple(
        f"{name!r} is read as a number and holds {len(seen[name])} of them, {min(seen[name])} to "
        f"{max(seen[name])}; if they are codes of classes, add --type {shlex.quote(name)}=text"
        for name in names
        if look_like_codes(seen[name], rows[name])
    )
    return replace(catalog, notes=(*catalog.notes, *notes))


def look_like_codes(numbers: set[int], rows: int) -> bool:
    """Return whether the different numbers of so many rows may be codes of classes."""
    if not 1 < len(numbers) <= _MOST or min(numbers) not in (0, 1):
        return False
    span = max(numbers) - min(numbers) + 1
    return rows >= _LEAST_ROWS * len(numbers) >= _LEAST_ROWS * _FULL * span
