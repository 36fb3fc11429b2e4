"""Rijksmuseum records: one creator, several materials and types, tab-separated or as JSON."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from artsim.datatypes import Catalog, FieldType
from artsim.errors import ReaderError
from artsim.readers.columns import ColumnGuess, field_names
from artsim.readers.delimited import column_names, open_delimited
from artsim.readers.nested import flatten, text_of
from artsim.readers.options import ReaderOptions
from artsim.readers.paths import candidate_roots, image_root
from artsim.readers.pictures import files_with, is_picture, is_url
from artsim.readers.record_files import load_json
from artsim.readers.rows import GatheredRows, Row

WHAT = "Rijksmuseum records, tab-separated or JSON"
EXAMPLE = "rijks:records.tsv"
SETTINGS: tuple[str, ...] = ("encoding",)

# Names of a field, without case and []; the first that the records have is taken.
_FIELDS = {
    "id": ("identifier", "id", "objectnumber", "object_number"),
    "image": ("image", "image_path", "filename", "file", "image_url", "webimage"),
    "creator": ("creator", "principalmaker", "principalorfirstmaker", "maker", "artist"),
    "material": ("material", "materials"),
    "type": ("type", "types", "objecttypes"),
}
_LISTS = ("material", "type")
_REQUIRED = ("id", "creator", *_LISTS)
_SUFFIXES = (".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson")
_PEEKED = 1 << 16  # bytes of a JSON file that are searched for fields
_LOOKED_AT = 20  # files of a folder that are opened: there may be one beside each picture


def detects(path: Path) -> bool:
    """Return whether ``path`` is a file of such records or a folder that holds one."""
    return bool(_files(path))


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Read the records; material and type are lists, creator is text, other fields are kept.

    In tab-separated files a list is ``["paper", "ink"]`` or is separated by ``|``, ``;`` or ``,``,
    one of these in the whole column. Where no field names the picture it is the file named like
    the identifier, with ``.jpg``. A creator given as a list keeps its first name.
    """
    options.allow("rijks", "images", "types")
    file = path if path.is_file() else _only_file(path)
    notes: list[str] = []
    rows = (_read_json if _is_json(file) else _read_delimited)(file, options, notes)
    names = list(dict.fromkeys(name for row in rows for name in row))
    found = _match(names)
    others = [name for name in names if name not in found.values()]
    rest = dict(zip(field_names(others), others, strict=True))
    table = GatheredRows(
        (_row(row, found, rest) for row in rows), options, lists=_LISTS, splits=True
    ).table()
    return Catalog.of_table(
        table,
        name=(file.parent.name if path.is_dir() else file.stem) or "rijks",
        reader="rijks",
        source=path,
        root=image_root(table["image"].to_pylist(), candidate_roots(file.parent), options),
        notes=tuple(notes),
    )


def _is_json(file: Path) -> bool:
    return "json" in file.suffix.lower()


def _files(path: Path) -> list[Path]:
    """List the files of such records: those with all the labels."""
    files = [path] if path.is_file() else files_with(path, _SUFFIXES)[:_LOOKED_AT]
    return [file for file in files if set(_REQUIRED) <= _match(_peek(file)).keys()]


def _only_file(folder: Path) -> Path:
    files = _files(folder)
    if len(files) == 1:
        return files[0]
    names = ", ".join(file.name for file in files) or "none"
    raise ReaderError(
        f"expected one file of records with creator, material and type in {folder}, found {names}; "
        "name it, such as rijks:FILE.tsv"
    )


def _peek(file: Path) -> Sequence[str]:
    """List the fields at the start of a file."""
    if not _is_json(file):
        return column_names(file) if file.suffix.lower() in _SUFFIXES else ()
    with file.open("rb") as start:
        text = start.read(_PEEKED).decode(errors="replace")
    return re.findall(r'"([\w\[\]]+)"\s*:', text)


