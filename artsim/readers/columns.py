"""The types of text columns, inferred over every value, and text converted to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import RESERVED, FieldType
from artsim.readers.years import YEARS, years_of

Parsing = Literal["text", "integer", "decimal", "list", "years"]

# A leading zero makes a code, not a number: '0042'. 15 digits are exact as float64, 18 as int64.
_INTEGER = r"^-?(?:0|[1-9][0-9]{0,17})$"
_DECIMAL = r"^-?(?:(?:0|[1-9][0-9]{0,14})(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-][0-9]+)?$"
# Words for an unknown date in a column of years.
_UNDATED = r"(?i)^(?:no date|undated|n\.? ?d\.?|s\.? ?d\.?|o\.? ?j\.?)$"
# How programs write a missing number; in a column of words these are words.
_MISSING = r"(?i)^(?:nan|null|none|na|n/a)$"

_VOCABULARY = 20_000  # distinct values examined, to distinguish lists from sentences
_SHARED = 0.75  # of the pieces between ; must occur in another value
_PIPED = 0.01  # of the values must hold a |
_SEPARATORS = ("|", ";", ",")  # the comma only where a list is declared

_IDENTIFIER = re.compile(
    r"(?:^|[^a-z])(?:ids?|uuid|guid|isbn|barcode|no|nr)(?:$|[^a-z])"
    r"|accession|inventory|signature"
    r"|(?:object|artist|constituent|item|image|museum|parent|record|term|ulan|wikidata|work)ids?$"
    r"|(?:object|catalogue?|item|museum|record)[^a-z]?num"
)


@dataclass(frozen=True)
class ColumnType:
    """How a column of text is parsed."""

    parsing: Parsing
    separator: str = ""  # between the values of a list

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of the parsed column."""
        types = {
            "text": pa.string(),
            "integer": pa.int64(),
            "decimal": pa.float64(),
            "list": pa.list_(pa.string()),
            "years": YEARS,
        }
        return types[self.parsing]


class ColumnGuess:
    """The type that a column can still have, after the values seen so far.

    A number: every value is one, and the column is not named like an identifier. A list: one value
    in a hundred or more holds ``|``, which titles and credit lines hardly ever do; or values hold
    ``;`` and come from a vocabulary (see `_is_vocabulary`), as titles do not. Everything else is
    text. A declared type is kept: ``misfits`` counts the values that do not fit and so are missing,
    ``misfit`` is the first of them, with its row (from 1).
    """

    def __init__(
        self,
        name: str,
        *,
        declared: FieldType | None = None,
        numbers: bool = True,
        separator: str | None = None,
    ) -> None:
        self._separators = _SEPARATORS if separator is None else (separator,)
        self._is_given = separator is not None
        self.misfit: tuple[int, str] | None = None
        self.misfits = 0
        self.declared = declared
        may_be_number = declared is None and numbers and not is_identifier(name)
        self._decimal = may_be_number or declared is FieldType.NUMBER
        self._integer = self._decimal
        self._numbers = 0  # real ones, without the words for a missing one
        self._rows = 0
        self._values = 0  # that are not null
        self._seen = 0  # of those, before misfits are left out
        self._holding: Counter[str] = Counter()  # values with a separator in them
        self._distinct: dict[str, None] = {}

    def add(self, column: pa.Array) -> None:
        """Take in the next values of the column, stripped strings or null."""
        values = column.drop_null()
        if self.declared is FieldType.NUMBER:
            fits = pc.match_substring_regex(column, f"{_INTEGER}|{_DECIMAL}|{_MISSING}")
            self._note_misfits(column, fits)
            values = column.filter(fits)
        elif self.declared is FieldType.YEARS:
            undated = pc.match_substring_regex(column, _UNDATED)
            self._note_misfits(column, pc.or_(undated, years_of(column).is_valid()))
        if self._decimal and len(values):
            self._add_numbers(values)
        if not self._decimal and self.declared in (None, FieldType.LIST):
            for separator in self._separators:
                self._holding[separator] += _count(pc.match_substring(values, separator))
            if len(self._distinct) < _VOCABULARY:
                self._distinct.update(dict.fromkeys(pc.unique(values).to_pylist()))
        self._values += len(values)
        self._rows += len(column)

    def decide(self) -> ColumnType:
        """Return the type that fits every value."""
        if self.declared in (FieldType.TEXT, FieldType.YEARS):
            return ColumnType("text" if self.declared is FieldType.TEXT else "years")
        if self.declared is FieldType.LIST:
            held = (separator for separator in self._separators if self._holding[separator])
            return ColumnType("list", next(held, self._separators[0]))
        if self.declared is FieldType.NUMBER or (self._numbers and self._decimal):
            return ColumnType("integer" if self._integer else "decimal")
        if self._is_given:
            separator = self._separators[0]
            is_list = self._holding[separator] > 0
            return ColumnType("list", separator) if is_list else ColumnType("text")
        if self._holding["|"] >= max(1, _PIPED * self._values):
            return ColumnType("list", "|")
        for separator in "|;":
            if self._holding[separator] and _is_vocabulary(self._distinct, separator):
                return ColumnType("list", separator)
        return ColumnType("text")

    @property
    def fits_none(self) -> bool:
        """Whether no value at all is of the declared type."""
        return self.misfits > 0 and self.misfits == self._seen

    def _note_misfits(self, column: pa.Array, fits: pa.Array) -> None:
        fits = pc.fill_null(fits, True)
        self._seen += len(column) - column.null_count
        self.misfits += _count(pc.invert(fits))
        first = pc.index(fits, False).as_py()
        if first >= 0 and self.misfit is None:
            self.misfit = self._rows + first + 1, column[first].as_py()

    def _add_numbers(self, values: pa.Array) -> None:
        missing = pc.match_substring_regex(values, f"{_MISSING}|{_UNDATED}")
        integer = pc.match_substring_regex(values, _INTEGER)
        decimal = pc.match_substring_regex(values, _DECIMAL)
        self._integer &= pc.all(pc.or_(integer, missing)).as_py()
        self._decimal &= pc.all(pc.or_(decimal, pc.or_(integer, missing))).as_py()
        self._numbers += _count(pc.or_(integer, decimal))


