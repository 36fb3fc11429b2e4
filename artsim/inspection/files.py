"""Which picture file each row means, and which files no row means."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artsim import places
from artsim.datatypes import name_as_text
from artsim.errors import ReaderError
from artsim.places import picture_path
from artsim.readers import excluded_by, is_hidden, is_picture, is_url

NONE = -1  # a row whose picture is not there
WEB = -2  # a row whose picture is on the web
UNNAMED = -3  # a row that names no picture


@dataclass
class Files:
    """The picture files of a folder, and others that rows name."""

    paths: list[str] = field(default_factory=list)  # relative to the root, with '/'
    sizes: list[int] = field(default_factory=list)  # bytes
    # Two paths with one identity are one file: a link and what it leads to.
    identities: list[int] = field(default_factory=list)
    number: dict[str, int] = field(default_factory=dict)  # of a path as text
    others: list[str] = field(default_factory=list)  # paths of files that are no pictures
    _known: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, path: str, status: os.stat_result) -> int:
        """Note a file and return its number."""
        number = len(self.paths)
        self.paths.append(path)
        self.sizes.append(status.st_size)
        key = (status.st_dev, status.st_ino)
        # some file systems number no files
        self.identities.append(self._known.setdefault(key, number) if status.st_ino else number)
        self.number[name_as_text(path)] = number
        return number


@dataclass(frozen=True)
class Matched:
    """What was found of every row's picture."""

    files: Files
    listed: int  # files in the folder; the later ones are named by rows and are elsewhere
    file_of_row: NDArray[np.int64]  # (N,) numbers of files, or NONE, WEB, UNNAMED

    def orphans(self) -> list[int]:
        """Return the files of the folder that no row names, by any of their paths."""
        identities = np.array(self.files.identities, dtype=np.int64)
        named = np.zeros(len(identities), dtype=bool)
        named[identities[self.file_of_row[self.file_of_row >= 0]]] = True
        left: list[int] = np.flatnonzero(~named[identities[: self.listed]]).tolist()
        first = dict.fromkeys(self.files.identities[number] for number in left)
        return list(first)


def list_files(root: Path, exclude: Sequence[str] = ()) -> Files:
    """List the pictures in a folder and below, by their names; links are followed once.

    Those that fit a pattern of ``exclude`` are left out.

    Raises:
        ReaderError: If a folder cannot be listed.
    """
    files, is_excluded = Files(), excluded_by(exclude)
    visited: set[tuple[int, int]] = set()
    folders, links = [""], list[str]()
    while folders or links:
        # links last: what can be reached without one has its own path
        folder = folders.pop() if folders else links.pop(0)
        if is_excluded(folder):
            continue
        path = root / folder
        try:
            status = path.stat()
            if (status.st_dev, status.st_ino) in visited and status.st_ino:
                continue
            visited.add((status.st_dev, status.st_ino))
            _list_folder(path, folder, files, folders, links, is_excluded)
        except OSError as error:
            raise ReaderError(
                f"cannot list the folder {str(path)!r}: {error.strerror}; make it readable or move "
                "it out of the collection"
            ) from error
    return files


def match(images: Iterable[str | None], root: Path, files: Files) -> Matched:
    """Find the file of every row.

    A row names a path relative to ``root``, an address, or nothing. Files that rows name elsewhere
    are added to those listed in the root.
    """
    listed = len(files.paths)
    found = np.fromiter((_file_of(image, root, files) for image in images), dtype=np.int64)
    return Matched(files, listed, found)


def look_alike(files: Files) -> dict[str, str]:
    """Map the look (see `_looks`) of every path, and of every name that is unique, to its file."""
    names: dict[str, str] = {}
    for path in files.paths:
        look = _looks(path.rpartition("/")[2])
        names[look] = "" if look in names else path
    return names | {_looks(path): path for path in files.paths}


def closest(image: str, similar: dict[str, str]) -> str | None:
    """Find the file that a path may have meant: one of the same look, or of its name elsewhere."""
    return similar.get(_looks(image)) or similar.get(_looks(image.rpartition("/")[2])) or None


def _list_folder(
    path: Path,
    folder: str,
    files: Files,
    folders: list[str],
    links: list[str],
    is_excluded: Callable[[str], bool],
) -> None:
    with places.scan(path) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    prefix = f"{folder}/" if folder else ""
    below: list[str] = []
    for entry in found:
        if is_hidden(entry.name):
            continue
        try:
            if entry.is_dir():
                (links if entry.is_symlink() else below).append(prefix + entry.name)
            elif not entry.is_file() or is_excluded(prefix + entry.name):
                continue
            elif is_picture(entry.name):
                files.add(prefix + entry.name, entry.stat())
            else:
                files.others.append(prefix + entry.name)
        except OSError:  # a link to itself, or gone meanwhile
            continue
    folders += reversed(below)


def _file_of(image: str | None, root: Path, files: Files) -> int:
    if not image:
        return UNNAMED
    if (known := files.number.get(image)) is not None:
        return known
    if is_url(image):
        return WEB
    try:
        status = places.status(picture_path(root, image))
    except (OSError, ValueError):  # ValueError: a zero byte in the path
        return NONE
    return files.add(image, status) if stat.S_ISREG(status.st_mode) else NONE


def _looks(path: str) -> str:
    """Reduce a path to what it looks like: case, Unicode form and extension left aside."""
    stem, dot, _ = path.rpartition(".")
    plain = unicodedata.normalize("NFC", stem if dot else path)
    return plain.replace("\\", "/").casefold()
