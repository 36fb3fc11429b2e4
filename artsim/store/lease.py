"""The right to write an index in an object store, which one machine has at a time.

It is a file that is made only where there is none, and is written again while its owner works. Of
an owner that is gone it stays the same for a while, and is then taken over: no clocks are compared.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from artsim.errors import ConflictError
from artsim.places import ask_object, read_object, remove_object, write_object_if

LEASE = ".writing"  # its name in the index; that of a hidden file is never fetched
_RENEWED_S = 10.0
_GONE_S = 45.0  # without being renewed
_ASKED_S = 1.0


@contextmanager
def lease(address: str, owner: str) -> Iterator[Callable[[], None]]:
    """Wait until no other machine writes an index, and hold the right meanwhile.

    Gives what raises a ConflictError once it is lost: to be called before each write.

    Args:
        address: The index.
        owner: Whose right it is; that of a killed run of the same owner is taken over at once.

    Raises:
        OSError: If the store cannot be read or written.
        ConflictError: If another machine has taken it, as this one was asleep.
    """
    file, end, lost = f"{address}/{LEASE}", threading.Event(), threading.Event()
    identity = _take(file, owner)

    def renew() -> None:
        nonlocal identity
        count = 0
        while not end.wait(_RENEWED_S):
            count += 1
            with suppress(OSError):  # it is tried again
                renewed = write_object_if(_content(owner, count), file, identity)
                if renewed is None:
                    lost.set()
                    return
                identity = renewed

    def check() -> None:
        if lost.is_set():
            raise ConflictError(
                f"another run began to write {address} while this machine did not answer; run the "
                "command again"
            )

    thread = threading.Thread(target=renew, name="artsim-lease", daemon=True)
    thread.start()
    try:
        yield check
    finally:
        end.set()
        thread.join()
        if not lost.is_set():
            with suppress(OSError):  # it is taken over when it is not renewed
                remove_object(file)
    check()


def _take(file: str, owner: str) -> str:
    """Take the right, from an owner that is gone if need be; return the file's identity."""
    seen, since = "", 0.0
    while True:
        if (taken := write_object_if(_content(owner), file, None)) is not None:
            return taken
        entry = ask_object(file)
        if entry is None:
            continue
        now = time.monotonic()
        if entry.identity != seen:
            seen, since = entry.identity, now
        if now - since >= _GONE_S or _owner_of(file) == owner:
            taken = write_object_if(_content(owner), file, entry.identity)
            if taken is not None:
                return taken
        time.sleep(_ASKED_S)


def _content(owner: str, count: int = 0) -> bytes:
    return f"{owner}\n{platform.node()} {os.getpid()} {time.time_ns()} {count}\n".encode()


def _owner_of(file: str) -> str:
    with suppress(FileNotFoundError):
        return read_object(file).decode("utf-8", "replace").partition("\n")[0]
    return ""
