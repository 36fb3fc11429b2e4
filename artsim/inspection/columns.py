"""A catalog's columns: what is missing, what they hold, and which can be labels."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import FieldType
from artsim.inspection.baselines import BestColumn, binned
from artsim.inspection.coding import Codes, Values, number_lists, number_values, texts_of
from artsim.inspection.oddities import TESTS, OddValues, find_odd_values
from artsim.inspection.stored import StoredTable
from artsim.readers import is_identifier
from artsim.splits import part_of

_MOST_PARTS = 9  # values that a column of splits has
_EXAMPLES = 3  # values of a column
_SEARCHED = 1000  # rows, for them
_SHOWN = 60  # letters of an example

# What people write where they know nothing. "Anonymous" and "various" say something.
_NO_VALUES = frozenset([
    "", "-", "--", "\N{EN DASH}", "\N{EM DASH}", "?", "??", "none", "unknown", "not known",
    "missing", "no data", "not available", "not specified", "undefined", "unspecified", "tbd",
    "k. a", "n.a", "n.d", "unbekannt", "inconnu", "inconnue", "sconosciuto", "desconocido",
])  # fmt: skip

Classes = tuple[tuple[str, int], ...]  # with their rows, the most common first


@dataclass(frozen=True, kw_only=True)
class ColumnSummary:
    """A metadata column."""

    name: str
    type: FieldType
    missing: int  # rows without a value
    distinct: int  # values; of a list, members
    not_a_label: str | None  # why it cannot be a label; None if it can be one
    names_rows: bool  # it numbers or names the rows, so no baseline uses it
    is_split: bool = False  # its values are train, val and test, which are not metadata either
    examples: tuple[str, ...] = ()  # the first different values, shortened; a list's with |
    odd: OddValues | None = None  # values that read otherwise than most


@dataclass(frozen=True, kw_only=True)
class LabelSummary:
    """A column that can be a label."""

    name: str
    classes: Classes
    rows: int  # that have the label
    several: bool  # a row can have several classes
    majority: float  # share of the rows with the most common class
    best_column: BestColumn | None  # None for lists, splits, and fewer rows than folds
    same_as: tuple[str, ...] = ()  # columns with the same classes, whatever these are called


def describe_columns(
    table: StoredTable, name_of: Callable[[int], str]
) -> Iterator[tuple[ColumnSummary, Values | None]]:
    """Describe every column of a catalog but id and image; text and lists come with their values.

    Args:
        table: The catalog.
        name_of: Names a row, counted from 0.
    """
    for field in table.schema:
        if field.name in ("id", "image"):
            continue
        if FieldType.of(field.type) in (FieldType.NUMBER, FieldType.YEARS):
            yield _describe_numbers(table, field.name), None
        else:
            values = number_values(table, field.name, TESTS)
            yield _describe_texts(table, field.name, values, name_of), values


def count_classes(table: StoredTable, name: str, values: Values) -> Classes:
    """Return the different values of a column and the rows with each, the most common first."""
    names = texts_of(table, name, values, np.arange(len(values.counts)))
    counts = zip(names, values.counts.tolist(), strict=True)
    return tuple(sorted(counts, key=lambda pair: (-pair[1], pair[0])))


def describe_label(
    column: ColumnSummary,
    classes: Classes,
    rows: int,
    best: BestColumn | None,
    same_as: tuple[str, ...] = (),
) -> LabelSummary:
    """Describe a label that so many rows have."""
    return LabelSummary(
        name=column.name,
        classes=classes,
        rows=rows,
        several=column.type is FieldType.LIST,
        majority=classes[0][1] / rows,
        best_column=best,
        same_as=same_as,
    )


def codes_of(table: StoredTable, column: ColumnSummary, values: Values | None) -> Codes:
    """Return the code of each row, to predict with it or to predict it: shape (N,), -1 if missing.

    Numbers and years are cut into bins; lists are compared as a whole.
    """
    if column.type is FieldType.LIST:
        values = number_lists(table, column.name)
    if values is not None:
        return values.by_row(table.num_rows)
    numbers = table.column(column.name)
    if column.type is FieldType.YEARS:
        numbers = pc.struct_field(numbers, "begin")
    return binned(pc.cast(numbers, pa.float64()).to_numpy())


def no_values(classes: Classes) -> Iterator[tuple[str, int]]:
    """Yield the classes that are words for no value, with their rows."""
    for name, rows in classes:
        if name.strip(" .()[]").casefold() in _NO_VALUES:
            yield name, rows


def spellings(classes: Mapping[str, int]) -> Iterator[tuple[str, ...]]:
    """Yield the classes that differ only in case, spaces or Unicode form, the commonest first."""
    spelled: dict[str, list[str]] = {}
    for name in classes:
        plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        spelled.setdefault(plain, []).append(name)
    for names in spelled.values():
        if len(names) > 1:
            yield tuple(sorted(names, key=lambda name: (-classes[name], name)))


def _describe_numbers(table: StoredTable, name: str) -> ColumnSummary:
    values = table.column(name)
    type_ = FieldType.of(values.type)
    missing, names_rows = values.null_count, False
    if type_ is FieldType.YEARS:
        distinct = pc.count_distinct(pc.struct_field(values, "begin")).as_py()
    else:
        if pa.types.is_floating(values.type):
            missing += int(pc.sum(pc.is_nan(values)).as_py() or 0)
        rows = len(values) - missing
        known = values.filter(pc.is_finite(pc.cast(values, pa.float64())))
        distinct = pc.count_distinct(known).as_py()
        # Whole numbers without a gap: the rows, numbered.
        ends = pc.min_max(known).as_py()
        names_rows = rows > 1 and distinct == rows and ends["max"] - ends["min"] == rows - 1
    holds = "years" if type_ is FieldType.YEARS else "numbers"
    return ColumnSummary(
        name=name,
        type=type_,
        missing=missing,
        distinct=distinct,
        not_a_label=f"it holds {holds}; name it with --label to predict them",
        names_rows=names_rows or is_identifier(name),
        examples=tuple(_examples(table, name)),
    )


def _describe_texts(
    table: StoredTable, name: str, values: Values, name_of: Callable[[int], str]
) -> ColumnSummary:
    type_ = FieldType.of(table.schema.field(name).type)
    is_list = type_ is FieldType.LIST
    rows, distinct = int((np.diff(values.rows, prepend=-1) > 0).sum()), len(values.counts)
    few = texts_of(table, name, values, range(distinct)) if distinct <= _MOST_PARTS else []
    return ColumnSummary(
        name=name,
        type=type_,
        missing=table.num_rows - rows,
        distinct=distinct,
        not_a_label=_why_not_label(values, rows, few, is_list=is_list),
        names_rows=is_identifier(name) or 1 < rows < 2 * int((values.counts == 1).sum()),
        is_split=bool(few) and None not in map(part_of, few),
        examples=tuple(_examples(table, name)),
        odd=None if is_list else find_odd_values(table, name, values, name_of),
    )


def _examples(table: StoredTable, name: str) -> list[str]:
    """Return the first different values, as text of a few words."""
    texts = dict[str, None]()
    parts = (part.drop_null().slice(0, _SEARCHED) for part in table.parts(name))
    values = (value for part in parts for value in part.to_pylist())
    for value in itertools.islice(values, _SEARCHED):
        if isinstance(value, dict):  # years
            texts[f"{value['begin']} to {value['end']}"] = None
        elif isinstance(value, list):
            if known := [each for each in value if each is not None]:
                texts["|".join(known)] = None
        elif value == value:  # NaN is missing
            texts[str(value)] = None
        if len(texts) == _EXAMPLES:
            break
    return [text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..." for text in texts]


def _why_not_label(values: Values, rows: int, few: Sequence[str], *, is_list: bool) -> str | None:
    """Decide as `artsim.labels.why_not_label`, from counts, for millions of rows."""
    if not rows:
        return "no row has a value"
    if len(values.counts) == 1:
        return f"one class only: {few[0]!r}"
    several = values.counts > 1
    if is_list:  # rows that share a member with another row
        shared = len(np.unique(values.rows[several[values.codes]]))
    else:
        shared = int(values.counts[several].sum())
    if shared == 0:
        return f"all {rows:,} values are different"
    if 2 * shared < rows:
        return f"only {shared:,} of {rows:,} rows share their value with another row"
    return None
