"""Pictures in object stores, read ahead of their use: many reads are in flight at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from artsim import places
from artsim.images.files import read_bytes

_IN_FLIGHT = 32  # reads
_WINDOW = 96  # pictures that are being read or wait to be decoded


class ReadAhead:
    """Reads pictures of object stores in the order in which they are named.

    Those of this machine are read when they are used. To close it abandons what is not used.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._room = threading.BoundedSemaphore(_WINDOW)

    def reading(self, path: Path) -> Callable[[], bytes]:
        """Return what gives a picture's bytes, once, or raises an ImageError; see `read_bytes`.

        Waits while too many are read and not used.
        """
        if not places.is_remote(path):
            return partial(read_bytes, path)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="artsim-reading")
        self._room.acquire()
        return partial(self._take, self._pool.submit(read_bytes, path))

    def _take(self, read: Future[bytes]) -> bytes:
        try:
            return read.result()
        finally:
            self._room.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
