"""What was learned of files in object stores, kept in the user's cache until the files change.

To list the members of a tar there is to read most of it, and to know how large the pictures in a
Parquet file are is to read them all.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.ipc
from platformdirs import user_cache_path

from artsim.places.remote import RemotePath

T = TypeVar("T")


def remembered(file: Path, what: str, learn: Callable[[], pa.Table]) -> pa.Table:
    """Return what is known of a file, or learn it; of files of this machine nothing is kept."""
    if not isinstance(file, RemotePath):
        return learn()
    status = file.stat()
    key = f"{what} {file} {status.st_size} {status.st_mtime_ns}"
    kept = user_cache_path("artsim") / "remote" / hashlib.sha256(key.encode()).hexdigest()[:40]
    with suppress(OSError, pa.ArrowException), pa.memory_map(str(kept)) as stream:
        return pa.ipc.open_file(stream).read_all()
    table = learn()
    with suppress(OSError):  # it is learned again
        kept.parent.mkdir(parents=True, exist_ok=True)
        new = kept.with_name(f".{kept.name}.{secrets.token_hex(4)}.tmp")
        with pa.OSFile(str(new), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        new.replace(kept)
    return table