def _match(fields: Iterable[str]) -> dict[str, str]:
    bare = {name.lower().removesuffix("[]"): name for name in reversed(list(fields))}
    known = {field: [name for name in names if name in bare] for field, names in _FIELDS.items()}
    return {field: bare[names[0]] for field, names in known.items() if names}


def _require(file: Path, fields: Iterable[str]) -> dict[str, str]:
    names = list(dict.fromkeys(fields))
    found = _match(names)
    for field in _REQUIRED:
        if field not in found:
            raise ReaderError(
                f"{file} has no field {field!r} ({' or '.join(_FIELDS[field])}); its fields are "
                f"{', '.join(names)}"
            )
    return found


def _read_delimited(file: Path, options: ReaderOptions, notes: list[str]) -> list[dict[str, Any]]:
    """Read tab-separated records; lists are found column by column."""
    encoding = options.settings.get("encoding")
    delimited = open_delimited(file, encoding=encoding, strict=options.strict)
    notes += delimited.notes
    found = _require(file, delimited.names)
    rows = [row for batch in delimited.batches() for row in batch.to_pylist()]
    if not rows:
        raise ReaderError(f"{file} has a row of column names and no rows below it")
    for field in _LISTS:
        name = found[field]
        guess = ColumnGuess(name, declared=FieldType.LIST)
        guess.add(pa.array([row[name] for row in rows], pa.string()))
        separator = guess.decide().separator
        for row in rows:
            row[name] = _split(row[name], separator)
    return rows


def _split(text: str | None, separator: str) -> list[str]:
    """Split ``["paper", "ink"]``, as JSON or Python write it, or ``paper|ink``."""
    if text is None:
        return []
    if text.startswith("[") and text.endswith("]"):
        with suppress(ValueError, SyntaxError):
            return _texts(ast.literal_eval(text))
    return text.split(separator)


def _read_json(file: Path, options: ReaderOptions, notes: list[str]) -> list[dict[str, Any]]:
    """Read records in a list, one a line, or in the only list of a record that wraps them."""
    found = load_json(file, None if options.strict else notes)
    if isinstance(found, dict) and isinstance(found.get("artObject"), dict):
        found = [found["artObject"]]
    elif isinstance(found, dict):
        lists = [value for value in found.values() if isinstance(value, list)]
        found = lists[0] if len(lists) == 1 else [found]
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    if not rows:
        raise ReaderError(f"{file} holds no records; expected a list of JSON objects")
    names = _require(file, (name for row in rows for name in row)).values()
    return [_flat(row, names) for row in rows]


def _flat(row: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Flatten the nested values of a record, but for the fields ``names``: ``dating.yearEarly``."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        members = value if isinstance(value, list) else [value]
        is_nested = name not in names and any(isinstance(each, dict) for each in members)
        flat |= flatten({name: value}) if is_nested else {name: value}
    return flat


def _row(record: Mapping[str, Any], found: Mapping[str, str], rest: Mapping[str, str]) -> Row:
    """Rename a record's fields; ``rest`` are the others, by their new name."""
    id_ = _first(record.get(found["id"]))
    image = _first(record.get(found["image"])) if "image" in found else id_
    if image is not None and not is_picture(image) and not is_url(image):
        image += ".jpg"
    return {
        "id": id_,
        "image": image,
        "creator": _first(record.get(found["creator"])),
        **{field: _texts(record.get(found[field])) or None for field in _LISTS},
        **{
            field: _texts(value) if isinstance(value := record.get(name), list) else text_of(value)
            for field, name in rest.items()
        },
    }


def _texts(value: object) -> list[str]:
    """List the texts of a JSON value; of an object its name or its address."""
    if isinstance(value, dict):
        value = value.get("name", value.get("url"))
    values = value if isinstance(value, list | tuple) else [value]
    return [text for one in values if (text := text_of(one)) is not None]


def _first(value: object) -> str | None:
    return next(iter(_texts(value)), None)
