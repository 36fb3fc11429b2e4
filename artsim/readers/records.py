"""Records of text and lists, as JSON holds them, turned into an Arrow table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from artsim.datatypes import FieldType
from artsim.errors import ReaderError
from artsim.readers.columns import ColumnGuess, convert
from artsim.readers.delimited import clean

Record = Mapping[str, str | Sequence[str] | None]


def load_json(file: Path) -> Any:
    """Read one JSON value, or a list with one per line.

    Raises:
        ReaderError: If the file is neither, with the line and column of the fault.
    """
    text = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if len(lines) > 1 and all(line.lstrip().startswith(b"{") for _, line in lines):
        return [parse_json(line, file, number) for number, line in lines]
    return parse_json(text, file, 1)


def table_of(records: Iterable[Record], *, lists: Sequence[str] = ()) -> pa.Table:
    """Put records into columns, in the order in which their names first appear.

    ``id`` and ``image`` stay text. Columns that hold a list anywhere, and those in ``lists``, are
    lists; numbers are inferred, the rest is text.
    """
    rows = list(records)
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pa.table(
        {name: _column(name, values, name in lists) for name, values in columns.items()}
    )


def text_of(value: object) -> str | None:
    """Write a JSON number, truth value or string as text; anything else is not text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (str, int, float)) else None


def parse_json(text: str | bytes, file: Path, line: int) -> Any:
    """Parse JSON that begins at a line of a file.

    Raises:
        ReaderError: If it is none, with the line and column of the fault.
    """
    try:
        return json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except json.JSONDecodeError as error:
        raise ReaderError(
            f"{file}, line {line + error.lineno - 1}, column {error.colno}: not JSON "
            f"({error.msg}); correct it or export it again"
        ) from error
    except UnicodeDecodeError as error:
        raise ReaderError(f"{file} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except RecursionError as error:
        raise ReaderError(f"{file}: JSON nested too deeply to be a catalog") from error


def _column(name: str, values: list[str | Sequence[str] | None], is_list: bool) -> pa.Array:
    if is_list or any(not isinstance(value, str | None) for value in values):
        return pa.array([_list(value) for value in values], pa.list_(pa.string()))
    text = clean(pa.array(values, pa.string()))
    is_key = name in ("id", "image")
    guess = ColumnGuess(name, declared=FieldType.TEXT if is_key else None)
    guess.add(text)
    return convert(text, guess.decide())


def _list(value: str | Sequence[str] | None) -> list[str] | None:
    values = [value] if isinstance(value, str) else value or []
    return [stripped for one in values if (stripped := one.strip())] or None
