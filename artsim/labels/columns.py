"""Columns of an index and its derived labels, one value a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import FieldType
from artsim.errors import EvaluationError
from artsim.labels.expressions import Derivation, is_derivation, parse_label
from artsim.labels.label import encode
from artsim.labels.old_expressions import to_sql
from artsim.store import DerivedLabel, Store, lock_index

# What a label may be derived from, besides the metadata.
_OWN = ("id", "image", "width", "height")


def values_of(store: Store, name: str) -> list[str | None]:
    """Return a column of the catalog or a derived label as text, None where it is missing.

    Args:
        store: The index.
        name: Of a column, of a derived label of the index, or ``NAME = EXPRESSION``.

    Raises:
        EvaluationError: If there is none, it has several values a row, or it cannot be derived.
    """
    fields = {field.name: field.type for field in store.manifest.fields}
    if name not in fields:
        derivation = derivation_of(store, name)
        if derivation is not None:
            columns = derivation.columns_of((*fields, *_OWN))
            return derivation.values(store.read(columns))
        known = ", ".join([*fields, *derived_labels(store)])
        raise EvaluationError(
            f"no column {name!r}; choose from {known or 'none: there is no metadata'}"
        )
    if fields[name] in (FieldType.LIST, FieldType.YEARS):
        years = fields[name] == FieldType.YEARS
        example = f"floor({name}.begin / 100) + 1" if years else f"list_contains({name}, 'text')"
        raise EvaluationError(
            f"{name!r} is of type {fields[name]}, expected one value a picture; "
            f"derive a label of it: NAME = {example}"
        )
    values = store.read([name]).column(name).to_pylist()
    return [None if value is None else str(value) for value in values]


def codes_of(store: Store, name: str) -> NDArray[np.int64]:
    """Return a column or derived label as codes, shape (N,); -1 where it is missing.

    Raises:
        EvaluationError: See `values_of`.
    """
    return encode(values_of(store, name))[0]


def derived_labels(store: Store) -> dict[str, str]:
    """Return the SQL expressions of an index's derived labels by name."""
    lists = [field.name for field in store.manifest.fields if field.type == FieldType.LIST]
    return {label.name: to_sql(label.expression, lists) for label in store.manifest.labels}


def derivation_of(store: Store, name: str) -> Derivation | None:
    """Return a derived label of an index, or the one that is written out; None if it is neither."""
    expression = derived_labels(store).get(name)
    if expression is not None:
        quoted = '"' + name.replace('"', '""') + '"'
        return parse_label(f"{quoted} = {expression}")
    return parse_label(name) if is_derivation(name) else None


def add_label(path: Path, text: str) -> tuple[Derivation, list[str | None]]:
    """Note a derived label in an index, in the place of one of the same name.

    Returns:
        The label, and its value for each row.

    Raises:
        EvaluationError: If it cannot be read or computed, or a column has its name.
    """
    derivation = parse_label(text)
    with lock_index(path):
        store = Store.open(path)
        if derivation.name in [*(field.name for field in store.manifest.fields), *_OWN]:
            raise EvaluationError(
                f"{str(path)!r} has a column {derivation.name!r} already; choose another name"
            )
        values = values_of(store, text)
        others = [label for label in store.manifest.labels if label.name != derivation.name]
        store.set_labels([*others, DerivedLabel(derivation.name, derivation.expression)])
    return derivation, values


def remove_label(path: Path, name: str) -> None:
    """Take a derived label out of an index.

    Raises:
        EvaluationError: If there is none of that name.
    """
    with lock_index(path):
        store = Store.open(path)
        others = [label for label in store.manifest.labels if label.name != name]
        if len(others) == len(store.manifest.labels):
            known = ", ".join(derived_labels(store)) or "none"
            raise EvaluationError(f"no derived label {name!r}; there are: {known}")
        store.set_labels(others)
