"""Columns and derived labels of an index: read as text, codes or labels, added and removed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.datatypes import FieldType, column_named
from artsim.errors import EvaluationError
from artsim.labels.expressions import Derivation, is_derivation, parse_label, short_name
from artsim.labels.fitness import why_id, why_not_label
from artsim.labels.label import Label, LabelKind, encode, multiclass, multilabel, number
from artsim.labels.old_expressions import to_sql
from artsim.labels.sql import quoted
from artsim.store import DerivedLabel, Store, lock_index, remove_added

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_P = TypeVar("_P", bound="DataclassInstance")  # a plan
_NAMING = {"labels", "group", "groups", "junk", "metadata", "stratify"}  # fields of plans: columns
_NUMBERS = (FieldType.NUMBER, FieldType.YEARS)
_TITLES = ("title", "name", "object_name", "label", "caption")
_OWN = ("id", "image", "width", "height")  # besides the metadata, labels may be derived from these


def column_of(store: Store, name: str) -> str:
    """Return the name of a column or derived label of an index as it has it, see `column_named`."""
    return column_named(name, [*_types(store), *derived_labels(store)])


def with_columns(store: Store, plan: _P) -> _P:
    """Return a plan with the columns that it names as an index has them, see `column_named`."""
    changes: dict[str, Any] = {}
    for name in _NAMING & plan.__dataclass_fields__.keys():
        value = getattr(plan, name)
        if isinstance(value, str):
            changes[name] = column_of(store, value)
        elif value:
            changes[name] = tuple(dict.fromkeys(column_of(store, each) for each in value))
    return replace(plan, **changes)


def values_of(store: Store, name: str) -> list[str | None]:
    """Return a column, a derived label or ``NAME = EXPRESSION`` as text, None where it is missing.

    Raises:
        EvaluationError: If there is none, it has several values a row, or it cannot be derived.
    """
    fields, name = _types(store), column_of(store, name)
    if name not in fields:
        derivation = derivation_of(store, name)
        if derivation is not None:
            return derivation.values(store.read(derivation.columns_of((*fields, *_OWN))))
        known = ", ".join([*fields, *derived_labels(store)]) or "none: there is no metadata"
        by_name = {field.lower(): field for field in fields}
        near = get_close_matches(name.lower(), by_name, 1)
        meant = f"did you mean {by_name[near[0]]!r}? Or " if near else ""
        raise EvaluationError(
            f"no column {name!r}; {meant}choose from {known}, or derive it with 'artsim label'"
        )
    if fields[name] in (FieldType.LIST, FieldType.YEARS):
        years = fields[name] == FieldType.YEARS
        example = f"floor({name}.begin / 100) + 1" if years else f"{name} = 'text'"
        raise EvaluationError(
            f"{name!r} is of type {fields[name]}, expected one value a picture; "
            f"derive a label of it: NAME = {example}"
        )
    values = store.read([name]).column(name).to_pylist()
    return [None if value is None else str(value) for value in values]


def codes_of(store: Store, name: str) -> NDArray[np.int64]:
    """Return `values_of` as codes, shape (N,); -1 where they are missing."""
    return encode(values_of(store, name))[0]


def group_codes(store: Store, name: str) -> NDArray[np.int64]:
    """Return codes that the pictures of a group share, shape (N,); -1 where the value is missing.

    In a column of lists, pictures with a value in common are one group, in chains.

    Raises:
        EvaluationError: If the column is unknown, or no picture has a value in it.
    """
    name = column_of(store, name)
    if _types(store).get(name) != FieldType.LIST:
        codes = codes_of(store, name)
    else:
        codes = groups_of_lists(store.read([name]).column(name).to_pylist())
    if len(codes) and codes.max() < 0:
        raise EvaluationError(
            f"no picture has a value of {name!r}, so that it groups none; fill the column, or "
            "leave it out"
        )
    return codes


def groups_of_lists(lists: Sequence[Sequence[str | None] | None]) -> NDArray[np.int64]:
    """Return codes that rows with a value in common share, in chains; -1 without a value."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = [(row, value) for row, values in enumerate(lists) for value in values or () if value]
    rows = np.array([row for row, _ in pairs], dtype=np.int64)
    codes, classes = encode([value for _, value in pairs])
    size = len(lists) + len(classes)  # a node a picture, then one a value
    edges = (np.ones(len(rows), dtype=bool), (rows, len(lists) + codes))
    _, found = connected_components(coo_array(edges, shape=(size, size)), directed=False)
    groups = np.full(len(lists), -1, dtype=np.int64)
    groups[rows] = np.unique(found[rows], return_inverse=True)[1]
    return groups


