"""A mapping says in a few lines of TOML where the columns of a museum's records are.

::

    name = "tate"                             # tate:FOLDER reads with this mapping
    what = "Tate, object records"             # one line for 'artsim readers'
    terms = "data CC0; pictures: see ..."     # what may be done with it
    files = ["artworks/**/*.json"]            # below the folder that is named
    keys = ["acno", "contributors"]           # a record of this museum has these
    records = "items"                         # where the records of a file are, if not found
    id = "acno"
    image = "thumbnailUrl"                    # a path, a template with {paths}, or several to try
    views = "first"                           # or all: a row for each of several images

    [columns]
    title = "title"
    artist = { path = "contributors.fc", qualifier = "contributors.role" }
    years = { begin = "dateRange.startYear", end = "dateRange.endYear", text = "dateText" }
    medium = { path = "medium", separator = ";", null = ["unknown"] }
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from artsim.errors import ReaderError
from artsim.readers.attribution import parse_artist, qualifier_of
from artsim.readers.nested import Flat, Path_, parse_path, values_at
from artsim.readers.years import parse_years

_PLACE = re.compile(r"\{([^{}]+)\}")
_YEAR = re.compile(r"\s*(-?\d{1,4})(?:-\d\d-\d\d.*)?\s*")  # a year, or the day of an ISO date
_TYPES = ("text", "list", "years", "number")


@dataclass(frozen=True, kw_only=True)
class ColumnMap:
    """Where a column's values are, and how they are read."""

    paths: tuple[Path_, ...]  # the first that has a value
    type: str = "text"  # text: one value, or a list where a record has several
    separator: str | None = None  # between several values in one
    null: frozenset[str] = frozenset()  # words that say that there is no value
    qualifier: Path_ | None = None  # roles beside the values of an artist
    begin: Path_ | None = None  # years
    end: Path_ | None = None


@dataclass(frozen=True, kw_only=True)
class ImageMap:
    """Where the pictures of a record are: templates to try, each with paths."""

    templates: tuple[str, ...]

    def addresses(self, record: Mapping[str, Any]) -> list[str]:
        """List the paths or web addresses of a record's pictures, each once."""
        for template in self.templates:
            found = [each for each in _fill(template, record) if each]
            if found:
                return list(dict.fromkeys(found))
        return []


@dataclass(frozen=True, kw_only=True)
class MuseumMap:
    """A mapping, read."""

    name: str
    id: Path_
    image: ImageMap
    columns: Mapping[str, ColumnMap] = field(default_factory=dict)
    what: str = ""
    terms: str = ""
    example: str = ""
    files: tuple[str, ...] = ("**/*",)
    keys: tuple[Path_, ...] = ()
    records: str | None = None
    views: str = "first"

    def recognizes(self, record: Mapping[str, Any]) -> bool:
        """Say whether a record has the keys of this museum's."""
        return bool(self.keys) and all(any(values_at(record, key)) for key in self.keys)

    def row(self, record: Mapping[str, Any]) -> dict[str, Flat]:
        """Return the columns of a record, without id and image."""
        row: dict[str, Flat] = {}
        for name, column in self.columns.items():
            if column.type == "years":
                row[name] = _years(record, column)
            elif column.qualifier is not None or name == "artist":
                row[name], row[f"{name}_qualifier"] = _artists(record, column)
            else:
                row[name] = _values(record, column)
        return row


def load_map(file: Path) -> MuseumMap:
    """Read a mapping.

    Raises:
        ReaderError: If it is not there, not TOML, or says something that no mapping has.
    """
    try:
        text = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ReaderError(f"{file} does not exist; name the TOML file of a mapping") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ReaderError(f"{file} is not TOML ({error}); correct it") from error
    return _read_map(text, file)


def _read_map(text: dict[str, Any], file: Path) -> MuseumMap:
    known = {each.name for each in fields(MuseumMap)}
    unknown = sorted(text.keys() - known)
    if unknown:
        raise ReaderError(
            f"{file}: no mapping has {unknown[0]!r}; it has {', '.join(sorted(known))}"
        )
    for needed in ("id", "image"):
        if needed not in text:
            raise ReaderError(f"{file} does not say where the {needed} is: {needed} = 'PATH'")
    if text.get("views", "first") not in ("first", "all"):
        raise ReaderError(f"{file}: views is {text['views']!r}; write first or all")
    image = text["image"]
    return MuseumMap(
        name=text.get("name", file.stem),
        id=parse_path(text["id"]),
        image=ImageMap(templates=tuple([image] if isinstance(image, str) else image)),
        columns={
            name: _read_column(spec, name, file) for name, spec in text.get("columns", {}).items()
        },
        what=text.get("what", ""),
        terms=text.get("terms", ""),
        example=text.get("example", ""),
        files=tuple(text.get("files", ("**/*",))),
        keys=tuple(map(parse_path, text.get("keys", ()))),
        records=text.get("records"),
        views=text.get("views", "first"),
    )


