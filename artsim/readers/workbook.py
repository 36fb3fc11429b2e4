"""Excel workbooks (.xlsx): the rows of the first sheet that has any, as text."""

from __future__ import annotations

import datetime
import itertools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from artsim.errors import ReaderError
from artsim.places import is_remote
from artsim.readers.batches import batched
from artsim.readers.delimited import clean

SUFFIX = ".xlsx"


@dataclass(frozen=True)
class Workbook:
    """The sheet that is read, and the names of its columns, from the first row with a value."""

    path: Path
    sheet: str
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what is left out

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows below the names: stripped text or null, no blank rows."""
        with _opened(self.path) as book:
            rows = _rows(book[self.sheet])
            next(rows)
            count = len(self.names)
            for some in batched(rows, lambda row: sum(len(cell or "") for cell in row)):
                full = [(*row, *[None] * count)[:count] for row in some]
                columns = [
                    clean(pa.array(column, pa.string())) for column in zip(*full, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(columns, names=list(self.names))


def open_workbook(path: Path) -> Workbook:
    """Open the first sheet that has rows.

    Raises:
        ReaderError: If openpyxl is not installed, the file is no workbook or has no row, or a
            column has no name or that of another.
    """
    with _opened(path) as book:
        starts = {name: list(itertools.islice(_rows(book[name]), 2)) for name in book.sheetnames}
    filled = [name for name, rows in starts.items() if rows]
    if not filled:
        raise ReaderError(f"{path} is empty; expected a row of column names and rows below it")
    names = [name or "" for name in starts[filled[0]][0]]
    while names and not names[-1].strip():
        names.pop()
    names = [" ".join(name.split()) for name in names]
    for place, name in enumerate(names, 1):
        if not name or names.index(name) + 1 != place:
            problem = f"the name {name!r} of another" if name else "no name"
            raise ReaderError(f"{path}, sheet {filled[0]!r}: column {place} has {problem}; name it")
    others = ", ".join(filled[1:])
    notes = (f"other sheets of {path.name} are not read: {others}",) if others else ()
    return Workbook(path, filled[0], tuple(names), notes)


def _opened(path: Path) -> Any:
    """Open a workbook in openpyxl, to be closed at the end of ``with``."""
    try:
        import openpyxl
    except ImportError as error:
        raise ReaderError(
            f"{path} needs openpyxl: pip install 'artsim[excel]', or save it as CSV in UTF-8"
        ) from error
    from contextlib import closing

    try:
        source = path.open("rb") if is_remote(path) else path
        return closing(openpyxl.load_workbook(source, read_only=True, data_only=True))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        problem = " ".join(str(error).split())
        raise ReaderError(f"{path} is no Excel workbook ({problem}); save it as .xlsx") from error


def _rows(sheet: Any) -> Iterator[list[str | None]]:
    for values in sheet.iter_rows(values_only=True) if hasattr(sheet, "iter_rows") else ():
        row = [_text(value) for value in values]
        if any(row):
            yield row


def _text(value: Any) -> str | None:
    """Write a cell as people do: whole numbers without a point, days without hours."""
    if value is None:
        return None
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)
