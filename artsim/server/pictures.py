"""Pictures of visitors: small copies of an index's works, and what visitors uploaded."""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from fastapi.concurrency import run_in_threadpool

from artsim.datatypes import Box
from artsim.errors import ImageError, ModelError, ResourcesError, SearchError, StoreError
from artsim.images import Decoders, Picture, decode, process_budget, read_bytes
from artsim.report import is_url, small_copy
from artsim.search import PreparedPicture, Works
from artsim.server.guard import Limits
from artsim.server.remembering import RememberingEncoder
from artsim.store import write_whole

T = TypeVar("T")
_log = logging.getLogger(__name__)

_QUALITY = 82
_AT_ONCE = 2  # small pictures of visitors decoded at the same time, and any of the indexes
_SMALL = 128 << 20  # bytes of memory; a picture of visitors that takes more waits for other such


@contextmanager
def hidden_reasons(id_: str) -> Iterator[None]:
    """Say of a work's picture that cannot be shown no more than that: reasons have paths and bytes.

    Raises:
        ImageError: If it cannot be shown.
        ResourcesError: If it cannot be shown now.
    """
    try:
        yield
    except ResourcesError as error:
        _log.info("%s: %s", id_, error)
        raise ResourcesError(f"the picture of {id_!r} cannot be shown now; try again") from None
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
        self._writing = threading.Lock()  # two at a time would write into one file

    def get(self, id_: str, side: int) -> bytes:
        """Return a small copy of a work's picture as a JPEG, ``side`` pixels on its longer side.

        Raises:
            SearchError: If there is no such work.
            ImageError: If its picture is on the web, missing, or cannot be decoded.
        """
        row = self._works.row(id_)
        content = self._works.content(row)
        file = self._folder / str(side) / f"{content}.jpg"
        is_own = _is_own(file, self._works.store.path)
        if is_own:
            with suppress(ImageError):
                return read_bytes(file)
        ((_, image, _),) = self._works.known([row])
        if image is not None and is_url(image):
            raise ImageError(f"the picture is on the web: {image}")
        out = io.BytesIO()
        with hidden_reasons(id_):
            picture = read_bytes(Path(image or ""))
            small_copy(picture, side).save(out, "JPEG", quality=_QUALITY, optimize=True)
        # A file that has changed is no longer the picture of this name.
        if is_own and hashlib.sha256(picture).hexdigest() == content:
            with suppress(StoreError), self._writing:  # a read-only index is served more slowly
                write_whole(file, lambda stream: stream.write(out.getvalue()), clear=False)
        return out.getvalue()


def _is_own(file: Path, folder: Path) -> bool:
    """Return whether a path of a folder leads nowhere else, as links and ``..`` of it may."""
    try:
        own = Path(os.path.realpath(folder), file.relative_to(folder))
        return os.path.realpath(file) == str(own)
    except (OSError, ValueError):  # too long for a name, a zero byte
        return False


def collection_decoders(limits: Limits) -> Decoders:
    """Return where the pictures of the indexes are decoded, which may be as large as scans are."""
    budget = process_budget()
    return Decoders(
        at_once=_AT_ONCE,
        budget=budget,
        max_memory=min(budget.total, limits.decode_bytes),
        seconds=limits.decode_seconds,
    )


class Uploads:
    """The newest uploads by their sha256, kept in memory. Safe to use from several threads."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        # The server has a copy of the pixels for a moment.
        most = min(process_budget().total, limits.decode_bytes) // 2
        small = min(_SMALL, most)
        self._lanes = (
            _Lane(limits, limits.uploads, _AT_ONCE, max_memory=small, passes_on=True),
            _Lane(limits, max(limits.uploads // 4, 1), 1, max_memory=most),
        )

    async def receive(
        self, body: Callable[[], Awaitable[bytes]], encoder: RememberingEncoder
    ) -> tuple[str, int, int]:
        """Wait for the picture of a visitor, and keep it; see `add`.

        Raises:
            ResourcesError: If too many wait to be decoded.
        """
        data = await body()  # before it is its turn: slow visitors keep nobody out
        return await self._decoded(self.add, data, encoder)

    async def prepare(self, data: bytes, box: Box | None, encoder: RememberingEncoder) -> None:
        """Decode a visitor's picture, or a detail of it, for a query; the encoder remembers it.

        Raises:
            ImageError: If it cannot be decoded, or is larger than allowed.
            SearchError: If the box is outside the picture.
            ResourcesError: If too many visitors' pictures are being decoded.
        """
        if encoder.prepared(data, box) is None:
            with suppress(ModelError):  # a copy of a work needs no network
                await self._decoded(encoder.prepare, data, box)

    def add(self, data: bytes, encoder: RememberingEncoder) -> tuple[str, int, int]:
        """Decode a picture for a query and keep it; return its sha256, width and height.

        Raises:
            ImageError: If it cannot be decoded, or is larger than allowed.
            ResourcesError: If there is no memory to decode it now.
        """
        if len(data) > self._limits.upload_bytes:
            raise ImageError(
                f"the picture has {len(data):,} bytes, more than the "
                f"{self._limits.upload_bytes:,} allowed; send a smaller copy"
            )
        found: Picture | PreparedPicture
        try:
            found = encoder.prepare(data, None)
        except ModelError:  # without its network an index is searched by copies of its pictures
            found = decode(data, at_least=lambda *_: (1, 1))
        key = hashlib.sha256(data).hexdigest()
        with self._lock:
            self._bytes += 0 if key in self._kept else len(data)
            self._kept[key] = data
            self._kept.move_to_end(key)
            while self._bytes > self._limits.kept_bytes and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped)
        return key, found.width, found.height

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

    def close(self) -> None:
        """End the processes that decode."""
        for lane in self._lanes:
            lane.decoders.close()

    async def _decoded(self, work: Callable[..., T], *args: object) -> T:
        """Run what decodes a picture; one that takes much memory waits for other such."""
        small, large = self._lanes
        with suppress(ResourcesError):
            return await small.run(work, *args)
        return await large.run(work, *args)


class _Lane:
    """Visitors' pictures of a size, decoded in processes of their own; a few at a time."""

    def __init__(self, limits: Limits, most: int, at_once: int, **more: Any) -> None:
        self._most = most  # pictures that are decoded or wait for it
        self._here = 0
        self._turns = asyncio.Semaphore(at_once)
        self._wait_seconds = limits.answer_seconds
        self.decoders = Decoders(
            at_once=at_once,
            budget=process_budget(),
            max_pixels=limits.upload_pixels,
            seconds=limits.decode_seconds,
            wait_seconds=limits.answer_seconds,
            **more,
        )

    async def run(self, work: Callable[..., T], *args: object) -> T:
        """Run what decodes a picture, when it is its turn."""
        if self._here >= self._most:
            raise ResourcesError("too many pictures wait to be decoded; try again in a minute")
        self._here += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._turns.acquire()
            try:
                return await run_in_threadpool(self._run, work, *args)
            finally:
                self._turns.release()
        finally:
            self._here -= 1

    def _run(self, work: Callable[..., T], *args: object) -> T:
        with self.decoders.in_use():
            return work(*args)