def derived_labels(store: Store) -> dict[str, str]:
    """Return the SQL expressions of an index's derived labels by name."""
    lists = [name for name, type_ in _types(store).items() if type_ == FieldType.LIST]
    return {label.name: to_sql(label.expression, lists) for label in store.manifest.labels}


def derivation_of(store: Store, name: str) -> Derivation | None:
    """Return a derived label of an index, or the one that is written out; None if it is neither."""
    expression = derived_labels(store).get(name)
    if expression is not None:
        return parse_label(f"{quoted([name])} = {expression}")
    return parse_label(name) if is_derivation(name) else None


def add_label(path: Path, text: str) -> tuple[Derivation, list[str | None], str | None]:
    """Add a derived label to an index, or replace the one of its name.

    Returns:
        The label, its values, and the expression that another of its name had.

    Raises:
        EvaluationError: If it cannot be read or computed, or a column has its name.
    """
    derivation = parse_label(text)
    with lock_index(path):
        store = Store.open(path)
        if derivation.name in [*_types(store), *_OWN]:
            raise EvaluationError(
                f"{str(store)!r} has a column {derivation.name!r} already; choose another name"
            )
        values, before = values_of(store, text), derived_labels(store).get(derivation.name)
        others = [label for label in store.manifest.labels if label.name != derivation.name]
        store.set_labels([*others, DerivedLabel(derivation.name, derivation.expression)])
    return derivation, values, before if before != derivation.expression else None


def remove_label(path: Path, name: str) -> None:
    """Remove a derived label or an added column from an index.

    Raises:
        EvaluationError: If there is none of that name.
    """
    with lock_index(path):
        if remove_added(path, name):
            return
        store = Store.open(path)
        known = [*derived_labels(store), *store.added]
        if name not in known:
            raise EvaluationError(
                f"no derived label or added column {name!r}; there are: "
                f"{', '.join(known) or 'none'}"
            )
        store.set_labels([label for label in store.manifest.labels if label.name != name])


def title_column(store: Store) -> str | None:
    """Find the column of text that says what a work is called; None if there is none."""
    texts = {field.name for field in store.fields if field.type == FieldType.TEXT}
    return next((name for name in _TITLES if name in texts), None)


def label_columns(
    store: Store, rows: NDArray[np.bool_] | None = None
) -> tuple[list[str], dict[str, str]]:
    """Find the columns and derived labels that can be labels of one class a picture.

    Args:
        store: The index.
        rows: Of a part of it the rows, shape (N,); None: all.

    Returns:
        Their names, and for every other column why it cannot be one.
    """
    labels, others = [], {}
    for name, type_ in _types(store).items():
        added = store.added.get(name)
        if added is not None and added.is_prediction:
            others[name] = "it was predicted; name it with --label"
        elif added is not None and added.is_identity:
            others[name] = "it says which pictures are of one work; name it with --group"
        elif type_ in _NUMBERS:
            what = "years" if type_ == FieldType.YEARS else "numbers"
            others[name] = f"it holds {what}; name it with --label to predict them"
        elif type_ == FieldType.LIST:
            others[name] = "it has several values a picture"
        elif (reason := why_not_label(_of_rows(values_of(store, name), rows))) is not None:
            others[name] = reason
        else:
            labels.append(name)
    for name in derived_labels(store):  # derived on purpose, so it is one however it looks
        try:
            values_of(store, name)
            labels.append(name)
        except EvaluationError as error:  # its column has gone since
            others[name] = str(error)
    return labels, others


def _of_rows(values: list[Any], rows: NDArray[np.bool_] | None) -> list[Any]:
    return values if rows is None else list(itertools.compress(values, rows))


def read_label(store: Store, name: str, *, keep_qualified: bool = False) -> Label:
    """Read a column, a derived label, or ``NAME = EXPRESSION`` as a label.

    Values that a column ``NAME_qualifier`` qualifies are left out unless ``keep_qualified``: a copy
    after Rembrandt is not by him. An expression such as ``maker = artist`` keeps them.

    Raises:
        EvaluationError: If there is none, it has one class, or it names the pictures (an id).
    """
    name = column_of(store, name)
    label = _read_label(store, name, keep_qualified)
    is_prediction = name in store.added and store.added[name].is_prediction
    return replace(label, is_prediction=True) if is_prediction else label


