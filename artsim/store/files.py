"""Atomic writes: a file is complete or absent."""

from __future__ import annotations

import glob
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from artsim.errors import StoreError

TEMPORARY = ".*.tmp"  # what a file is called while it is written; see `write_whole`


def write_whole(file: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file atomically: under its name there is the old content or all of the new.

    When several processes write one file at the same time, the last one wins.

    Raises:
        StoreError: If the disk is full, or the folder cannot be written.
    """
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    with write_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(file)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(file.parent)


def clear_left(*files: Path) -> None:
    """Remove temporary files of interrupted runs; the caller holds the lock, see `lock_index`."""
    for file in files:
        for left in file.parent.glob(f".{glob.escape(file.name)}.*.tmp"):
            left.unlink(missing_ok=True)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an error of the disk or folder into a StoreError that says what to do.

    Raises:
        StoreError: If it cannot.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write {str(path)!r}: {error.strerror or error}; what is finished is safe: "
            "make room or choose another folder with -o, then run the same command again"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make sure that renames in a folder outlast a power cut."""
    if os.name == "nt":
        return  # Windows has no handle of a folder to sync
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
