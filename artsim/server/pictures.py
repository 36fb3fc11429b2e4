"""Pictures of visitors: small copies of an index's works, and what visitors uploaded."""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastapi.concurrency import run_in_threadpool

from artsim.errors import ImageError, ResourcesError, SearchError, StoreError
from artsim.images import check_apart, process_budget, read_bytes
from artsim.report import is_url, small_copy
from artsim.search import Works
from artsim.server.guard import Limits
from artsim.store import write_whole

_log = logging.getLogger(__name__)

_QUALITY = 82
_AT_ONCE = 2  # pictures decoded at the same time: each takes memory


@contextmanager
def hidden_reasons(id_: str) -> Iterator[None]:
    """Say of a work's picture that cannot be shown no more than that: reasons have paths and bytes.

    Raises:
        ImageError: If it cannot be shown.
    """
    try:
        yield
    except ImageError as error:
        _log.info("%s: %s", id_, error)
        raise ImageError(f"the picture of {id_!r} cannot be shown") from None


class Thumbnails:
    """Small copies of an index's pictures, kept in its folder. Safe to use from several threads.

    A picture is requested by the id of its work, so no other file can be named.
    """

    def __init__(self, works: Works) -> None:
        self._works = works
        self._folder = works.store.path / "thumbnails"
        self._decoding = threading.BoundedSemaphore(_AT_ONCE)
        self._writing = threading.Lock()  # two at a time would write into one file

    def get(self, id_: str, side: int) -> bytes:
        """Return a small copy of a work's picture as a JPEG, ``side`` pixels on its longer side.

        Raises:
            SearchError: If there is no such work.
            ImageError: If its picture is on the web, missing, or cannot be decoded.
        """
        row = self._works.row(id_)
        content: str = self._works.contents[row].as_py()
        file = self._folder / str(side) / f"{content}.jpg"
        with suppress(OSError):
            return file.read_bytes()
        ((_, image, _),) = self._works.known([row])
        if image is not None and is_url(image):
            raise ImageError(f"the picture is on the web: {image}")
        out = io.BytesIO()
        with hidden_reasons(id_), self._decoding:
            picture = read_bytes(Path(image or ""))
            small_copy(picture, side).save(out, "JPEG", quality=_QUALITY, optimize=True)
        # A file that has changed is no longer the picture of this name.
        if hashlib.sha256(picture).hexdigest() == content:
            with suppress(StoreError), self._writing:  # a read-only index is served more slowly
                write_whole(file, lambda stream: stream.write(out.getvalue()), clear=False)
        return out.getvalue()


class Uploads:
    """The newest uploads by their sha256, kept in memory. Safe to use from several threads."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._coming = 0
        self._decoding = asyncio.Semaphore(_AT_ONCE)

    async def receive(self, body: Callable[[], Awaitable[bytes]]) -> tuple[str, int, int]:
        """Wait for the picture of a visitor, and keep it; see `add`.

        Raises:
            ResourcesError: If too many are being uploaded.
        """
        if self._coming >= self._limits.uploads:
            raise ResourcesError("too many pictures are being uploaded; try again in a minute")
        self._coming += 1
        try:
            data = await body()
            async with asyncio.timeout(self._limits.answer_seconds):
                await self._decoding.acquire()
            try:
                return await run_in_threadpool(self.add, data)
            finally:
                self._decoding.release()
        finally:
            self._coming -= 1

    def add(self, data: bytes) -> tuple[str, int, int]:
        """Keep a picture; return its sha256, width and height.

        Raises:
            ImageError: If it cannot be decoded, or is larger than allowed.
            ResourcesError: If there is no memory to decode it now.
        """
        if len(data) > self._limits.upload_bytes:
            raise ImageError(
                f"the picture has {len(data):,} bytes, more than the "
                f"{self._limits.upload_bytes:,} allowed; send a smaller copy"
            )
        budget = process_budget()
        share = min(budget.total, self._limits.decode_bytes) // _AT_ONCE
        with budget.hold(share, self._limits.answer_seconds):
            width, height = check_apart(
                data,
                max_pixels=self._limits.upload_pixels,
                max_memory=share,
                seconds=self._limits.decode_seconds,
            )
        key = hashlib.sha256(data).hexdigest()
        with self._lock:
            self._bytes += 0 if key in self._kept else len(data)
            self._kept[key] = data
            self._kept.move_to_end(key)
            while self._bytes > self._limits.kept_bytes and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped)
        return key, width, height

    def get(self, key: str) -> bytes:
        """Return the bytes of a picture.

        Raises:
            SearchError: If it was dropped or never uploaded.
        """
        with self._lock:
            if key not in self._kept:
                raise SearchError("the uploaded picture has expired; upload it again")
            self._kept.move_to_end(key)
            return self._kept[key]