def _read_label(store: Store, name: str, keep_qualified: bool) -> Label:
    type_ = _types(store).get(name)
    if type_ in _NUMBERS:
        return _read_numbers(store, name)
    values, qualified = label_values(store, name), 0
    if not keep_qualified:
        values, qualified = _without_qualified(store, name, values)
    reason = why_not_label(values)
    if reason is not None:
        known = ", ".join(label_columns(store)[0])
        others = f"choose from {known}" if known else "no other column can be one either"
        raise EvaluationError(f"{name!r} cannot be a label: {reason}; {others}")
    if type_ == FieldType.LIST:
        return replace(multilabel(name, values), qualified=qualified)
    return replace(multiclass(name if type_ else short_name(name), values), qualified=qualified)


def read_multiclass(store: Store, name: str, *, keep_qualified: bool = False) -> Label:
    """Read a label of one class a picture, see `read_label`.

    Raises:
        EvaluationError: If it is a number or has several classes a picture as well.
    """
    label = read_label(store, name, keep_qualified=keep_qualified)
    if label.kind == LabelKind.NUMBER:
        raise EvaluationError(f"{name!r} holds numbers, expected classes; {label.as_classes}")
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
    name = column_of(store, name)
    type_ = _types(store).get(name)
    if type_ not in (*_NUMBERS, FieldType.LIST):
        return values_of(store, name)
    column = store.read([name]).column(name)
    if type_ == FieldType.LIST:
        rows = column.to_pylist()
        return [[each for each in row or () if each is not None] or None for row in rows]
    return [None if np.isnan(each) else float(each) for each in numbers_of(column)]


def numbers_of(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return a column of numbers, or the middles of year ranges, shape (N,); NaN where missing."""
    begin, end = _intervals(column)
    return (begin + end) / 2


def _without_qualified(store: Store, name: str, values: list[Any]) -> tuple[list[Any], int]:
    """Return a column's values without those that are qualified, and how many these are."""
    columns = [name, f"{name}_qualifier"]
    if not _types(store).keys() >= set(columns):
        return values, 0
    plain, count = [], 0
    rows = zip(*(column.to_pylist() for column in store.read(columns).columns), strict=True)
    for value, (names, qualifiers) in zip(values, rows, strict=True):
        marks = qualifiers if isinstance(qualifiers, list) else [qualifiers]
        if not isinstance(names, list):
            plain.append(None if any(marks) else value)
            count += any(marks) and value is not None
            continue
        if len(marks) < len(names):  # one for all of them, or none is known of the last
            marks = marks * len(names) if len(marks) == 1 else [*marks, *[None] * len(names)]
        kept = [each for each, mark in zip(names, marks, strict=False) if each and not mark]
        plain.append(kept or None)
        count += len([each for each in names if each]) - len(kept)
    return plain, count


def _read_numbers(store: Store, name: str) -> Label:
    from artsim.readers import look_like_codes  # seldom needed, and searches import this module

    label = number(name, *_intervals(store.read([name]).column(name)))
    known = label.numbers[label.known]
    reason = why_id(name, label.numbers)
    if not len(known):
        reason = "no row has a value"
    elif known.min() == known.max():
        reason = f"all its values are {known[0]:g}"
    if reason is not None:
        raise EvaluationError(f"{name!r} cannot be a label: {reason}; choose another column")
    whole = not label.are_ranges and bool((known == np.floor(known)).all())
    codes = whole and look_like_codes(set(known.astype(np.int64).tolist()), len(known))
    return replace(label, may_be_codes=codes)


def _types(store: Store) -> dict[str, FieldType]:
    return {field.name: field.type for field in store.fields}


def _intervals(column: pa.ChunkedArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where each number or year range begins and ends: both the same if one is known."""
    begin = end = column
    if pa.types.is_struct(column.type):
        begin, end = (pc.struct_field(column, each) for each in ("begin", "end"))
        begin, end = pc.coalesce(begin, end), pc.coalesce(end, begin)
    ends = np.array([pc.cast(each, pa.float64(), safe=False).to_numpy() for each in (begin, end)])
    ends[:, ~np.isfinite(ends).all(axis=0)] = np.nan
    return ends[0], ends[1]
