"""Pictures opened by their path, which may lead into a file that holds many."""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from artsim.places.rows import PictureRows
from artsim.places.tars import Tar

_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # opening a pipe would wait for its writer
_KEPT = 8  # containers that stay open; Parquet files keep some of their rows


class Container(Protocol):
    """A file with pictures inside. Safe to use from several threads.

    The last two methods raise FileNotFoundError where there is no such member, and another OSError
    where it cannot be read.
    """

    def has(self, member: str) -> bool:
        """Return whether there is such a member."""
        ...

    def size(self, member: str) -> int:
        """Return the bytes of a member."""
        ...

    def read(self, member: str) -> bytes:
        """Read a member whole."""
        ...


CONTAINERS: Mapping[str, Callable[[Path], Container]] = {".tar": Tar, ".parquet": PictureRows}
_SUFFIXES = tuple(CONTAINERS)


def status(path: str | Path) -> os.stat_result:
    """Return the status of a file, as `os.stat` does, or of a picture inside one.

    That is of its container's age, and has no inode.

    Raises:
        OSError: If it is not there or cannot be read.
        ValueError: If the path cannot be one.
    """
    try:
        return os.stat(path)  # noqa: PTH116  # there may be millions
    except (NotADirectoryError, FileNotFoundError):
        inside = _split(path)
        if inside is None:
            raise
    file, member = inside
    size = open_container(file).size(member)
    of_file = file.stat()
    values = (stat.S_IFREG | 0o444, 0, of_file.st_dev, 1, 0, 0, size, 0, 0, 0)
    return os.stat_result(values, {"st_mtime_ns": of_file.st_mtime_ns})


def is_file(path: str | Path) -> bool:
    """Return whether a path is a file or a picture inside one."""
    return os.path.isfile(path) or _is_inside(path)  # noqa: PTH113  # Path raises for a long name


def exists(path: str | Path) -> bool:
    """Return whether a path is a file, a folder or a picture inside a file."""
    return os.path.exists(path) or _is_inside(path)  # noqa: PTH110  # as above


def is_below(file: Path, folders: Iterable[Path]) -> bool:
    """Return whether a path, links followed, leads below a folder, and to no device or pipe.

    Folders are given without links. What is not there yet may be below one.
    """
    try:
        real = Path(os.path.realpath(file))
        inside = any(real.is_relative_to(folder) for folder in folders)
        return inside and (real.is_file() or not real.exists())
    except (OSError, ValueError):  # too long for a name, a zero byte
        return False


def open_place(path: Path) -> io.BufferedReader | io.BytesIO:
    """Open a file to read, or a picture inside one. A pipe is not waited for.

    Raises:
        OSError: If it is not there or cannot be read.
        ValueError: If the path cannot be one.
    """
    try:
        return open(path, "rb", opener=_open)
    except (NotADirectoryError, FileNotFoundError):
        inside = _split(path)
        if inside is None:
            raise
    file, member = inside
    return io.BytesIO(open_container(file).read(member))


def open_container(file: Path) -> Container:
    """Open a file with pictures inside; it stays open until it changes or others are needed.

    Raises:
        OSError: If it is none, or damaged.
    """
    found = file.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "no regular file", str(file))
    with _opening:
        return _opened(file, found.st_mtime_ns, found.st_size)


_opening = threading.Lock()  # two threads would read one index of members


@lru_cache(_KEPT)
def _opened(file: Path, mtime_ns: int, size: int) -> Container:
    return CONTAINERS[file.suffix.lower()](file)


def _is_inside(path: str | Path) -> bool:
    try:
        inside = _split(path)
        return inside is not None and open_container(inside[0]).has(inside[1])
    except (OSError, ValueError):
        return False


def _split(path: str | Path) -> tuple[Path, str] | None:
    """Split a path into the file that holds a picture and the member; None if there is no such."""
    text = os.fspath(path).lower()
    if not any(suffix in text for suffix in _SUFFIXES):  # nearly all paths: there may be millions
        return None
    path = Path(path)
    for file in reversed(path.parents):
        if file.suffix.lower() in _SUFFIXES and file.is_file():
            return file, path.relative_to(file).as_posix()
    return None


def _open(name: str, flags: int) -> int:
    return os.open(name, flags | _NO_WAIT)
