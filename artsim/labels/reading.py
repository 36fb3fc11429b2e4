"""Labels read from an index: a column, a derived label, or an expression."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim.datatypes import FieldType
from artsim.errors import EvaluationError
from artsim.labels.columns import derived_labels, values_of
from artsim.labels.expressions import short_name
from artsim.labels.fitness import why_id, why_not_label
from artsim.labels.label import Label, LabelKind, multiclass, multilabel, number
from artsim.store import Store

_NUMBERS = (FieldType.NUMBER, FieldType.YEARS)


def label_columns(store: Store) -> tuple[list[str], dict[str, str]]:
    """Find the columns and derived labels that can be labels of one class a picture.

    Returns:
        Their names, and for every other column why it cannot be one.
    """
    labels, others = [], {}
    for column in store.manifest.fields:
        if column.type in _NUMBERS:
            holds = "years" if column.type == FieldType.YEARS else "numbers"
            others[column.name] = f"it holds {holds}; name it with --label to predict them"
            continue
        if column.type == FieldType.LIST:
            others[column.name] = "it has several values a picture"
            continue
        reason = why_not_label(values_of(store, column.name))
        if reason is None:
            labels.append(column.name)
        else:
            others[column.name] = reason
    for name in derived_labels(store):  # derived on purpose, so it is one however it looks
        try:
            values_of(store, name)
            labels.append(name)
        except EvaluationError as error:  # its column has gone since
            others[name] = str(error)
    return labels, others


def read_label(store: Store, name: str) -> Label:
    """Read a column, a derived label, or ``NAME = EXPRESSION`` as a label.

    A value that is qualified, in a column ``NAME_qualifier`` beside it, is no value: a copy after
    Rembrandt is not by him. An expression such as ``maker = artist`` keeps them.

    Raises:
        EvaluationError: If there is none, it has one class, or it names the pictures (an id).
    """
    type_ = _types(store).get(name)
    if type_ in _NUMBERS:
        return _read_numbers(store, name)
    values, qualified = _without_qualified(store, name, label_values(store, name))
    reason = why_not_label(values)
    if reason is not None:
        known = ", ".join(label_columns(store)[0])
        others = f"choose from {known}" if known else "no other column can be one either"
        raise EvaluationError(f"{name!r} cannot be a label: {reason}; {others}")
    if type_ == FieldType.LIST:
        return replace(multilabel(name, values), qualified=qualified)
    label = multiclass(name if type_ is not None else short_name(name), values)
    return replace(label, qualified=qualified)


def read_multiclass(store: Store, name: str) -> Label:
    """Read a label of one class a picture, see `read_label`.

    Raises:
        EvaluationError: If it is a number or has several classes a picture as well.
    """
    label = read_label(store, name)
    if label.kind == LabelKind.NUMBER:
        raise EvaluationError(
            f"{name!r} holds numbers, expected classes; derive some: "
            f"'century = floor({name} / 100) + 1'"
        )
    if label.kind == LabelKind.MULTILABEL:
        raise EvaluationError(
            f"{name!r} has several values a picture, expected one; name another label"
        )
    return label


def label_values(store: Store, name: str) -> list[Any]:
    """Return a label's values as they are shown: text, a list of text, or a number; else None.

    Raises:
        EvaluationError: If the index has no such column or derived label.
    """
    type_ = _types(store).get(name)
    if type_ == FieldType.LIST:
        lists = store.read([name]).column(name).to_pylist()
        return [_without_none(value) for value in lists]
    if type_ in _NUMBERS:
        numbers = numbers_of(store.read([name]).column(name))
        return [None if np.isnan(each) else float(each) for each in numbers]
    return values_of(store, name)


def numbers_of(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return a column of numbers, or the middles of year ranges, shape (N,); NaN where missing."""
    begin, end = _intervals(column)
    return (begin + end) / 2


def _without_qualified(store: Store, name: str, values: list[Any]) -> tuple[list[Any], int]:
    """Return a column's values without those that are qualified, and how many these are."""
    column = f"{name}_qualifier"
    if column not in _types(store) or name not in _types(store):
        return values, 0
    aligned = store.read([name, column])
    plain, count = [], 0
    pairs = zip(aligned.column(name).to_pylist(), aligned.column(column).to_pylist(), strict=True)
    for value, (names, qualifiers) in zip(values, pairs, strict=True):
        if not isinstance(names, list):
            plain.append(None if qualifiers else value)
            count += bool(qualifiers) and value is not None
            continue
        marks = qualifiers or [None] * len(names)
        kept = [each for each, mark in zip(names, marks, strict=False) if each and not mark]
        plain.append(kept or None)
        count += len([each for each in names if each]) - len(kept)
    return plain, count


def _read_numbers(store: Store, name: str) -> Label:
    label = number(name, *_intervals(store.read([name]).column(name)))
    known = label.numbers[label.known]
    reason = why_id(name, label.numbers)
    if not len(known):
        reason = "no row has a value"
    elif known.min() == known.max():
        reason = f"all its values are {known[0]:g}"
    if reason is not None:
        raise EvaluationError(f"{name!r} cannot be a label: {reason}; choose another column")
    return label


def _types(store: Store) -> dict[str, FieldType]:
    return {field.name: field.type for field in store.manifest.fields}


def _without_none(value: list[str | None] | None) -> list[str] | None:
    return [each for each in value or () if each is not None] or None


def _intervals(column: pa.ChunkedArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where each number or year range begins and ends; of one end, that is both."""
    values = column.to_pylist()
    ends = [(value, value) for value in values]
    if pa.types.is_struct(column.type):
        ends = [(None, None) if value is None else _ends(value) for value in values]
    numbers = np.array(
        [[np.nan if end is None else end for end in each] for each in ends], dtype=np.float64
    ).reshape(-1, 2)
    numbers[~np.isfinite(numbers).all(axis=1)] = np.nan
    return numbers[:, 0], numbers[:, 1]


def _ends(years: dict[str, int | None]) -> tuple[int | None, int | None]:
    begin, end = years["begin"], years["end"]
    return (end if begin is None else begin), (begin if end is None else end)
