"""Values that read otherwise than most of their column, such as "lost" among dates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.inspection.coding import Values, texts_of
from artsim.inspection.stored import StoredTable
from artsim.readers import is_identifier, is_number
from artsim.readers.years import is_undated, parse_years

_OF_DATES = re.compile(r"(?i)dat(?:e|um|ing|ier|azione)|year|jahr|jaar|ann[eéo]|\bdata\b")
_MOST = 0.8  # of the rows with a value
_FEWEST = 5  # rows with a value
_TRIED = 200  # distinct values that are read as dates first, as that is slow
_READ = 20_000  # at most, if most of those are dates
_SHOWN = 5  # odd values of a column
_LONGEST = 60  # letters of a value


@dataclass(frozen=True, kw_only=True)
class OddValue:
    """A value that is not what most are."""

    value: str  # shortened
    rows: int  # that have it
    row: int  # the first, from 1
    id: str  # of that row


@dataclass(frozen=True, kw_only=True)
class OddValues:
    """The values of a column that are not what most are."""

    expected: str  # address, number or date
    rows: int  # with a value that is none
    distinct: int  # of these values
    values: tuple[OddValue, ...]  # the most common first


def find_odd_values(
    table: StoredTable, name: str, values: Values, name_of: Callable[[int], str]
) -> OddValues | None:
    """Find the values of a text column that read otherwise than at least 80% of its rows.

    Args:
        table: Holds the column.
        name: Of the column; one that numbers or names the rows holds no numbers.
        values: Of the column, numbered with `TESTS`.
        name_of: Names a row, counted from 0.
    """
    rows = values.counts
    if rows.sum() < _FEWEST:
        return None
    order = np.argsort(-rows, kind="stable")
    best, share, fits = "", 0.0, np.zeros(len(rows), dtype=bool)
    for kind, reading in _readings(table, name, values, order):
        found = rows[reading].sum() / rows.sum()
        if found >= _MOST and found > share:
            best, share, fits = kind, found, reading
    odd = order[~fits[order]]
    if not best or not len(odd):
        return None
    shown = odd[:_SHOWN]
    return OddValues(
        expected=best,
        rows=int(rows[odd].sum()),
        distinct=len(odd),
        values=tuple(
            OddValue(
                value=text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...",
                rows=int(rows[code]),
                row=int(row) + 1,
                id=name_of(int(row)),
            )
            for text, code, row in zip(
                texts_of(table, name, values, shown),
                shown,
                values.rows[values.first[shown]],
                strict=True,
            )
        ),
    )


def _readings(
    table: StoredTable, name: str, values: Values, order: NDArray[np.int64]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield which of the different values are of each kind, each of shape (K,)."""
    yield "address", values.passed["address"]
    if not is_identifier(name):
        yield "number", values.passed["number"]
    if not _OF_DATES.search(name):  # sizes and notes have a number that could be a year, too
        return
    tried, rows = order[:_TRIED], values.counts
    reading = _are_dates(texts_of(table, name, values, tried))
    if len(rows) <= _READ and rows[tried][reading].sum() >= _MOST * rows[tried].sum():
        yield "date", _are_dates(texts_of(table, name, values, np.arange(len(rows))))


def _are_dates(texts: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([is_undated(text) or parse_years(text) is not None for text in texts], bool)


def _is_address(texts: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.match_substring_regex(texts, "(?i)^https?://"))


def _is_number(texts: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(is_number(texts))


TESTS = {"address": _is_address, "number": _is_number}  # of values, as they are numbered
