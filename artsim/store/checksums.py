"""Checksums of an index's files: bit rot is noticed where a file is read.

A JSON file ends with the checksum of its own values. A Parquet file has one per page, and one of
its footer. The sha256 of any other file is in the JSON file that belongs to it, and is compared
when the file is first opened: the user's cache remembers which files were whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from platformdirs import user_cache_path

from artsim.datatypes import shown_path
from artsim.errors import ShortageError, shortage_of

CHECKSUM = "checksum"  # key of a JSON object, its last


def sealed(values: Mapping[str, Any]) -> bytes:
    """Return a JSON object with the checksum of its values."""
    return (_dump({**values, CHECKSUM: _checksum(values)}) + "\n").encode()


def unsealed(text: str) -> dict[str, Any]:
    """Read a JSON object and compare its checksum, if it has one.

    Raises:
        ValueError: If it is not a JSON object, or its values are not those that were written.
    """
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")
    checksum = values.pop(CHECKSUM, None)
    if checksum not in (None, _checksum(values)):
        raise ValueError("its checksum does not match")
    return values


def cannot_read_now(file: Path, problem: Exception) -> str:
    """Say that nothing is known of a file, for want of descriptors or memory."""
    reason = getattr(problem, "strerror", None) or str(problem) or "not enough memory"
    return f"{shown_path(file)!r} cannot be read now ({reason}); end other programs and try again"


def sha256_of(file: Path | IO[bytes]) -> str:
    """Return the sha256 of a file, or of what is left of an open one.

    Raises:
        ShortageError: If it cannot be read for want of descriptors or memory.
    """
    if isinstance(file, Path):
        try:
            with file.open("rb") as stream:
                return sha256_of(stream)
        except OSError as problem:
            if shortage_of(problem):
                raise ShortageError(cannot_read_now(file, problem)) from problem
            raise
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # a protocol


def is_whole(file: Path, sha256: str | None, *, again: bool = False) -> bool:
    """Return whether a file's content has this sha256; None, from an older artsim, is any.

    A file that was whole is read again only if its size or a time of it has changed, or with
    ``again``.

    Raises:
        ShortageError: If it cannot be read for want of descriptors or memory.
    """
    try:
        if sha256 is None:
            return file.is_file()
        status = file.stat()
        seen = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, sha256]
        note = _cache() / hashlib.sha256(os.fsencode(file.absolute())).hexdigest()[:32]
        if not again:
            with suppress(OSError, ValueError):
                if json.loads(note.read_text(encoding="ascii")) == seen:
                    return True
        if sha256_of(file) != sha256:
            with suppress(OSError):
                note.unlink(missing_ok=True)
            return False
    except OSError:
        return False
    with suppress(OSError):  # without a place to remember it, it is read each time
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(seen), encoding="ascii")
    return True


def _dump(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False)


def _checksum(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(_dump(values).encode("utf-8", "surrogatepass")).hexdigest()


def _cache() -> Path:
    return user_cache_path("artsim") / "verified"
