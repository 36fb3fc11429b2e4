"""A quick check that a delimited file is whole, and a slow one that finds where it is broken."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from artsim.errors import ReaderError
from artsim.readers.delimited import decoding

if TYPE_CHECKING:
    from artsim.readers.delimited.file import DelimitedFile

_QUOTE, _LINE_END, _RETURN = b'"\n\r'


def looks_whole(file: DelimitedFile) -> bool:
    """Check quickly that text and quotes are sound; False calls for `find_fault`."""
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


def find_fault(file: DelimitedFile) -> int:
    """Read row by row, slowly, and return how many rows there are.

    Raises:
        ReaderError: At the first fault, with its row, line and column.
    """
    row, line = 1 - file.header, 1
    text: list[str] = []  # lines of the row being read

    def fault(column: int, problem: str) -> ReaderError:
        name = file.names[min(column, len(file.names) - 1)]
        where = f"row {row} (line {line})" if row else "row of column names"
        return ReaderError(f"{file.path}, {where}, column {name!r}: {problem}")

    def lines() -> Iterator[str]:
        for one in decoding.lines(file.path, file.encoding):
            text.append(one)
            yield one

    rows = csv.reader(
        lines(),
        delimiter=file.delimiter,
        quoting=csv.QUOTE_MINIMAL if file.quoted else csv.QUOTE_NONE,
        strict=True,
    )
    with decoding.field_limit():
        while True:
            try:
                values = next(rows, None)
            except csv.Error as error:
                raise fault(*_broken_value("".join(text), file.delimiter, str(error))) from None
            if values is None:
                return max(row - 1, 0)
            if sum(map(len, text)) > decoding.BLOCK:
                raise fault(0, f"a row longer than {decoding.BLOCK >> 20} MiB")
            if found := _fault_in_row(values, file):
                is_torn = found[0] == len(values) and not text[-1].endswith(("\r", "\n"))
                if file.torn_end and is_torn and len(values) < len(file.names):
                    return row
                raise fault(*found)
            row += bool(values)
            line += len(text)
            text.clear()


def _fault_in_row(values: list[str], file: DelimitedFile) -> tuple[int, str] | None:
    """Return the column where a row is wrong and what is wrong there; a blank row is not."""
    found, expected = len(values), len(file.names)
    if 0 < found < expected:
        wrong = f"the row ends after {found} of {expected} values"
        return found, f"{wrong}; is a delimiter or quote missing?"
    if found > expected:
        wrong = f"the row has {found} values for {expected} columns"
        return found, f"{wrong}; put values with delimiters in quotes"
    for column, value in enumerate(values):
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
