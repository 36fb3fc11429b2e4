"""Files of an index folder: written atomically, by one process at a time."""

from __future__ import annotations

import glob
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import filelock

from artsim.datatypes import shown_path
from artsim.errors import StoreError
from artsim.store.manifest import COPY, MANIFEST

if sys.platform != "win32":
    import fcntl

SPOOL = ".catalog.arrow"  # the catalog as embed reads it; removed when embed is done
TEMPORARY = ".*.tmp"  # the name of a file while it is written; see `write_whole`
_LOCK = ".lock"
# What an interrupted run may leave before the first manifest.
_LEFTOVERS = (_LOCK, SPOOL, "parts", f".{MANIFEST}.*.tmp")


def write_whole(file: Path, write: Callable[[IO[bytes]], object], *, clear: bool = True) -> None:
    """Write a file atomically, see `whole_file`."""
    with whole_file(file, clear=clear) as stream:
        write(stream)


@contextmanager
def whole_file(file: Path, *, clear: bool = True) -> Iterator[IO[bytes]]:
    """Open a file to write atomically: its name refers to the old content or to all of the new.

    When several processes write one file at the same time, the last one wins. What killed ones
    have left of it is removed, unless ``clear`` is false: that takes long in a folder of very many
    files. A device or pipe is written as it is.

    Raises:
        StoreError: If the disk is full, or the folder cannot be written.
    """
    with write_errors(file):
        if file.exists() and not file.is_file():
            with file.open("wb") as device:
                yield device
            return
        file = file.resolve() if file.is_symlink() else file
        file.parent.mkdir(parents=True, exist_ok=True)
        if clear:
            clear_left(file)
        stream, temporary = _open_temporary(file)
        try:
            with stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                if sys.platform != "win32":
                    temporary.replace(file)  # locked until it has its name
            if sys.platform == "win32":
                temporary.replace(file)  # Windows renames no open file
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(file.parent)


def clear_left(*files: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote these files."""
    for file in files:
        for left in file.parent.glob(f".{glob.escape(file.name)}.*.tmp"):
            remove_left(left)


def remove_left(temporary: Path) -> None:
    """Remove a temporary file unless a process is writing it."""
    with suppress(OSError):  # it is being written, or is gone
        if sys.platform == "win32":  # Windows removes no file that is open
            temporary.unlink()
            return
        with temporary.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            temporary.unlink()


def _open_temporary(file: Path) -> tuple[IO[bytes], Path]:
    """Open a new temporary file, locked as long as its process lives."""
    while True:
        temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
        stream = temporary.open("xb")
        if sys.platform == "win32":
            return stream, temporary
        with suppress(OSError):  # a file system without locks
            fcntl.flock(stream, fcntl.LOCK_EX)
        if os.fstat(stream.fileno()).st_nlink:
            return stream, temporary
        stream.close()  # removed as left before it was locked


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an error of the disk or folder into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write {shown_path(path)!r}: {error.strerror or error}; what is finished is "
            "safe: make room or choose another folder with -o, then run the same command again"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make sure that renames in a folder survive a power cut."""
    if os.name == "nt":
        return  # Windows has no handle of a folder to sync
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Holding:
    """A reader's hold on the parts of an index: an open folder, locked together with others."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def is_alone(self) -> bool:
        """Return whether nobody else reads the parts."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            with suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True

    def __del__(self) -> None:
        with suppress(OSError):
            os.close(self._descriptor)


def hold_parts(path: Path) -> Holding | None:
    """Keep the parts of an index from being deleted while this is held; None where it cannot be.

    Windows deletes no open file by itself, and some network drives have no such locks.
    """
    if sys.platform == "win32":
        return None
    descriptor = -1
    try:
        descriptor = os.open(path / "parts", os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except OSError:
        if descriptor >= 0:
            os.close(descriptor)
        return None
    return Holding(descriptor)


@contextmanager
def only_one(lock: Path, busy: str) -> Iterator[None]:
    """Hold a lock file, whose folder is made, so that no other process does the same work.

    Raises:
        StoreError: With the message ``busy`` if another process holds it, or if the folder
            cannot be written.
    """
    held = filelock.FileLock(lock, timeout=0)
    with write_errors(lock.parent):
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            held.acquire()
        except filelock.Timeout as error:
            raise StoreError(busy) from error
    try:
        yield
    finally:
        held.release()


@contextmanager
def lock_index(path: Path) -> Iterator[None]:
    """Lock an index folder for writing; create it if it does not exist.

    A folder in which nothing is left at the end is removed.

    Raises:
        StoreError: If another process has locked it, or the folder cannot be created.
    """
    if not is_store(path):
        check_free(path)
    busy = f"another 'artsim embed' is writing {shown_path(path)!r}; wait until it is done"
    with only_one(path / _LOCK, busy):
        try:
            with write_errors(path):
                (path / SPOOL).unlink(missing_ok=True)  # of a run that was killed
            yield
        finally:
            if not is_store(path):
                with suppress(OSError):
                    (path / _LOCK).unlink()
                    path.rmdir()


def is_being_written(path: Path) -> bool:
    """Return whether a process has locked an index for writing; False where that cannot be seen."""
    if sys.platform == "win32":
        return False
    with suppress(OSError), (path / _LOCK).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def check_free(path: Path) -> None:
    """Refuse a folder that contains anything but the beginnings of an index."""
    if path.is_dir() and not all(
        any(entry.match(leftover) for leftover in _LEFTOVERS) for entry in path.iterdir()
    ):
        raise StoreError(
            f"{shown_path(path)!r} is not empty and not an index; choose another with -o"
        )


def is_store(path: Path) -> bool:
    """Return whether a folder is an index, maybe one whose manifest is lost but for its copy."""
    return (path / MANIFEST).is_file() or (path / COPY).is_file()
