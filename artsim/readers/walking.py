"""The files of a folder and below that fit a pattern; links to folders are followed, each once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from artsim.places import scan
from artsim.readers.pictures import is_hidden

_WILD = re.compile(r"[*?\[]")


def files_below(
    folder: Path, pattern: str = "**/*", suffixes: tuple[str, ...] = ("",)
) -> Iterator[Path]:
    """Yield the files of a folder that fit a pattern such as ``records/**/*.json``, in order.

    Hidden ones are passed over, and those that do not end in one of the suffixes, in any case. The
    first is found without listing all others.

    Raises:
        OSError: If a folder cannot be listed.
    """
    parts = pattern.split("/")
    plain = next((n for n, part in enumerate(parts) if _WILD.search(part)), len(parts) - 1)
    base = folder.joinpath(*parts[:plain])
    fits = re.compile("".join(map(_regex, parts[plain:])).removesuffix("/"))
    is_deep = len(parts) > plain + 1
    for inside in _walk_once(base, is_deep, suffixes):
        if fits.fullmatch(inside):
            yield base / inside


@contextmanager
def walking_once() -> Iterator[None]:
    """Remember what is found below a folder: many patterns are tried on it."""
    token = _found.set({})
    try:
        yield
    finally:
        _found.reset(token)


class _Remembered:
    """An iterator whose values are kept, so that it can be gone through again."""

    def __init__(self, source: Iterator[str]) -> None:
        self._source, self._values = source, list[str]()

    def __iter__(self) -> Iterator[str]:
        number = 0
        while True:
            if number == len(self._values):
                for value in self._source:
                    self._values.append(value)
                    break
                else:
                    return
            yield self._values[number]
            number += 1


_Walked = tuple[Path, bool, tuple[str, ...]]
_found: ContextVar[dict[_Walked, _Remembered] | None] = ContextVar("_found", default=None)


def _walk_once(folder: Path, is_deep: bool, suffixes: tuple[str, ...]) -> Iterator[str]:
    remembered = _found.get()
    if remembered is None:
        return _walk(folder, "", is_deep, suffixes, set())
    key = (folder, is_deep, suffixes)
    if key not in remembered:
        remembered[key] = _Remembered(_walk(folder, "", is_deep, suffixes, set()))
    return iter(remembered[key])


def _regex(part: str) -> str:
    if part == "**":
        return "(?:[^/]+/)*"
    one = re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return one.replace(r"\[", "[").replace(r"\]", "]") + "/"


def _walk(
    folder: Path,
    inside: str,
    is_deep: bool,
    suffixes: tuple[str, ...],
    visited: set[tuple[int, int]],
) -> Iterator[str]:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in visited and status.st_ino:
            return
        visited.add((status.st_dev, status.st_ino))
        with scan(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in found:
        if is_hidden(entry.name):
            continue
        if entry.is_file():
            if entry.name.lower().endswith(suffixes):
                yield f"{inside}{entry.name}"
        elif is_deep and entry.is_dir():
            below = f"{inside}{entry.name}/"
            yield from _walk(folder / entry.name, below, is_deep, suffixes, visited)
