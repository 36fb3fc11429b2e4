"""CSV files that spreadsheets open: RFC 4180, in UTF-8 with its mark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from artsim.datatypes import as_text
from artsim.search import Match, Query
from artsim.store import csv_text

_MARK = "\ufeff"  # at the start: spreadsheets recognize UTF-8 by it


def spreadsheet(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Write a table, its lists and years as people write them."""
    return _MARK + csv_text(columns, (map(as_text, row) for row in rows))


def matches_csv(matches: Sequence[Match]) -> str:
    """Write a row per match: rank, score, percentile, the cosines, id, image, the record.

    A column of the record with the name of one before it becomes NAME_catalog.
    """
    aspects = list(dict.fromkeys(name for match in matches for name in match.cosines))
    fields = list(dict.fromkeys(name for match in matches for name in match.metadata))
    boxed = any(match.box is not None for match in matches)
    own = ["rank", "score", "percentile", *aspects, "id", "image", *(["box"] if boxed else [])]
    names = [f"{name}_catalog" if name in own else name for name in fields]
    rows = (
        [
            match.rank,
            *map(_short, (match.score, match.percentile, *map(match.cosines.get, aspects))),
            match.id,
            match.image,
            *([match.box and str(match.box)] if boxed else []),
            *map(match.metadata.get, fields),
        ]
        for match in matches
    )
    return spreadsheet([*own, *names], rows)


def set_csv(works: Sequence[Query], **more: Sequence[object]) -> str:
    """Write a row per work of a set: id, image, more columns that are given, the record."""
    fields = list(dict.fromkeys(name for work in works for name in work.metadata))
    own = ["id", "image", *more]
    names = [f"{name}_catalog" if name in own else name for name in fields]
    rows = (
        [work.name, work.image, *added, *map(work.metadata.get, fields)]
        for work, *added in zip(works, *more.values(), strict=True)
    )
    return spreadsheet([*own, *names], rows)


def _short(number: float | None) -> float | None:
    return None if number is None else round(number, 6)
