"""The one writer of CSV files: no cell of them runs as a formula in a spreadsheet."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import IO

# What a spreadsheet runs (https://owasp.org/www-community/attacks/CSV_Injection); East Asian ones
# take the wide forms too. A negative number is none.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")


class CsvWriter:
    """Writes rows below a header to a binary stream, as RFC 4180 has it, in UTF-8.

    Text that a spreadsheet would run as a formula gets an apostrophe before it; numbers stay.
    """

    def __init__(self, stream: IO[bytes], columns: Iterable[str]) -> None:
        self._writer = csv.writer(codecs.getwriter("utf-8")(stream))
        self.write([columns])

    def write(self, rows: Iterable[Iterable[object]]) -> None:
        """Write rows; None is an empty cell."""
        self._writer.writerows(map(_inert, row) for row in rows)


def csv_text(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table as the text of a CSV file."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows(map(_inert, row) for row in (columns, *rows))
    return out.getvalue()


def csv_value(cell: str) -> str:
    """Return the value of a cell that was written by `CsvWriter`, without its apostrophe."""
    return cell[1:] if cell[:1] == "'" and _inert(cell[1:]) == cell else cell


def _inert(value: object) -> str:
    text = "" if value is None else str(value).replace("\0", "\ufffd")
    if isinstance(value, int | float) or not _FORMULA.match(text) or _NUMBER.fullmatch(text):
        return text
    return f"'{text}"
