"""CSV files that spreadsheets open: RFC 4180, in UTF-8 with its mark."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from artsim.report.captions import as_text
from artsim.search import Match

_MARK = "\ufeff"  # at the start: spreadsheets recognize UTF-8 by it

# What a spreadsheet runs as a formula (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Write a table.

    Text that a spreadsheet would run as a formula gets an apostrophe before it; numbers stay.
    """
    out = io.StringIO()
    out.write(_MARK)
    writer = csv.writer(out)
    writer.writerow(map(_inert, columns))
    writer.writerows(map(_inert, row) for row in rows)
    return out.getvalue()


def matches_csv(matches: Sequence[Match]) -> str:
    """Write a row per match: rank, score, percentile, each aspect, id, image, the record.

    A column of the record with the name of one before it becomes NAME_catalog.
    """
    aspects = list(dict.fromkeys(name for match in matches for name in match.shares))
    fields = list(dict.fromkeys(name for match in matches for name in match.metadata))
    boxed = any(match.box is not None for match in matches)
    own = ["rank", "score", "percentile", *aspects, "id", "image", *(["box"] if boxed else [])]
    names = [f"{name}_catalog" if name in own else name for name in fields]
    rows = (
        [
            match.rank,
            *map(_short, (match.score, match.percentile, *map(match.shares.get, aspects))),
            match.id,
            match.image,
            *([match.box and str(match.box)] if boxed else []),
            *map(match.metadata.get, fields),
        ]
        for match in matches
    )
    return csv_text([*own, *names], rows)


def _short(number: float | None) -> float | None:
    return None if number is None else round(number, 6)


def _inert(value: object) -> str:
    text = as_text(value)
    is_number = isinstance(value, int | float)
    return f"'{text}" if text.startswith(_FORMULA) and not is_number else text
