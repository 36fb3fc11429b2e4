"""Nested records, as JSON and XML hold them: values by path, and all of them flattened.

A path is keys with dots between them, ``creator.full_name``; through a list it goes to every
member. ``[key=value]`` keeps the members that have it: ``linkResource[@type=image_master]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from artsim.errors import ReaderError

Flat: TypeAlias = "str | list[str] | list[str | None] | None"
Path_: TypeAlias = "tuple[Step, ...]"
Step: TypeAlias = "tuple[str, str | None, str | None]"  # key, and what its members must have

_STEP = re.compile(r"(?P<key>[^.\[\]]+)(?:\[(?P<name>[^=\]]+)=(?P<value>[^\]]*)\])?(?:\[\])?")
TEXT = "#text"  # the text of an XML element that has attributes too


@lru_cache
def parse_path(text: str) -> Path_:
    """Read a path.

    Raises:
        ReaderError: If it is none.
    """
    steps, place = [], 0
    while place < len(text):
        match = _STEP.match(text, place)
        if match is None or (match.end() < len(text) and text[match.end()] != "."):
            raise ReaderError(
                f"{text!r} is not a path; write keys with dots between them: creator.full_name"
            )
        steps.append((match["key"], match["name"], match["value"]))
        place = match.end() + 1
    return tuple(steps)


def values_at(value: Any, path: Path_) -> list[str | None]:
    """List the values at a path, one for each member of the lists on the way; None where missing.

    A path that leads to an object instead of a value gives nothing.
    """
    return list(_walk(value, path))


def _walk(value: Any, path: Path_) -> Iterator[str | None]:
    if isinstance(value, list):
        for member in value:
            yield from _walk(member, path)
        return
    if not path:
        if isinstance(value, Mapping):
            value = value.get(TEXT)
            if value is None:
                return
        yield text_of(value)
        return
    if not isinstance(value, Mapping):
        return
    key, name, wanted = path[0]
    found = value.get(key)
    if name is not None:
        members = found if isinstance(found, list) else [found]
        found = [each for each in members if isinstance(each, Mapping) and each.get(name) == wanted]
    if found is None and len(path) == 1:
        yield None
    elif found is not None:
        yield from _walk(found, path[1:])


def text_of(value: Any) -> str | None:
    """Write a number, a truth value or a string as text; None for empty text."""
    if value is None or isinstance(value, Mapping):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(str(value).split()) or None


def flatten(record: Mapping[str, Any]) -> dict[str, Flat]:
    """Turn a nested record into columns named by their paths.

    Values inside lists become lists that keep their places: a member without a role has None.
    """
    flat: dict[str, Flat] = {}
    _flatten(record, "", flat)
    return flat


def _flatten(value: Any, path: str, flat: dict[str, Flat]) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _flatten(inner, path if key == TEXT else f"{path}.{key}" if path else str(key), flat)
    elif not isinstance(value, list):
        flat[path] = text_of(value)
    elif members := [flatten(member) for member in value if isinstance(member, Mapping)]:
        # the objects side by side: a list a key, one value an object
        for key in dict.fromkeys(key for member in members for key in member):
            values = [each for member in members for each in _several(member.get(key))]
            _add(flat, f"{path}.{key}" if key else path, values)
    else:
        _add(flat, path, list(_scalars(value)))


def _several(value: Flat) -> Sequence[str | None]:
    return value if isinstance(value, list) else [value]


def _add(flat: dict[str, Flat], path: str, values: list[str | None]) -> None:
    before = flat.get(path)
    flat[path] = [*(_several(before) if before else ()), *values]


def _scalars(values: list[Any]) -> Iterator[str | None]:
    for value in values:
        if isinstance(value, list):
            yield from _scalars(value)
        else:
            yield text_of(value)
