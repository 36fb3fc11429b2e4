"""Pictures opened by their path, which may lead into a file that holds many."""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from artsim.places.remote import as_path, is_remote, real_path
from artsim.places.rows import PictureRows
from artsim.places.tars import Tar

_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # opening a pipe would wait for its writer
_OPENED_AHEAD = 8  # containers of a store that are read at a time
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
            if is_remote(path):
                return as_path(path).stat()
            raise
    file, member = inside
    size = open_container(file).size(member)
    of_file = file.stat()
    values = (stat.S_IFREG | 0o444, 0, of_file.st_dev, 1, 0, 0, size, 0, 0, 0)
    return os.stat_result(values, {"st_mtime_ns": of_file.st_mtime_ns})


def is_file(path: str | Path) -> bool:
    """Return whether a path is a file or a picture inside one."""
    if is_remote(path):
        return as_path(path).is_file() or _is_inside(path)
    return os.path.isfile(path) or _is_inside(path)  # noqa: PTH113  # Path raises for a long name


def exists(path: str | Path) -> bool:
    """Return whether a path is a file, a folder or a picture inside a file."""
    if is_remote(path):
        return as_path(path).exists() or _is_inside(path)
    return os.path.exists(path) or _is_inside(path)  # noqa: PTH110  # as above


def is_below(file: Path, folders: Iterable[Path]) -> bool:
    """Return whether a path, links followed, leads below a folder, and to no device or pipe.

    Folders are given without links. What is not there yet may be below one.
    """
    try:
        real = real_path(file)
        inside = any(real.is_relative_to(folder) for folder in folders)
        return inside and (is_remote(real) or real.is_file() or not real.exists())
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
            if is_remote(path):
                return as_path(path).open("rb")
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


def opened_ahead(files: Sequence[Path]) -> Iterator[Path]:
    """Yield files with pictures inside; those in a store are opened ahead, several at a time.

    One that cannot be opened is yielded too.
    """
    if not any(map(is_remote, files)):
        yield from files
        return

    def open_(file: Path) -> Path:
        with suppress(OSError):
            CONTAINERS[file.suffix.lower()](file)
        return file

    with ThreadPoolExecutor(_OPENED_AHEAD, thread_name_prefix="artsim-places") as pool:
        try:
            waiting: deque[Future[Path]] = deque()
            for file in files:
                waiting.append(pool.submit(open_, file))
                if len(waiting) > _OPENED_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


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
    path = as_path(path)
    for file in reversed(path.parents):
        if file.suffix.lower() in _SUFFIXES and file.is_file():
            return file, path.relative_to(file).as_posix()
    return None


def _open(name: str, flags: int) -> int:
    return os.open(name, flags | _NO_WAIT)
