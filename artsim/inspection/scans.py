"""Files examined in threads: their headers, and on request their bytes and pixels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from artsim.errors import ImageError, ResourcesError, UnsupportedImageError
from artsim.images import (
    MAX_PIXELS,
    Description,
    decode,
    describe,
    open_regular,
    perceptual_hash,
    read_bytes,
)
from artsim.inspection.bars import Bars, black_bars

_CHUNK = 64  # files that a thread takes at a time
_TAIL = 4096  # bytes at the end of a file, where pictures of one size differ first
_SEEN = 256  # pixels of the shorter side: enough to hash a picture and see its bars


@dataclass(frozen=True, kw_only=True)
class InspectSettings:
    """What is checked, and what counts as odd."""

    hashes: bool = False  # read and decode every picture
    max_pixels: int = MAX_PIXELS  # the most that embed decodes
    min_side: int = 64  # pixels of the shorter side; less is tiny
    workers: int = 2  # threads
    examples: int = 5  # kept of each kind of fault
    samples: int = 0  # pictures drawn from each class
    sampled_classes: int = 24  # of each label, the most common ones
    seed: int = 0  # of the baselines' folds and the samples


DEFAULTS = InspectSettings()


@dataclass(frozen=True, slots=True)
class Look:
    """What one file showed."""

    header: Description | str  # or why it has none
    tail: bytes = b""  # hash of the file's end, on request
    content: str = ""  # sha256 of the file; '' if it was not read whole
    shortage: str = ""  # of memory, threads or open files: why it was not decoded
    damage: str = ""  # why it cannot be decoded; '' if it can, or was not tried
    is_unsupported: bool = False  # and that is why it has no header or is not decoded
    fault: str = ""  # that costs no pixel
    is_transparent: bool = False  # everywhere
    look_hash: int | None = None  # perceptual hash, bars left out
    bars: Bars | None = None
    aspect: float = 0.0  # width / height, bars left out; 0 if it was not decoded


def look_at(
    files: Sequence[str], *, tails: Sequence[bool], settings: InspectSettings = DEFAULTS
) -> Iterator[Look]:
    """Look at files in threads, and yield in their order.

    ``tails`` says for each file whether its end is hashed. With ``settings.hashes`` each file is
    read whole, and decoded unless it has too many pixels.
    """

    def chunk(start: int) -> list[Look]:
        some = range(start, min(start + _CHUNK, len(files)))
        return [_look(files[i], tails[i], settings) for i in some]

    pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="artsim-inspect")
    try:
        for looks in pool.map(chunk, range(0, len(files), _CHUNK)):
            yield from looks
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def content_hash(file: Path) -> str | None:
    """Return the sha256 of a file; None if it cannot be read."""
    try:
        with open_regular(file) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ImageError):
        return None


def _look(file: str, with_tail: bool, settings: InspectSettings) -> Look:
    tail = _tail(file) if with_tail else b""
    try:
        header = describe(Path(file))
    except ImageError as error:
        return Look(str(error), tail, is_unsupported=isinstance(error, UnsupportedImageError))
    if settings.hashes:
        return _decoded(Path(file), header, settings.max_pixels)
    return Look(header, tail, fault=header.fault)


def _tail(file: str) -> bytes:
    """Hash the last bytes of a file."""
    with suppress(OSError, ImageError), open_regular(Path(file)) as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
        return hashlib.blake2b(stream.read(_TAIL), digest_size=16).digest()
    return b""


def _decoded(file: Path, header: Description, max_pixels: int) -> Look:
    try:
        data = read_bytes(file)
    except ImageError as error:
        return Look(str(error))
    content = hashlib.sha256(data).hexdigest()
    if header.width * header.height > max_pixels:
        return Look(header, content=content)
    try:
        picture = decode(data, at_least=_enough, max_pixels=max_pixels)
    except ResourcesError as error:
        return Look(header, content=content, shortage=str(error))
    except ImageError as error:
        unsupported = isinstance(error, UnsupportedImageError)
        return Look(header, content=content, damage=str(error), is_unsupported=unsupported)
    pixels, bars = picture.pixels, black_bars(picture.pixels)
    # Bars are most of what a hash of the whole would see.
    inside = pixels if bars is None else pixels[bars.inside]
    return Look(
        header,
        content=content,
        look_hash=perceptual_hash(inside),
        bars=bars,
        aspect=inside.shape[1] / inside.shape[0],
        fault=picture.fault,
        is_transparent=picture.is_transparent,
    )


def _enough(width: int, height: int) -> tuple[int, int]:
    scale = _SEEN / max(1, min(width, height))
    return round(width * scale), round(height * scale)
