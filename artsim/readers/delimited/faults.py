"""A quick check that a delimited file is whole, and a slow one that finds where it is broken."""

from __future__ import annotations

import csv
import itertools
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Self

import numpy as np

from artsim.readers.delimited import decoding

if TYPE_CHECKING:
    from artsim.readers.delimited.file import DelimitedFile

_QUOTE, _LINE_END, _RETURN = b'"\n\r'
_ENDS = ("\r", "\n")


def looks_whole(file: DelimitedFile) -> bool:
    """Check quickly that text and quotes are sound; False calls for `read_rows`."""
    try:
        return quotes_pair_up(decoding.utf8_blocks(file.path, file.encoding), ord(file.delimiter))
    except UnicodeError:
        return False


def quotes_pair_up(blocks: Iterator[bytes], delimiter: int) -> bool:
    """Return whether quotes open only where a value begins and close only where it ends.

    Quotes alternate between opening and closing; a doubled one inside a value closes and opens
    again on the spot. So it is enough to look at the byte before each opening quote and after
    each closing one. Rows too long to be read make it False as well.
    """
    beside = np.frombuffer(bytes((delimiter, _LINE_END, _RETURN, _QUOTE)), dtype=np.uint8)
    is_open, before, held, row = 0, _LINE_END, b"", 0
    for block in itertools.chain(blocks, [b"\n"]):
        if b"\0" in block or len(held) > decoding.BLOCK:
            return False
        data = held + block
        whole = data.rstrip(b'"')  # a quote at the end waits for the byte that follows it
        held = data[len(whole) :]
        if not whole:
            continue
        text = np.frombuffer(whole, dtype=np.uint8)
        quotes = np.flatnonzero(text == _QUOTE)
        opening = (np.arange(len(quotes)) + is_open) % 2 == 0
        previous = np.where(quotes == 0, before, text[quotes - 1])
        neighbors = np.where(opening, previous, text[(quotes + 1) % len(text)])
        if not np.isin(neighbors, beside).all():
            return False
        line_ends = np.flatnonzero(text == _LINE_END)
        row_ends = line_ends[(np.searchsorted(quotes, line_ends) + is_open) % 2 == 0]
        row = len(text) - row_ends[-1] if len(row_ends) else row + len(text)
        if row > decoding.BLOCK:  # pyarrow would hold on to a value that never ends
            return False
        is_open = (is_open + len(quotes)) % 2
        before = whole[-1]
    return not is_open


@dataclass(frozen=True)
class Fault:
    """A row that cannot be read."""

    message: str  # with the file, the row and the column
    is_encoding: bool = False


def read_rows(file: DelimitedFile) -> Iterator[list[str] | Fault]:
    """Read row by row, slowly; a bad row is its fault, and the reading goes on after it.

    Rows have a value for every column, and blank ones are left out. Where quotes do not pair up the
    reading goes on in the next line, because the row may have swallowed many.
    """
    row, line = 1 - file.header, 1
    lines = _Lines(islice(decoding.lines(file.path, file.encoding), file.above, None))

    def fault(column: int, problem: str) -> str:
        name = file.names[min(column, len(file.names) - 1)]
        where = f"row {row} (line {file.above + line})" if row else "row of column names"
        return f"{file.path}, {where}, column {name!r}: {problem}"

    rows = csv.reader(
        lines,
        delimiter=file.delimiter,
        quoting=csv.QUOTE_MINIMAL if file.quoted else csv.QUOTE_NONE,
        strict=True,
    )
    while True:
        text = lines.start_row()
        found: tuple[int, str] | None = None
        try:
            with decoding.field_limit():
                values = next(rows, None)
        except csv.Error as error:
            values, found = [], _broken_value("".join(text), file.delimiter, str(error))
            lines.go_back(1)
        if values is None:
            return
        if sum(map(len, text)) > decoding.BLOCK:
            found = 0, f"a row longer than {decoding.BLOCK >> 20} MiB"
        found = found or _fault_in_row(values, file)
        short = len(file.names) - len(values)
        if found and found[0] == len(values) and file.torn_end and not text[-1].endswith(_ENDS):
            yield values + [""] * short
        elif found:
            yield Fault(fault(*found), found[1].startswith(decoding.NOT_ENCODED))
        elif row and any(values):
            yield values[: len(file.names)]
        row += bool("".join(text).strip())
        line += len(text)


@dataclass(frozen=True)
class Survey:
    """How many rows of a file are sound, and which are not."""

    rows: int  # sound ones
    foreign: int  # of these, with letters beyond ASCII
    faults: int
    torn: int  # of these, in another encoding
    first: Fault | None
    first_torn: Fault | None


def survey(file: DelimitedFile) -> Survey:
    """Read a whole file row by row, slowly, and count."""
    rows = foreign = faults = torn = 0
    first: Fault | None = None
    first_torn: Fault | None = None
    for row in read_rows(file):
        if isinstance(row, Fault):
            faults, torn = faults + 1, torn + row.is_encoding
            first = first or row
            first_torn = first_torn or (row if row.is_encoding else None)
        else:
            rows, foreign = rows + 1, foreign + (not "".join(row).isascii())
    return Survey(rows, foreign, faults, torn, first, first_torn)


class _Lines:
    """Lines that can be read again: a generator that has ended would not go on."""

    def __init__(self, source: Iterator[str]) -> None:
        self._source, self._again = source, deque[str]()
        self._row: list[str] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._source)
        self._row.append(line)
        return line

    def start_row(self) -> list[str]:
        """Return the list that receives the lines of the next row."""
        self._row = []
        return self._row

    def go_back(self, kept: int) -> None:
        """Read the lines of the row again, but for the first ones."""
        self._again.extendleft(reversed(self._row[kept:]))
        del self._row[kept:]


def _fault_in_row(values: list[str], file: DelimitedFile) -> tuple[int, str] | None:
    """Return the column where a row is wrong and what is wrong there.

    A blank row is not, nor are empty values beyond the last column, as some programs write.
    """
    found, expected = len(values), len(file.names)
    if found < expected and any(value.strip() for value in values):
        wrong = f"the row ends after {found} of {expected} values"
        return found, f"{wrong}; is a delimiter or quote missing?"
    if any(value.strip() for value in values[expected:]):
        wrong = f"the row has {found} values for {expected} columns"
        return expected, f"{wrong}; put values with delimiters in quotes"
    for column, value in enumerate(values[:expected]):
        if problem := decoding.problem_in_value(value, file.encoding):
            return column, problem
    return None


def _broken_value(text: str, delimiter: str, error: str) -> tuple[int, str]:
    """Return the column whose quotes end a row wrongly, and what is wrong."""
    if "field limit" in error:
        problem = f"a value longer than {decoding.BLOCK >> 20} MiB, probably a quote left open"
    else:
        problem = "quotes that do not pair up; write a quote inside a value twice and quote it all"
    value = re.compile(
        '(?:"(?:[^"]++|"")*+"|[^"D\r\n][^D\r\n]*|)(?=[D\r\n]|$)'.replace("D", delimiter)
    )
    column = at = 0
    while (match := value.match(text, at)) and text[match.end() : match.end() + 1] == delimiter:
        column, at = column + 1, match.end() + 1
    return column, problem
