"""A mapping: where the columns of a museum's records are, in a few lines of TOML.

::

    name = "tate"                             # tate:FOLDER reads with this mapping
    what = "Tate, object records"             # one line for 'artsim readers'
    terms = "data CC0; pictures: see ..."     # what may be done with it
    files = ["artworks/**/*.json"]            # below the folder that is named
    keys = ["acno", "contributors"]           # a record of this museum has these
    records = "items"                         # where the records of a file are, if not found
    id = "acno"
    image = "thumbnailUrl"                    # a path, a template with {paths}, or several to try;
                                              # { path = "photos", separator = "$" } splits a value
    views = "first"                           # or all: a row for each of several images

    [columns]
    title = "title"
    artist = { path = "contributors.fc", qualifier = "contributors.role" }
    years = { begin = "dateRange.startYear", end = "dateRange.endYear", text = "dateText" }
    medium = { path = "medium", separator = ";", null = ["unknown"] }
    height_cm = { path = "height", unit = "mm" }    # a number, converted to cm
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import zip_longest
from pathlib import Path
from typing import Any

from artsim.errors import ReaderError
from artsim.readers.attribution import parse_artist, qualifier_of
from artsim.readers.nested import Flat, Path_, parse_path, values_at
from artsim.readers.views import pictures_in
from artsim.readers.years import parse_years

_PLACE = re.compile(r"\{([^{}]+)\}")
_YEAR = re.compile(r"\s*(-?\d{1,4})(?:-\d\d-\d\d.*)?\s*")  # a year, or the day of an ISO date
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_TYPES = ("text", "list", "years", "number")
_UNITS = {"mm": 0.1, "cm": 1.0, "m": 100.0, "in": 2.54, "ft": 30.48}  # in cm


@dataclass(frozen=True, kw_only=True)
class ColumnMap:
    """Where a column's values are, and how they are read."""

    path: tuple[Path_, ...] = ()  # the first that has a value
    type: str = "text"  # text: one value, or a list where a record has several
    separator: str | None = None  # between several values in one
    null: frozenset[str] = frozenset()  # words that stand for no value
    unit: str | None = None  # of a length: it becomes a number of cm
    qualifier: tuple[Path_, ...] = ()  # roles beside the values of an artist, as path
    begin: Path_ | None = None  # years
    end: Path_ | None = None


@dataclass(frozen=True, kw_only=True)
class ImageMap:
    """Where the addresses or paths of pictures are."""

    path: str  # or a template with {paths}
    separator: str | None = None  # between several in one value; the usual ones are found

    def values(self, record: Mapping[str, Any]) -> list[str]:
        """List them; a path with several values gives several."""
        filled = [self.path]
        for place in _PLACE.findall(self.path) or [None]:
            found = values_at(record, parse_path(place or self.path))
            parts = [part for value in found if value for part in self._split(value)]
            filled = (
                parts
                if place is None
                else [text.replace(f"{{{place}}}", part) for text in filled for part in parts]
            )
        return filled

    def _split(self, value: str) -> list[str]:
        if self.separator is None:
            return [value] if "{" in self.path else pictures_in(value)
        return [part.strip() for part in value.split(self.separator) if part.strip()]


@dataclass(frozen=True, kw_only=True)
class MuseumMap:
    """A mapping, read."""

    name: str
    id: Path_
    image: tuple[ImageMap, ...]  # the first that has a value
    columns: Mapping[str, ColumnMap] = field(default_factory=dict)
    what: str = ""
    terms: str = ""
    example: str = ""
    files: Sequence[str] = ("**/*",)
    keys: tuple[Path_, ...] = ()
    records: str | None = None
    views: str = "first"

    @property
    def kept(self) -> set[str]:
        """The columns that have the name of the key they are read from."""
        paths = {name: column.path for name, column in self.columns.items()}
        return {name for name, found in paths.items() if ((name, None, None),) in found}

    def recognizes(self, record: Mapping[str, Any]) -> bool:
        """Return whether a record has the keys of this museum's."""
        return bool(self.keys) and all(any(values_at(record, key)) for key in self.keys)

    def is_foreign(self, record: Mapping[str, Any]) -> bool:
        """Return whether a record has none of the keys of this museum's."""
        return bool(self.keys) and not any(any(values_at(record, key)) for key in self.keys)

    def addresses(self, record: Mapping[str, Any]) -> list[str]:
        """List the paths or web addresses of a record's pictures, each once."""
        found = (dict.fromkeys(image.values(record)) for image in self.image)
        return list(next(filter(None, found), {}))

    def row(self, record: Mapping[str, Any]) -> dict[str, Flat]:
        """Return the columns of a record, without id and image."""
        row: dict[str, Flat] = {}
        for name, column in self.columns.items():
            if column.type == "years":
                row[name] = _years(record, column)
            elif column.qualifier or name == "artist":
                row[name], row[f"{name}_qualifier"] = _artists(record, column)
            else:
                row[name] = _values(record, column)
        return row