def _read_column(spec: Any, name: str, file: Path) -> ColumnMap:
    if isinstance(spec, str | list):
        spec = {"path": spec}
    unknown = sorted(
        spec.keys() - {"path", "type", "separator", "null", "qualifier", "begin", "end", "text"}
    )
    if unknown:
        raise ReaderError(
            f"{file}: the column {name!r} has an unknown {unknown[0]!r}; it may have path, type, "
            "separator, null, qualifier, begin, end, text"
        )
    is_years = "begin" in spec or "end" in spec or spec.get("type") == "years"
    type_ = "years" if is_years else spec.get("type", "text")
    if type_ not in _TYPES:
        raise ReaderError(f"{file}: {name} is of type {type_!r}; choose from {', '.join(_TYPES)}")
    paths = spec.get("path", spec.get("text", ()))
    return ColumnMap(
        paths=tuple(map(parse_path, [paths] if isinstance(paths, str) else paths)),
        type=type_,
        separator=spec.get("separator"),
        null=frozenset(word.lower() for word in spec.get("null", ())),
        qualifier=parse_path(spec["qualifier"]) if "qualifier" in spec else None,
        begin=parse_path(spec["begin"]) if "begin" in spec else None,
        end=parse_path(spec["end"]) if "end" in spec else None,
    )


def _fill(template: str, record: Mapping[str, Any]) -> Sequence[str]:
    """Fill the places of a template; a path with several values gives several."""
    places = _PLACE.findall(template)
    if not places:
        return [value or "" for value in values_at(record, parse_path(template))]
    filled = [template]
    for place in places:
        values = [value for value in values_at(record, parse_path(place)) if value]
        filled = [text.replace(f"{{{place}}}", value) for text in filled for value in values]
    return filled


def _found(record: Mapping[str, Any], column: ColumnMap) -> list[str | None]:
    for path in column.paths:
        found = values_at(record, path)
        if column.separator is not None:
            found = [
                part.strip() or None
                for value in found
                for part in (value or "").split(column.separator)
            ]
        values = [None if value and value.lower() in column.null else value for value in found]
        if any(values):
            return values
    return []


def _values(record: Mapping[str, Any], column: ColumnMap) -> Flat:
    values = [value for value in _found(record, column) if value is not None]
    if column.type == "list" or len(values) > 1:
        return list(dict.fromkeys(values)) or None
    return values[0] if values else None


def _years(record: Mapping[str, Any], column: ColumnMap) -> str | None:
    """Return ``BEGIN/END``; from the date text where the record has no years."""
    ends = [_year(record, path) for path in (column.begin, column.end)]
    known = [end for end in ends if end is not None]
    if known:
        begin, end = ends[0] or known[0], ends[1] or known[-1]
        return f"{min(begin, end)}/{max(begin, end)}"
    years = next(filter(None, (parse_years(text) for text in _found(record, column) if text)), None)
    return None if years is None else f"{years.begin}/{years.end}"


def _year(record: Mapping[str, Any], path: Path_ | None) -> int | None:
    values = [] if path is None else values_at(record, path)
    match = _YEAR.fullmatch(values[0]) if values and values[0] else None
    return int(match[1]) if match else None


def _artists(record: Mapping[str, Any], column: ColumnMap) -> tuple[Flat, Flat]:
    """Return the artists and, aligned with them, how sure they are; other roles are left out."""
    names = _found(record, column)
    roles = values_at(record, column.qualifier) if column.qualifier is not None else []
    roles += [None] * (len(names) - len(roles))
    artists: list[tuple[str, str | None]] = []
    for name, role in zip(names, roles, strict=False):
        by_role = qualifier_of(role)
        if name is None or by_role is None:
            continue
        plain, by_name = parse_artist(name)
        artists.append((plain, by_role or by_name))
    if not artists:
        return None, None
    if len(artists) == 1:
        return artists[0]
    return [name for name, _ in artists], [qualifier for _, qualifier in artists]
