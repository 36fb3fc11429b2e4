"""The types of text columns, inferred over every value, and text converted to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import RESERVED, FieldType
from artsim.errors import ReaderError
from artsim.readers import numbers
from artsim.readers.years import YEARS, years_of

Parsing = Literal["text", "integer", "decimal", "list", "years"]

# Words for an unknown date in a column of years.
_UNDATED = r"(?i)^(?:no date|undated|n\.? ?d\.?|s\.? ?d\.?|o\.? ?j\.?)$"
# How programs write a missing number; in a column of words these are words.
_MISSING = "(?i)^(?:nan|null|none|na|n/a)$"

# Distinct values examined, to distinguish lists from sentences, and their characters.
_VOCABULARY, _CHARACTERS = 20_000, 32 << 20
_SHARED = {"|": 0.5, ";": 0.75}  # of the pieces between them must occur in another value
_MOST = 0.5  # of the values hold a |: all are lists
_SEPARATORS = ("|", ";", ",")  # the comma only where a list is declared
_LISTED = 30  # columns named in a message

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

    A number: every value prints back the same from one (see `numbers`), and the column is not named
    like an identifier; ``lookalike`` is the first that is a number and does not. A list: most
    values hold ``|``; or some hold ``|`` or ``;`` and come from a vocabulary (see
    `_is_vocabulary`), as titles and credit lines do not. Everything else is text. A declared type
    is kept: ``misfits`` counts the values that do not fit and so are missing, ``misfit`` is the
    first of them, with its row (from 1).
    """

    def __init__(
        self,
        name: str,
        *,
        declared: FieldType | None = None,
        may_be_number: bool = True,
        separator: str | None = None,
        null: Collection[str] = (),
    ) -> None:
        self._missing = "|".join((_MISSING, *(f"^{re.escape(word)}$" for word in null)))
        self._separators = _SEPARATORS if separator is None else (separator,)
        self._is_given = separator is not None
        self.misfit: tuple[int, str] | None = None
        self.misfits = 0
        self.declared = declared
        may_be_number = declared is None and may_be_number and not is_identifier(name)
        self._number = may_be_number or declared is FieldType.NUMBER  # in any spelling
        self._decimal = self._integer = self._number
        self._numbers = 0  # real ones, without the words for a missing one
        # with their rows, the first number that does not print back, 12 and 12.0
        self._odd: tuple[int, str] | None = None
        self._bare: tuple[int, str] | None = None
        self._round: tuple[int, str] | None = None
        self._rows = 0
        self._values = 0  # that are not null
        self._seen = 0  # of those, before misfits are left out
        self._holding: Counter[str] = Counter()  # values with a separator in them
        self._distinct: dict[str, None] = {}
        self._characters = 0  # of these

    def add(self, column: pa.Array) -> None:
        """Take in the next values of the column, stripped strings or null."""
        values = column.drop_null()
        if self.declared is FieldType.NUMBER:
            missing = pc.match_substring_regex(column, self._missing)
            fits = pc.or_(numbers.is_number(column), missing)
            self._note_misfits(column, fits)
            values = column.filter(fits)
        elif self.declared is FieldType.YEARS:
            undated = pc.match_substring_regex(column, f"{self._missing}|{_UNDATED}")
            self._note_misfits(column, pc.or_(undated, years_of(column).is_valid()))
        if self._number and len(values):
            self._add_numbers(column)
        if not self._decimal and self.declared in (None, FieldType.LIST):
            for separator in self._separators:
                self._holding[separator] += _count(pc.match_substring(values, separator))
            if len(self._distinct) < _VOCABULARY and self._characters < _CHARACTERS:
                some = pc.unique(values).to_pylist()
                new = dict.fromkeys(value for value in some if value not in self._distinct)
                self._characters += sum(map(len, new))
                self._distinct |= new
        self._values += len(values)
        self._rows += len(column)

    def decide(self) -> ColumnType:
        """Return the type that fits every value."""
        if self.declared in (FieldType.TEXT, FieldType.YEARS):
            return ColumnType("text" if self.declared is FieldType.TEXT else "years")
        if self.declared is FieldType.LIST:
            held = (separator for separator in self._separators if self._holding[separator])
            return ColumnType("list", next(held, self._separators[0]))
        is_number = self._numbers and self._decimal and self.lookalike is None
        if self.declared is FieldType.NUMBER or is_number:
            return ColumnType("integer" if self._integer else "decimal")
        if self._is_given:
            separator = self._separators[0]
            is_list = self._holding[separator] > 0
            return ColumnType("list", separator) if is_list else ColumnType("text")
        if self._holding["|"] >= max(1, _MOST * self._values):
            return ColumnType("list", "|")
        for separator, shared in _SHARED.items():
            if self._holding[separator] and _is_vocabulary(self._distinct, separator, shared):
                return ColumnType("list", separator)
        return ColumnType("text")

    @property
    def fits_none(self) -> bool:
        """Whether no value at all is of the declared type."""
        return self.misfits > 0 and self.misfits == self._seen

    @property
    def lookalike(self) -> tuple[int, str] | None:
        """The first number, with its row, for which a column of numbers alone stays text."""
        if not self._number or not self._numbers or self.declared is not None:
            return None
        return self._odd or (self._round if self._bare else None)

    def _note_misfits(self, column: pa.Array, fits: pa.Array) -> None:
        fits = pc.fill_null(fits, True)
        self._seen += len(column) - column.null_count
        self.misfits += _count(pc.invert(fits))
        self.misfit = self.misfit or self._first(column, pc.invert(fits))

    def _add_numbers(self, column: pa.Array) -> None:
        missing = pc.match_substring_regex(column, f"{self._missing}|{_UNDATED}")
        number, integer = numbers.is_number(column), numbers.is_integer(column)
        self._numbers += _count(number)
        if self.declared is FieldType.NUMBER:
            whole = pc.match_substring_regex(column, r"^[+-]?[0-9]{1,18}$")
            self._integer &= _all(pc.or_(whole, pc.invert(number)))
            return
        self._number &= _all(pc.or_(number, missing))
        self._integer &= _all(pc.or_(integer, missing))
        fits = pc.or_(integer, numbers.is_decimal(column))
        self._decimal &= _all(pc.or_(fits, missing))
        self._odd = self._odd or self._first(column, pc.and_not(number, fits))
        self._bare = self._bare or self._first(column, integer)
        self._round = self._round or self._first(column, pc.ends_with(column, ".0"))

    def _first(self, column: pa.Array, mask: pa.Array) -> tuple[int, str] | None:
        """Return the first value of the mask, with its row."""
        place = pc.index(mask, True).as_py()
        return None if place < 0 else (self._rows + place + 1, column[place].as_py())


