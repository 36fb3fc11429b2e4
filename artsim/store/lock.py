"""The lock of an index folder, and which folders may become one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from artsim.errors import StoreError
from artsim.store.files import write_errors
from artsim.store.manifest import MANIFEST

SPOOL = ".catalog.arrow"  # the catalog as embed reads it; cleared when it is done
_LOCK = ".lock"
# What an interrupted run may leave before the first manifest.
_LEFTOVERS = (_LOCK, SPOOL, "parts", f".{MANIFEST}.*.tmp")


@contextmanager
def lock_index(path: Path) -> Iterator[None]:
    """Lock an index folder for writing; create it if it does not exist.

    Raises:
        StoreError: If another process has locked it, or the folder cannot be created.
    """
    if not is_store(path):
        check_free(path)
    lock = filelock.FileLock(path / _LOCK, timeout=0)
    with write_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise StoreError(
                f"another 'artsim embed' is writing {str(path)!r}; wait until it is done"
            ) from error
    try:
        yield
    finally:
        lock.release()


def check_free(path: Path) -> None:
    """Refuse a folder that contains anything but the beginnings of an index."""
    if path.is_dir() and not all(
        any(entry.match(leftover) for leftover in _LEFTOVERS) for entry in path.iterdir()
    ):
        raise StoreError(f"{str(path)!r} is not empty and not an index; choose another with -o")


def is_store(path: Path) -> bool:
    """Return whether a folder is an index."""
    return (path / MANIFEST).is_file()
