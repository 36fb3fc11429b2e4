"""Matches as a CSV file that spreadsheets open: RFC 4180, in UTF-8 with its mark."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from artsim.errors import StoreError
from artsim.report.answers import Found, as_text

__all__ = ["csv_text", "save_csv"]

_MARK = "\ufeff"  # at the start: what spreadsheets know UTF-8 by

# What a spreadsheet would run as a formula (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(matches: Sequence[Found]) -> str:
    """Write a row a match: rank, score, percentile, a column an aspect, id, image, the record.

    A column of the record that is called like one before it becomes NAME_catalog. Text that a
    spreadsheet would run as a formula gets an apostrophe before it; numbers stay.
    """
    aspects = list(dict.fromkeys(name for match in matches for name in match.shares))
    fields = list(dict.fromkeys(name for match in matches for name in match.metadata))
    boxed = any(match.box is not None for match in matches)
    out = io.StringIO()
    out.write(_MARK)
    rows = csv.writer(out)
    own = ["rank", "score", "percentile", *aspects, "id", "image", *(["box"] if boxed else [])]
    names = (f"{name}_catalog" if name in own else name for name in fields)
    rows.writerow([*own, *map(_inert, names)])
    for match in matches:
        numbers = (match.percentile, *(match.shares.get(name) for name in aspects))
        box = [None if match.box is None else str(match.box)] if boxed else []
        values = (match.name, match.image, *box, *map(match.metadata.get, fields))
        rows.writerow(
            [
                match.rank,
                f"{match.score:.6f}",
                *("" if number is None else f"{number:.6g}" for number in numbers),
                *map(_inert, values),
            ]
        )
    return out.getvalue()


def save_csv(matches: Sequence[Found], path: Path) -> None:
    """Write what `csv_text` gives to a file.

    Raises:
        StoreError: If the file cannot be written.
    """
    try:
        path.write_text(csv_text(matches), encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(f"cannot write {str(path)!r}: {reason}; name another file") from error


def _inert(value: object) -> str:
    text = as_text(value)
    return f"'{text}" if text.startswith(_FORMULA) and not isinstance(value, int | float) else text
