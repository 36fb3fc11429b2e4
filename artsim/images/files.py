"""Pictures opened, as files or inside files (see `artsim.places`): regular ones, up to a size."""

from __future__ import annotations

import os
import stat
from io import BufferedReader, BytesIO, FileIO
from pathlib import Path

from artsim import places
from artsim.errors import ImageError, ResourcesError, shortage_of

MAX_BYTES = 2**31  # of a file: the largest picture that is decoded, of 8 bytes a pixel

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def read_bytes(path: Path) -> bytes:
    """Read a file whole.

    Raises:
        ImageError: If it is not there, is no regular file, is empty, too large or cannot be read.
        ResourcesError: If there is no memory or file descriptor for it now.
    """
    path = places.as_path(path)
    try:
        with open_regular(path) as file:
            data = file.read()
    except OSError as problem:
        raise _unreadable(path, problem) from problem
    except MemoryError as problem:
        raise ResourcesError(f"not enough memory to read {str(path)!r} now") from problem
    if not data:
        raise ImageError(f"{str(path)!r} is empty (0 bytes); get the file again")
    return data


def open_regular(path: Path) -> BufferedReader | BytesIO:
    """Open a file to read, or a picture inside one, if it is one with an end.

    Raises:
        ImageError: If it is not there, is no regular file, is too large or cannot be opened.
        ResourcesError: If there is no file descriptor for it now.
    """
    try:
        file = places.open_place(path)
        is_here = isinstance(getattr(file, "raw", None), FileIO)
        fault = not_a_picture_file(os.fstat(file.fileno())) if is_here else ""
    except (OSError, ValueError) as problem:  # ValueError: a zero byte in the path
        raise _unreadable(path, problem) from problem
    if fault:
        file.close()
        raise ImageError(f"{str(path)!r} {fault}")
    return file


def not_a_picture_file(status: os.stat_result) -> str:
    """Return why no picture is read from a path; '' for a regular file that is not too large."""
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        return f"is {kind}; name a picture file"
    if status.st_size > MAX_BYTES:
        return (
            f"has {status.st_size:,} bytes, more than the limit of {MAX_BYTES:,}; "
            "make a smaller copy"
        )
    return ""


def _unreadable(path: Path, problem: Exception) -> ImageError:
    if isinstance(problem, FileNotFoundError | NotADirectoryError):
        return ImageError(f"no file {str(path)!r}; check the path and its folder")
    if isinstance(problem, IsADirectoryError):
        return ImageError(f"{str(path)!r} is a folder; name a picture file in it")
    reason = " ".join(str(getattr(problem, "strerror", None) or problem).split())
    if shortage_of(problem):
        return ResourcesError(f"{str(path)!r} cannot be read now ({reason})")
    return ImageError(
        f"{str(path)!r} cannot be read ({reason}); check the path and its permissions"
    )