def declared_types(
    where: Path | str, names: Collection[str], types: Mapping[str, str]
) -> dict[str, FieldType]:
    """Check the types that the user declares.

    Raises:
        ReaderError: If a column or a type does not exist; the message lists those that do.
    """
    for name, type_ in types.items():
        if name not in names:
            raise ReaderError(
                f"{where} has no column named {name!r} to be of type {type_}; its columns are "
                f"{', '.join(list(names)[:_LISTED])}"
            )
        if type_ not in set(FieldType):
            raise ReaderError(
                f"no type named {type_!r} for column {name!r}; choose from {', '.join(FieldType)}"
            )
    return {name: FieldType(type_) for name, type_ in types.items()}


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
        return numbers.parse(column, type_.arrow)
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


def _is_vocabulary(values: Iterable[str], separator: str, shared: float) -> bool:
    """Distinguish lists of terms from sentences that happen to contain the separator.

    Terms occur again in other combinations, halves of a title do not: a share of the pieces must
    occur in another value, alone or combined. Distinct values, because thirty prints can have
    the same title.
    """
    pieces = [{piece.strip() for piece in value.split(separator)} - {""} for value in values]
    counts = Counter(piece for value in pieces for piece in value)
    combined = [piece for value in pieces if len(value) > 1 for piece in value]
    return sum(counts[piece] > 1 for piece in combined) >= shared * max(1, len(combined))


def _all(mask: pa.Array) -> bool:
    return pc.all(mask).as_py() is not False


def _count(mask: pa.Array) -> int:
    count: int | None = pc.sum(mask).as_py()
    return count or 0