def is_identifier(name: str) -> bool:
    """Return whether a column of this name identifies rows rather than measures them."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return _IDENTIFIER.search(words) is not None or _IDENTIFIER.search(name.lower()) is not None


def field_names(names: Sequence[str]) -> list[str]:
    """Name the metadata columns: one with a name that artsim reserves becomes NAME_catalog.

    Case is ignored, as in SQL.
    """
    fields: list[str] = []
    for name in names:
        field = f"{name}_catalog" if name.lower() in RESERVED else name
        while field in fields or (field != name and field in names):
            field += "_"
        fields.append(field)
    return fields


def convert(column: pa.Array, type_: ColumnType) -> pa.Array:
    """Parse stripped strings; those that do not fit the type are missing."""
    if type_.parsing == "list":
        return split_list(column, type_.separator, keep_places=type_.separator == "|")
    if type_.parsing == "years":
        return years_of(column)
    if type_.parsing in ("integer", "decimal"):
        is_number = pc.match_substring_regex(column, f"{_INTEGER}|{_DECIMAL}")
        column = pc.if_else(is_number, column, pa.scalar(None, pa.string()))
    return pc.cast(column, type_.arrow)


def split_list(column: pa.Array, separator: str, *, keep_places: bool = False) -> pa.Array:
    """Split every string into a list of stripped values; null where none is left.

    Empty values are left out, or are null in their places with ``keep_places``: ``|publisher``
    beside ``Artist A|Printer C`` is the role of the second.
    """
    lists = pc.split_pattern(column, separator)
    if not keep_places:
        return strip_lists(lists)
    rows = ([text.strip() or None for text in row or ()] for row in lists.to_pylist())
    return pa.array([row if any(row) else None for row in rows], pa.list_(pa.string()))


def strip_lists(lists: pa.Array) -> pa.Array:
    """Strip the values of every list and leave out empty ones; null where none is left."""
    values = pc.utf8_trim_whitespace(lists.flatten())
    is_value = pc.not_equal(values, "")
    rows = pc.filter(pc.list_parent_indices(lists), is_value).to_numpy()
    lengths = np.bincount(rows, minlength=len(lists))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), values.filter(is_value), mask=pa.array(lengths == 0)
    )


def _is_vocabulary(values: Iterable[str], separator: str) -> bool:
    """Distinguish lists of terms from sentences that happen to contain the separator.

    Terms occur again in other combinations, halves of a title do not: three quarters of the pieces
    must occur in another value, alone or combined. Distinct values, because thirty prints can have
    the same title.
    """
    pieces = [{piece.strip() for piece in value.split(separator)} - {""} for value in values]
    counts = Counter(piece for value in pieces for piece in value)
    combined = [piece for value in pieces if len(value) > 1 for piece in value]
    return sum(counts[piece] > 1 for piece in combined) >= _SHARED * max(1, len(combined))


def _count(mask: pa.Array) -> int:
    count: int | None = pc.sum(mask).as_py()
    return count or 0
