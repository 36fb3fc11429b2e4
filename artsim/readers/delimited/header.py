"""The row of column names of a delimited file, and what exports write above it."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from artsim.errors import ReaderError
from artsim.readers.delimited import decoding
from artsim.readers.pictures import is_picture, is_url

_TOP = 20  # lines among which the column names are
_LONGEST = 100  # characters of a column's name
_SEPARATOR = re.compile(r'"?sep=(?P<delimiter>.)"?[,;\s]*', re.IGNORECASE)  # Excel's own line


@dataclass(frozen=True)
class Header:
    """The row of column names."""

    delimiter: str
    values: tuple[str, ...] = ()  # none if the file has no row
    above: tuple[str, ...] = ()  # lines that it stands below: a title, sep=;, blank ones

    @property
    def note(self) -> str | None:
        """What is left out because it stands above the names."""
        titles = [line for line in self.above if line.strip(",;\t| ")]
        titles = [line for line in titles if not _SEPARATOR.fullmatch(line)]
        if not titles:
            return None
        return f"what stands above the column names is left out: {', '.join(map(repr, titles))}"


def column_names(path: Path) -> tuple[str, ...]:
    """Read the column names of a file; none if it is not a delimited one."""
    try:
        header = find_header(path, decoding.encoding_of(path, None), None)
        return checked_names(path, header.values, decoding.UTF8)
    except (OSError, UnicodeError, ReaderError):
        return ()


def find_header(path: Path, encoding: str, delimiter: str | None) -> Header:
    """Find the row of column names, and the delimiter if it is not given.

    It is the first row unless those above have at most half as many values, as titles have, or
    fewer and a blank line below them.

    Raises:
        ReaderError: If its quotes do not pair up.
    """
    lines = decoding.lines(path, encoding)
    top = list(islice(lines, _TOP))
    separator = _SEPARATOR.fullmatch(top[0].strip("\r\n")) if top else None
    if separator and delimiter is None:
        delimiter = separator["delimiter"]
    place = _place(path, top, delimiter, first=1 if separator else 0)
    if place == len(top):
        return Header(delimiter or ",")
    delimiter = delimiter or _delimiter(path, top[place])
    rows = csv.reader(itertools.chain(top[place:], lines), delimiter=delimiter)
    try:
        with decoding.field_limit():
            values = tuple(value.strip() for value in next(rows))
    except csv.Error as error:
        raise ReaderError(f"{path}, row of column names: its quotes do not pair up") from error
    return Header(delimiter, values, tuple(line.strip() for line in top[:place]))


def checked_names(path: Path, values: Iterable[str], encoding: str) -> tuple[str, ...]:
    """Check the header; a column without a name, as R and pandas write, is numbered."""
    names = [name or f"unnamed_{number}" for number, name in enumerate(values, 1)]
    for number, name in enumerate(names, 1):
        if name in names[: number - 1]:
            raise ReaderError(
                f"{path} has two columns named {name!r} (columns {names.index(name) + 1} and "
                f"{number}); rename one"
            )
        if problem := decoding.problem_in_value(name, encoding):
            raise ReaderError(f"{path}, row of column names, column {number}: {problem}")
    return tuple(names)


def _place(path: Path, top: list[str], delimiter: str | None, first: int) -> int:
    """Return which line has the names: the first that is not blank, if no other looks like it."""
    lines = [place for place in range(first, len(top)) if top[place].strip()]
    above: list[list[str]] = []
    for place, below in itertools.pairwise(lines):
        own = delimiter or _delimiter(path, top[place])
        row = _cells(top[place], own)
        least = 3 if any(len(each) == len(row) for each in above) else 2
        most = len(row) - 1 if place and not top[place - 1].strip() else len(row) // 2
        stands_out = all(sum(map(bool, each)) <= most for each in above)
        goes_on = len(_cells(top[below], own)) == len(row)
        if len(row) >= least and stands_out and goes_on and _are_names(row):
            return place
        above.append(row)
    return lines[0] if lines else len(top)


def _cells(line: str, delimiter: str) -> list[str]:
    with decoding.field_limit():
        try:
            return [value.strip() for value in next(csv.reader([line], delimiter=delimiter), [])]
        except csv.Error:
            return []


def _are_names(row: list[str]) -> bool:
    return len(set(row)) == len(row) and all(
        0 < len(cell) <= _LONGEST
        and not re.fullmatch(r"[+-]?[\d.,]+", cell)
        and not is_url(cell)
        and not is_picture(cell)
        for cell in row
    )


def _delimiter(path: Path, line: str) -> str:
    """Find the delimiter by counting outside quotes; Excel writes ; in much of Europe."""
    bare = re.sub('"[^"]*"', "", line)
    if path.suffix.lower() in (".tsv", ".tab") and "\t" in bare:
        return "\t"
    return max(",;\t|", key=bare.count)
