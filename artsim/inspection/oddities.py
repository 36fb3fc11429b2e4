"""Values that read otherwise than most of their column, such as "lost" among dates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

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
    name: str, values: pa.ChunkedArray, name_of: Callable[[int], str]
) -> OddValues | None:
    """Find the values of a text column that read otherwise than at least 80% of its rows.

    Args:
        name: Of the column; one that numbers or names the rows holds no numbers.
        values: Text.
        name_of: Names a row, counted from 0.
    """
    counted = pc.value_counts(values.drop_null())
    texts, rows = counted.field("values"), counted.field("counts").to_numpy()
    if rows.sum() < _FEWEST:
        return None
    order = np.argsort(-rows, kind="stable")
    best, share, fits = "", 0.0, np.zeros(len(texts), dtype=bool)
    for kind, reading in _readings(name, texts, rows, order):
        found = rows[reading].sum() / rows.sum()
        if found >= _MOST and found > share:
            best, share, fits = kind, found, reading
    odd = order[~fits[order]].tolist()
    if not best or not odd:
        return None
    return OddValues(
        expected=best,
        rows=int(rows[odd].sum()),
        distinct=len(odd),
        values=tuple(
            _odd_value(texts[place].as_py(), int(rows[place]), values, name_of)
            for place in odd[:_SHOWN]
        ),
    )


def _readings(
    name: str, texts: pa.Array, rows: NDArray[np.int64], order: NDArray[np.int64]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield which of the distinct texts are of each kind."""
    yield "address", pc.match_substring_regex(texts, "(?i)^https?://").to_numpy(False)
    if not is_identifier(name):
        yield "number", is_number(texts).to_numpy(False)
    if not _OF_DATES.search(name):  # sizes and notes have a number that could be a year, too
        return
    tried = order[:_TRIED]
    reading = _are_dates(texts.take(pa.array(tried)))
    if len(texts) <= _READ and rows[tried][reading].sum() >= _MOST * rows[tried].sum():
        yield "date", _are_dates(texts)


def _are_dates(texts: pa.Array) -> NDArray[np.bool_]:
    return np.array([is_undated(t) or parse_years(t) is not None for t in texts.to_pylist()], bool)


def _odd_value(
    text: str, rows: int, values: pa.ChunkedArray, name_of: Callable[[int], str]
) -> OddValue:
    row = pc.index(values, pa.scalar(text, values.type)).as_py()
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return OddValue(value=shown, rows=rows, row=row + 1, id=name_of(row))
