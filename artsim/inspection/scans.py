"""Files examined in threads: their headers, and on request their bytes and pixels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from artsim.errors import ImageError
from artsim.images import Description, decode, describe, perceptual_hash, read_bytes
from artsim.inspection.bars import Bars, black_bars
from artsim.inspection.headers import JPEG, glance

_CHUNK = 64  # files that a thread takes at a time
_HEAD, _LONG_HEAD = 2**14, 2**17  # bytes at the beginning: with these most, or nearly all, headers
_TAIL = 4096  # bytes at the end of a file, where pictures of one size differ first
_SEEN = 256  # pixels of the shorter side that is enough to hash a picture and see its bars


@dataclass(frozen=True, slots=True)
class Look:
    """What one file showed."""

    header: Description | str  # or why it has none
    tail: bytes = b""  # hash of the file's end, on request
    content: str = ""  # sha256 of the file; '' if it was not read whole
    damage: str = ""  # why it cannot be decoded; '' if it can, or was not tried
    look_hash: int | None = None  # perceptual hash, bars left out
    bars: Bars | None = None
    aspect: float = 0.0  # width / height, bars left out; 0 if it was not decoded


def look_at(
    files: Sequence[str],
    *,
    tails: Sequence[bool],
    whole: bool,
    max_pixels: int,
    workers: int,
) -> Iterator[Look]:
    """Look at files in threads, and yield in their order.

    ``tails``: for each file whether its end is hashed; ``whole`` reads, hashes and decodes each
    file, but none of more than ``max_pixels``.
    """

    def chunk(start: int) -> list[Look]:
        some = range(start, min(start + _CHUNK, len(files)))
        return [_look(files[i], tails[i], whole, max_pixels) for i in some]

    for looks in _in_threads(chunk, range(0, len(files), _CHUNK), workers):
        yield from looks


def content_hash(file: Path) -> str | None:
    """Return the sha256 of a file; None if it cannot be read."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _look(file: str, with_tail: bool, whole: bool, max_pixels: int) -> Look:
    header, tail = _header_and_tail(file, with_tail)
    if header is None:
        try:
            header = describe(Path(file))
        except ImageError as error:
            header = str(error)
    if isinstance(header, str) or not whole:
        return Look(header, tail)
    return _decoded(Path(file), header, max_pixels)


def _header_and_tail(file: str, with_tail: bool) -> tuple[Description | str | None, bytes]:
    """Read a file's header, None where that takes Pillow, and on request the hash of its end."""
    header, tail = None, b""
    # a Path for each of a million files would take as long as reading them
    with suppress(OSError, ValueError), open(file, "rb", buffering=0) as stream:  # noqa: PTH123
        end = stream.read(_HEAD)
        header = glance(end)
        is_longer = len(end) == _HEAD
        if header is None and is_longer and end.startswith(JPEG):
            header = glance(end + stream.read(_LONG_HEAD))
        if with_tail and is_longer:
            stream.seek(-_TAIL, os.SEEK_END)
            end = stream.read(_TAIL)
        if with_tail:
            tail = hashlib.blake2b(end[-_TAIL:], digest_size=16).digest()
    return header, tail


def _decoded(file: Path, header: Description, max_pixels: int) -> Look:
    try:
        data = read_bytes(file)
    except ImageError as error:
        return Look(str(error))
    content = hashlib.sha256(data).hexdigest()
    if header.width * header.height > max_pixels:
        return Look(header, content=content)
    try:
        pixels = decode(data, at_least=_enough, max_pixels=max_pixels).pixels
    except ImageError as error:
        return Look(header, content=content, damage=str(error))
    bars = black_bars(pixels)
    # Bars are most of what a hash of the whole would see.
    inside = pixels if bars is None else pixels[bars.inside]
    return Look(
        header,
        content=content,
        look_hash=perceptual_hash(inside),
        bars=bars,
        aspect=inside.shape[1] / inside.shape[0],
    )


def _enough(width: int, height: int) -> tuple[int, int]:
    scale = _SEEN / max(1, min(width, height))
    return round(width * scale), round(height * scale)


def _in_threads(
    task: Callable[[int], list[Look]], starts: Iterable[int], workers: int
) -> Iterator[list[Look]]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="artsim-inspect")
    try:
        yield from pool.map(task, starts)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
