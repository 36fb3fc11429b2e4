"""Files kept in the user's cache folder: of a bounded size, written whole, and checked when read.

An entry is a folder of a few files and their sha256. It appears under its name in one step, so
several processes may write the same; one that is damaged is removed, and is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

MOST_BYTES = 4 << 30  # of all entries; those that were not used for longest are removed

_SUMS = "sha256.json"
_ABANDONED_S = 3600.0  # after which what is being written is left of a process that ended


def read_entry(key: str) -> Path | None:
    """Return the folder of an entry whose files are whole, or None."""
    folder = _root() / key
    try:
        sums = entry_sums(folder)
        whole = all(_sha256(folder / name) == sha256 for name, sha256 in sums.items())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError):
        whole = False
    if not whole:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    with suppress(OSError):
        os.utime(folder / _SUMS)  # it was used now
    return folder


def entry_sums(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file of an entry, as it was written."""
    sums: dict[str, str] = json.loads((folder / _SUMS).read_text(encoding="ascii"))
    return sums


def write_entry(key: str, fill: Callable[[Path], None], *, most_bytes: int = MOST_BYTES) -> None:
    """Keep the files that ``fill`` writes to a folder; without a place for them nothing is kept."""
    root = _root()
    new = root / f".{uuid.uuid4().hex}"
    try:
        new.mkdir(parents=True)
        fill(new)
        sums = {file.name: _sha256(file) for file in sorted(new.iterdir())}
        (new / _SUMS).write_text(json.dumps(sums), encoding="ascii")
        if _size(new) <= most_bytes:
            shutil.rmtree(root / key, ignore_errors=True)
            new.rename(root / key)
            _make_room(root, most_bytes)
    except OSError:  # a full disk, a folder that cannot be written, or another process was faster
        pass
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _make_room(root: Path, most_bytes: int) -> None:
    entries = []
    for folder in root.iterdir():
        if folder.name.startswith("."):
            if time.time() - folder.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)
        else:
            with suppress(OSError):
                entries.append(((folder / _SUMS).stat().st_mtime_ns, _size(folder), folder))
    total = 0
    for _, size, folder in sorted(entries, reverse=True):
        total += size
        if total > most_bytes:
            shutil.rmtree(folder, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _root() -> Path:
    return user_cache_path("artsim") / "networks"
