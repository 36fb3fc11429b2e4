"""The CSV file of an evaluation: a row for each score, as in its JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artsim.datatypes import finite

if TYPE_CHECKING:
    from artsim.store import Store


def write_scores(
    file: Path | None, rows: Iterable[Mapping[str, Any]], *, index: Store | None = None
) -> None:
    """Write rows as they are printed as JSON to a CSV file, if there is one.

    A list of values is one cell, joined by ``|``; what is deeper is in JSON only.
    """
    if file is None:
        return
    from artsim.store import csv_text, write_whole

    where = {} if index is None else {"index": str(index)}
    flat = [
        {name: _cell(value) for name, value in (finite(row) | where).items() if not _is_deep(value)}
        for row in rows
    ]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    text = csv_text(columns, (map(row.get, columns) for row in flat))
    write_whole(file, lambda stream: stream.write(text.encode()))


def _cell(value: Any) -> object:
    return "|".join(map(str, value)) if isinstance(value, list) else value


def _is_deep(value: Any) -> bool:
    is_list = isinstance(value, list)
    return isinstance(value, dict) or (is_list and any(isinstance(each, dict) for each in value))