def load_map(file: Path) -> MuseumMap:
    """Read a mapping.

    Raises:
        ReaderError: If it is not there, is not TOML, or holds something that no mapping has.
    """
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ReaderError(f"{file} does not exist; name the TOML file of a mapping") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ReaderError(f"{file} is not TOML ({error}); correct it") from error
    _refuse_unknown(found, {each.name for each in fields(MuseumMap)}, str(file))
    for needed in ("id", "image"):
        if needed not in found:
            raise ReaderError(f"{file} does not say where the {needed} is: {needed} = 'PATH'")
    if found.get("views", "first") not in ("first", "all"):
        raise ReaderError(f"{file}: views is {found['views']!r}; write first or all")
    columns = found.get("columns", {}).items()
    return MuseumMap(
        **{"name": file.stem}
        | found
        | {
            "id": parse_path(found["id"]),
            "image": tuple(_read_image(each, f"{file}, image") for each in _listed(found["image"])),
            "keys": tuple(map(parse_path, found.get("keys", ()))),
            "columns": {
                name: _read_column(spec, f"{file}, column {name!r}") for name, spec in columns
            },
        }
    )


def _read_image(spec: Any, where: str) -> ImageMap:
    spec = {"path": spec} if isinstance(spec, str) else dict(spec)
    _refuse_unknown(spec, {each.name for each in fields(ImageMap)}, where)
    for path in _PLACE.findall(spec.get("path", "")) or [spec.get("path", "")]:
        parse_path(path)
    return ImageMap(**{"path": ""} | spec)


def _read_column(spec: Any, where: str) -> ColumnMap:
    spec = {"path": spec} if isinstance(spec, str | list) else dict(spec)
    _refuse_unknown(spec, {each.name for each in fields(ColumnMap)} | {"text"}, where)
    text = spec.pop("text", ())
    if "begin" in spec or "end" in spec:
        spec["type"] = "years"
    if spec.get("type", "text") not in _TYPES:
        raise ReaderError(f"{where}: no type {spec['type']!r}; choose from {', '.join(_TYPES)}")
    if "unit" in spec:
        spec["type"] = "number"
        if spec["unit"] not in _UNITS:
            raise ReaderError(f"{where}: no unit {spec['unit']!r}; choose from {', '.join(_UNITS)}")
    for name in {"begin", "end"} & spec.keys():
        spec[name] = parse_path(spec[name])
    spec["path"] = tuple(map(parse_path, _several(spec.get("path", text))))
    spec["qualifier"] = tuple(map(parse_path, _several(spec.get("qualifier", ()))))
    spec["null"] = frozenset(map(str.lower, spec.get("null", ())))
    return ColumnMap(**spec)


def _several(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _refuse_unknown(found: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := sorted(found.keys() - known):
        raise ReaderError(
            f"{where}: unknown {unknown[0]!r}; choose from {', '.join(sorted(known))}"
        )


def _found(
    record: Mapping[str, Any], column: ColumnMap, paths: Sequence[Path_]
) -> list[str | None]:
    for path in paths:
        found = values_at(record, path)
        if column.separator is not None:
            parts = (part for value in found for part in (value or "").split(column.separator))
            found = [part.strip() or None for part in parts]
        values = [None if value and value.lower() in column.null else value for value in found]
        if any(values):
            return values
    return []


def _values(record: Mapping[str, Any], column: ColumnMap) -> Flat:
    values = [value for value in _found(record, column, column.path) if value is not None]
    if column.unit is not None:
        return next((cm for value in values if (cm := _in_cm(value, column.unit))), None)
    if column.type == "list" or len(values) > 1:
        return list(dict.fromkeys(values)) or None
    return values[0] if values else None


def _in_cm(value: str, unit: str) -> str | None:
    """Convert the number in front of a length; 0 is how programs write that none is known."""
    number = _NUMBER.match(value)
    cm = float(number[0].replace(",", ".")) * _UNITS[unit] if number else 0.0
    return f"{round(cm, 3)}" if cm else None


def _years(record: Mapping[str, Any], column: ColumnMap) -> str | None:
    """Return ``BEGIN/END``; from the date text where the record has no years."""
    ends = [_year(record, path) for path in (column.begin, column.end)]
    known = [end for end in ends if end is not None]
    if known:
        return f"{min(known)}/{max(known)}"
    years = next(
        filter(None, (parse_years(text) for text in _found(record, column, column.path) if text)),
        None,
    )
    return years and f"{years.begin}/{years.end}"


def _year(record: Mapping[str, Any], path: Path_ | None) -> int | None:
    value = next(iter(values_at(record, path)), None) if path else None
    match = _YEAR.fullmatch(value) if value else None
    return int(match[1]) if match else None


def _artists(record: Mapping[str, Any], column: ColumnMap) -> tuple[Flat, Flat]:
    """Return the artists and, aligned with them, how sure they are; other roles are left out."""
    names = _found(record, column, column.path)
    roles = _found(record, column, column.qualifier)
    artists = []
    for name, role in zip_longest(names, roles[: len(names)]):
        by_role = qualifier_of(role)
        if name is not None and by_role is not None:
            plain, by_name = parse_artist(name)
            artists.append((plain, by_role or by_name))
    if len(artists) < 2:
        return artists[0] if artists else (None, None)
    return [name for name, _ in artists], [qualifier for _, qualifier in artists]
