"""The files of a folder and below that fit a pattern; links to folders are followed, each once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from artsim.places import scan
from artsim.readers.pictures import is_hidden

_WILD = re.compile(r"[*?\[]")


def files_below(folder: Path, pattern: str = "**/*") -> Iterator[Path]:
    """Yield the files of a folder that fit a pattern such as ``records/**/*.json``, in order.

    Hidden ones are passed over. The first is found without listing all others.

    Raises:
        OSError: If a folder cannot be listed.
    """
    parts = pattern.split("/")
    plain = next((n for n, part in enumerate(parts) if _WILD.search(part)), len(parts) - 1)
    base = folder.joinpath(*parts[:plain])
    fits = re.compile("".join(map(_regex, parts[plain:])).removesuffix("/"))
    is_deep = len(parts) > plain + 1
    for file, inside in _walk(base, "", is_deep, set()):
        if fits.fullmatch(inside):
            yield file


def _regex(part: str) -> str:
    if part == "**":
        return "(?:[^/]+/)*"
    one = re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return one.replace(r"\[", "[").replace(r"\]", "]") + "/"


def _walk(
    folder: Path, inside: str, is_deep: bool, visited: set[tuple[int, int]]
) -> Iterator[tuple[Path, str]]:
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
        path = f"{inside}{entry.name}"
        if entry.is_file():
            yield folder / entry.name, path
        elif is_deep and entry.is_dir():
            yield from _walk(folder / entry.name, f"{path}/", is_deep, visited)
