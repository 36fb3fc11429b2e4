"""The first row of a delimited file: its delimiter and the names of the columns."""

from __future__ import annotations

import csv
import itertools
import re
from pathlib import Path

from artsim.errors import ReaderError
from artsim.readers.delimited import decoding


def column_names(path: Path) -> tuple[str, ...]:
    """Read the column names of a file; none if it is not a delimited one."""
    try:
        head = first_row(path, decoding.encoding_of(path, None), None)
        return checked_names(path, head[1], decoding.UTF8) if head else ()
    except (OSError, UnicodeError, ReaderError):
        return ()


def first_row(path: Path, encoding: str, delimiter: str | None) -> tuple[str, list[str]] | None:
    """Return the delimiter and the first row's values, or None for a file without any."""
    lines = decoding.lines(path, encoding)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return None
    delimiter = delimiter or _delimiter(path, first)
    rows = csv.reader(itertools.chain([first], lines), delimiter=delimiter)
    try:
        with decoding.field_limit():
            return delimiter, [value.strip() for value in next(rows)]
    except csv.Error as error:
        raise ReaderError(f"{path}, row of column names: its quotes do not pair up") from error


def checked_names(path: Path, values: list[str], encoding: str) -> tuple[str, ...]:
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


def _delimiter(path: Path, line: str) -> str:
    """Find the delimiter by counting outside quotes; Excel writes ; in much of Europe."""
    bare = re.sub('"[^"]*"', "", line)
    if path.suffix.lower() in (".tsv", ".tab") and "\t" in bare:
        return "\t"
    return max(",;\t|", key=bare.count)
