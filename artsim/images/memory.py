"""The memory that decoding may take: a budget of bytes that the threads of a process share."""

from __future__ import annotations

import mmap
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

from artsim.errors import ResourcesError
from artsim.images.claims import has_many_scans, tiles

_SHARE = 2  # one half of the machine's memory is for decoding
_UNKNOWN = 4 << 30  # where a system does not say how much it has
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")

# Bytes of a pixel in Pillow; 4 in all other modes.
_OF_MODE = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
_ARRAY = 3  # bytes of a pixel in the array that `decode` returns
# Bytes a pixel that decoders take beside the picture, at most, as measured: WebP and AVIF decode
# into memory of their own, a TIFF's strip is decoded whole and may be all of the picture.
_DECODERS = {"JPEG": 0, "MPO": 0, "PNG": 0, "GIF": 4, "BMP": 0, "PPM": 0, "JPEG2000": 0, "TIFF": 12}
_OTHER_DECODERS = 22
_FEW = 2**23  # bytes for whatever else there is
_TILE_PIXEL = 20  # of a tile of JPEG 2000, whose channels are 32-bit integers
_TILE = 12_000  # bytes of a tile's description
_ROW = 32  # bytes of a row's pointers and padding, in all copies
_COEFFICIENT = 2  # bytes, of a JPEG that is kept until its last scan


class Budget:
    """Bytes that threads share: one that does not fit waits for others to be done.

    A picture is never refused because others are kept: when no thread is decoding, the next may.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._held = 0
        self._running = 0  # threads that hold bytes and do not wait
        self._changed = threading.Condition()
        self._own = threading.local()

    @contextmanager
    def hold(self, size: int, seconds: float | None = None) -> Iterator[None]:
        """Take bytes as long as the context is open; within another of this thread, too.

        Raises:
            ResourcesError: If it is more than the whole budget, or they are not free in time.
        """
        if size > self.total:
            raise ResourcesError(
                f"it takes {_megabytes(size)} MB to decode, more than the {_megabytes(self.total)} "
                "MB that may be used here; make a smaller copy, or use a machine with more memory"
            )
        depth = getattr(self._own, "depth", 0)
        with self._changed:
            self._running -= depth > 0
            self._changed.notify_all()
            free = self._changed.wait_for(lambda: self._is_free(size), seconds)
            self._running += depth > 0 or free
            if not free:
                raise ResourcesError(f"no memory to decode it was free in {seconds:g} s; try again")
            self._held += size
        self._own.depth = depth + 1
        try:
            yield
        finally:
            self._own.depth = depth
            with self._changed:
                self._held -= size
                self._running -= depth == 0
                self._changed.notify_all()

    def keep(self, pixels: NDArray[np.uint8]) -> None:
        """Take the bytes of an array until nothing refers to it."""
        with self._changed:
            self._held += pixels.nbytes
        weakref.finalize(pixels, self._give_back, pixels.nbytes).atexit = False

    def _is_free(self, size: int) -> bool:
        return self._held + size <= self.total or not self._running

    def _give_back(self, size: int) -> None:
        with self._changed:
            self._held -= size
            self._changed.notify_all()


@cache
def process_budget() -> Budget:
    """Return the budget of this process: half of the memory that it may have."""
    return Budget(_memory() // _SHARE)


def limit_memory(total: int) -> Budget:
    """Lower the budget of this process; return it."""
    budget = process_budget()
    budget.total = min(budget.total, total)
    return budget


def needed(img: ImageFile.ImageFile, data: bytes, turns: bool) -> int:
    """Return the most bytes that decoding takes, known from the header; ``data`` is the file.

    A JPEG is measured at the size it will be decoded at.
    """
    width, height = img.size
    pixels = width * height
    own = _OF_MODE.get(img.mode, 4)
    loading = pixels * (own + _DECODERS.get(str(img.format), _OTHER_DECODERS))
    if img.mode in ("I", "F") or img.mode.startswith("I;16") or img.has_transparency_data:
        converting = own + 14
    elif img.mode == "RGB":
        converting = own + _ARRAY + 4 * ("icc_profile" in img.info)
    else:
        converting = own + 8 + _ARRAY
    if img.format == "JPEG2000":
        count, in_tile = tiles(data)
        loading += _TILE_PIXEL * in_tile + count * _TILE
    size = max(loading, pixels * (converting + 4 * turns)) + height * _ROW + 2 * len(data) + _FEW
    if img.format in ("JPEG", "MPO") and has_many_scans(img):
        scale = (getattr(img, "decoderconfig", ()) or (1,))[0]  # at which it is decoded
        size += pixels * scale**2 * len(img.getbands()) * _COEFFICIENT
    return size


def check_resources(problem: BaseException, size: int) -> None:
    """Raise that a failure is for want of resources, if it is; ``size`` bytes are needed.

    Decoders report want of memory as they do damage, so it is tried whether there is enough.
    """
    short = "memory" if isinstance(problem, MemoryError) else _shortage(size)
    if short is not None:
        raise ResourcesError(f"not enough {short} to decode it now; try again") from problem


def _shortage(size: int) -> str | None:
    """Name what this process has no more of: bytes of memory, threads or open files."""
    try:
        mmap.mmap(-1, max(size, 1)).close()
    except (OSError, ValueError, OverflowError):
        return "memory"
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return "file descriptors"
    try:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
    except RuntimeError:
        return "threads"
    return None


def _memory() -> int:
    """Return the bytes of memory that this process may have at most."""
    limits = []
    try:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows
        limits.append(_UNKNOWN)
    for file in map(Path, _CGROUPS):
        try:
            limits.append(int(file.read_text()))
        except (OSError, ValueError):  # none, or 'max'
            continue
    try:
        import resource

        limits += [x for x in resource.getrlimit(resource.RLIMIT_AS) if x != resource.RLIM_INFINITY]
    except ImportError:  # Windows
        pass
    return min(limits)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f}"
