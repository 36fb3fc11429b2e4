"""A first mapping, drafted from the keys of some records: what a curator then corrects."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from artsim.errors import ReaderError
from artsim.readers.key_columns import ID_COLUMNS, IMAGE_COLUMNS
from artsim.readers.nested import flatten, parse_path, values_at
from artsim.readers.pictures import is_picture, is_url
from artsim.readers.record_files import SUFFIXES, read_records
from artsim.readers.usual_keys import COLUMNS, ENDS, INSIDE, NAMES, ROLES
from artsim.readers.walking import files_below
from artsim.readers.years import parse_years

_RECORDS = 300  # that are looked at
_FILES = 300
_SAMPLES = 3  # values of a key in a comment
_SHOWN = 40  # letters of a value in a comment
_MOST = 0.5  # of the values must be of a kind
_SHORT = 80  # letters of an id, at most
_IMAGE_WORDS = ("image", "img", "thumb", "photo", "picture", "media", "jpg", "jpeg")


@dataclass
class Key:
    """A key of the records, by its path, and what it holds."""

    path: str
    records: int = 0  # that have a value
    values: list[str] = field(default_factory=list)
    is_list: bool = False

    @property
    def bare(self) -> tuple[str, str]:
        """The whole path and its last name, as names are compared."""
        return _bare(self.path), _bare(self.path.rpartition(".")[2])

    def share(self, test: Callable[[str], bool]) -> float:
        """Return of how many values something is true."""
        return sum(map(test, self.values)) / max(1, len(self.values))


@dataclass(frozen=True)
class Draft:
    """Where the parts of a record seem to be."""

    records: int  # that were looked at
    keys: Mapping[str, Key]
    files: tuple[str, ...]  # patterns
    id: str | None
    image: str | None
    columns: Mapping[str, str | Mapping[str, str]]


def draft(path: Path, *, id_path: str | None = None, image_path: str | None = None) -> Draft:
    """Look at some records of a folder or file, and find id, picture and the usual columns.

    Raises:
        ReaderError: If it holds no records, or none has the path that is given.
    """
    files = list(itertools.islice(record_files(path), _FILES))
    read = (record for file in files for record in read_records(file, notes=[]))
    records = list(itertools.islice(read, _RECORDS))
    if not records:
        raise ReaderError(f"no records in {path}; expected files such as {', '.join(SUFFIXES[:4])}")
    keys = _keys(records)
    for given, option in ((id_path, "--id-column"), (image_path, "--image-column")):
        if given is not None and not any(any(_values(record, given)) for record in records):
            raise ReaderError(
                f"no record of {path} has a value at {given!r}; the keys are {', '.join(keys)}; "
                f"name one of them with {option}"
            )
    image = image_path or _image(keys.values())
    id_ = id_path or _id(keys.values(), len(records)) or image
    return Draft(
        len(records), keys, _patterns(path, files), id_, image, _columns(keys, {id_, image})
    )


def draft_map(source: str | Path) -> str:
    """Write a first mapping for records, with samples of every key as comments.

    Raises:
        ReaderError: If it holds no records, or no key could be the id or the picture.
    """
    path = Path(str(source).removeprefix("records:"))
    if not path.exists():
        raise ReaderError(f"{path} does not exist; name the folder or file of the records")
    found = draft(path)
    if found.id is None or found.image is None:
        lacking = "picture" if found.image is None else "id"
        raise ReaderError(
            f"no key of {path} looks like the {lacking}; the keys are {', '.join(found.keys)}; "
            "write the mapping by hand, see docs/guides/museums.md"
        )
    mapped = (where for where in found.columns.values() if isinstance(where, str))
    always = [where for where in (found.id, *mapped) if found.keys[where].records == found.records]
    lines = [
        f"# Drafted from {found.records:,} records; correct it, and read them with map:FILE.toml.",
        "# FILE.toml belongs into the folder of the records.",
        f"name = {_quoted(_name(path))}",
        f"files = [{', '.join(map(_quoted, found.files))}]",
        f"keys = [{', '.join(map(_quoted, dict.fromkeys(always[:_SAMPLES])))}]  # of every record",
        _line("id", found.id, found),
        _line("image", found.image, found),
        "",
        "[columns]",
        *(_line(name, where, found) for name, where in found.columns.items()),
        "",
        "# A key that is not named above gives a column named by its path. All keys, with the",
        "# number of records that have a value:",
        *(f"# {key.path}  {key.records:,}  {_samples(key)}" for key in found.keys.values()),
    ]
    return "\n".join(lines) + "\n"


def record_files(path: Path) -> Iterator[Path]:
    """List the files of records in a folder and below, in order; or the file itself."""
    if path.is_file():
        yield path
        return
    yield from files_below(path, suffixes=SUFFIXES)


def _keys(records: Sequence[Mapping[str, Any]]) -> dict[str, Key]:
    """Gather the keys whose path leads to their values again: others have dots in them."""
    keys: dict[str, Key] = {}
    for record in records:
        for path, value in flatten(record).items():
            key = keys.setdefault(path, Key(path))
            values = [each for each in (value if isinstance(value, list) else [value]) if each]
            key.records += bool(values)
            key.is_list |= isinstance(value, list)
            key.values += values
    return {path: key for path, key in keys.items() if key.values and _leads(path, records)}


def _leads(path: str, records: Sequence[Mapping[str, Any]]) -> bool:
    try:
        return any(any(_values(record, path)) for record in records)
    except ReaderError:
        return False


def _values(record: Mapping[str, Any], path: str) -> list[str | None]:
    return values_at(record, parse_path(path))


def _id(keys: Iterable[Key], records: int) -> str | None:
    """Choose a key that is different in every record: one with a usual name, or the first."""
    fitting = [
        key.path
        for key in keys
        if key.records == records == len(set(key.values)) == len(key.values)
        and max(map(len, key.values)) <= _SHORT
    ]
    known = [path for name in ID_COLUMNS for path in fitting if _bare(path) == name]
    flat = [path for path in fitting if "." not in path]
    named = [path for path in flat if re.search(r"(?i)id$|number|^acno|^nr$|code", path)]
    return next(iter((*known, *named, *flat, *fitting)), None)


def _image(keys: Iterable[Key]) -> str | None:
    """Choose the key that most records have and whose values look like pictures."""
    scored = [(_image_score(key), key.records, key.path) for key in keys]
    best = max(scored, key=lambda each: each[:2], default=(0, 0, ""))
    return best[2] if best[0] > 0 else None


def _image_score(key: Key) -> float:
    whole, last = key.bare
    named = any(word in whole for word in _IMAGE_WORDS)
    if key.share(_looks_like_picture) >= _MOST:
        return 2.0 + named + 0.5 * (last in IMAGE_COLUMNS)
    if key.share(is_url) >= _MOST and named:
        return 1.0 + 0.5 * (last in IMAGE_COLUMNS)
    return 0.0


def _looks_like_picture(value: str) -> bool:
    path = re.split(r"[?#]", value)[0] if is_url(value) else value
    return is_picture(path) and "\n" not in value


def _columns(
    keys: Mapping[str, Key], used: Collection[str | None]
) -> dict[str, str | Mapping[str, str]]:
    columns: dict[str, str | Mapping[str, str]] = {}
    taken = set(used)
    for column, names in COLUMNS.items():
        if column == "medium" and (ends := _ends(keys)):
            text = {"text": columns["date_text"]} if "date_text" in columns else {}
            columns["years"] = {"begin": ends[0], "end": ends[1], **text}  # type: ignore[dict-item]  # a path
        path = _named(keys, column, names.split(), taken)
        if path is None:
            continue
        taken.add(path)
        columns[column] = path
        if column == "artist" and (role := _beside(keys, path, ROLES)):
            columns[column] = {"path": path, "qualifier": role}
    if "years" not in columns and isinstance(date := columns.get("date_text"), str):
        columns["years"] = {"text": date, "type": "years"}
    return columns


def _named(
    keys: Mapping[str, Key], column: str, names: Sequence[str], taken: Collection[str | None]
) -> str | None:
    """Find the key of a usual name: near the top of the record, in most of the records."""
    fits = {
        "date_text": lambda value: parse_years(value) is not None,
        "url": is_url,
    }.get(column)
    found = []
    for key in keys.values():
        rank = _rank(key, names, is_person=column == "artist")
        is_free = rank is not None and key.path not in taken
        if is_free and (fits is None or key.share(fits) >= _MOST):
            order = (key.path.count("."), rank)
            found.append((*(order[::-1] if column == "artist" else order), -key.records, key.path))
    return min(found)[-1] if found else None


def _rank(key: Key, names: Sequence[str], *, is_person: bool) -> int | None:
    """Return the place of a key's name among the usual ones; an artist's name may be below."""
    parts = [_bare(part) for part in key.path.split(".")]
    if is_person and len(parts) > 1 and parts[-1] in NAMES.split() and parts[-2] in names:
        return names.index(parts[-2]) - len(names)  # before the texts that name all of them
    if len(parts) == 2 and parts[1] in INSIDE and parts[0] in names:
        return names.index(parts[0])
    if not is_person and len(parts) > 1 and parts[-2] in COLUMNS["artist"].split():
        return None  # the name of a person
    if len(parts) > 2 or parts[-1] not in names:
        return None
    return names.index(parts[-1])


def _beside(keys: Mapping[str, Key], path: str, names: Collection[str]) -> str | None:
    parent = path.rpartition(".")[0]
    beside = (key for key in keys.values() if key.path.rpartition(".")[0] == parent)
    return next((key.path for key in beside if parent and key.bare[1] in names), None)


def _ends(keys: Mapping[str, Key]) -> tuple[str, str] | None:
    """Find two keys beside each other with the first and the last year."""
    for begin, end in ENDS:
        for key in keys.values():
            if key.bare[1] == begin and key.share(_is_year) >= _MOST:
                parent = key.path.rpartition(".")[0]
                for other in keys.values():
                    if other.path.rpartition(".")[0] == parent and other.bare[1] == end:
                        return key.path, other.path
    return None


def _is_year(value: str) -> bool:
    return re.fullmatch(r"-?\d{1,4}(-\d\d-\d\d.*)?", value) is not None


def _patterns(path: Path, files: Sequence[Path]) -> tuple[str, ...]:
    if path.is_file():
        return (path.name,)
    suffixes = dict.fromkeys(next(s for s in _LONGEST if f.name.lower().endswith(s)) for f in files)
    return tuple(f"**/*{suffix}" for suffix in suffixes)


_LONGEST = sorted(SUFFIXES, key=len, reverse=True)


def _name(path: Path) -> str:
    """Name the mapping for the folder or file, in letters that a reader's name can have."""
    stem = path.name.partition(".")[0] if path.is_file() else path.resolve().name
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_").lower()
    return name if re.match("[a-z][a-z0-9]", name) else "museum"


def _line(name: str, where: str | Mapping[str, str], found: Draft) -> str:
    if isinstance(where, str):
        return f"{name} = {_quoted(where)}  # {_samples(found.keys.get(where))}"
    inner = ", ".join(f"{key} = {_quoted(path)}" for key, path in where.items())
    samples = _samples(found.keys.get(next(iter(where.values()))))
    return f"{name} = {{ {inner} }}  # {samples}"


def _samples(key: Key | None) -> str:
    """Show some values, each on a line and short."""
    values = dict.fromkeys(" ".join(value.split()) for value in key.values) if key else ()
    short = (value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..." for value in values)
    return ", ".join(map(_quoted, itertools.islice(short, _SAMPLES)))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())
