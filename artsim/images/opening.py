"""Opening picture files with Pillow: no warnings, no global limits, one-line errors, upright."""

from __future__ import annotations

import io
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

from PIL import Image, ImageFile, UnidentifiedImageError

from artsim.errors import ImageError

# 16,384 x 16,384, above almost every museum scan. Pillow takes 4 bytes a pixel and the array 3, so
# the largest picture takes 1.75 GiB in the thread that decodes it.
MAX_PIXELS = 2**28

# The formats of collections, in the order they are tried; MPO, a JPEG of several pictures, opens as
# JPEG. Left out: formats that run a program or only name a file (EPS, WMF), that have no picture
# (HDF5, GRIB, MPEG), or that their first bytes do not identify (TGA, PCX).
_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "JPEG2000", "AVIF", "PPM", "PSD")

_ORIENTATION_TAG = 0x0112
# EXIF orientation -> what makes the picture upright; 1 is upright already.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPPING = {TURNS[n] for n in (5, 6, 7, 8)}  # these swap width and height


def read_bytes(path: Path) -> bytes:
    """Read a file whole.

    Raises:
        ImageError: If it is not there, is a folder, is empty or cannot be read.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ImageError(f"no file {str(path)!r}; check the path and its folder") from None
    except IsADirectoryError:
        raise ImageError(f"{str(path)!r} is a folder; name a picture file in it") from None
    except (OSError, ValueError) as problem:  # ValueError: a zero byte in the path
        reason = one_line(getattr(problem, "strerror", None) or problem)
        raise ImageError(
            f"{str(path)!r} cannot be read ({reason}); check the path and its permissions"
        ) from problem
    if not data:
        raise ImageError(f"{str(path)!r} is empty (0 bytes); get the file again")
    return data


class _DecodingHere(threading.local):
    """The message pattern of a warnings filter: it matches while this thread decodes.

    `warnings.catch_warnings` swaps the filters of the whole process, so two threads in it at once
    can leave the wrong ones behind. This filter stays, and matches nothing elsewhere.
    """

    now = False
    pattern = "(?!)"  # for scikit-learn, which copies filters by it: matches nothing

    def match(self, _message: str) -> bool:
        return self.now


_decoding_here = _DecodingHere()
_IGNORE_HERE = ("ignore", _decoding_here, Warning, None, 0)
_of_the_process = threading.Lock()  # around changes to the globals of other modules


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings about odd files (a bad TIFF tag, torn EXIF) in this thread."""
    filters: Any = warnings.filters  # typed as a plain Sequence
    with _of_the_process:
        if not filters or filters[0] is not _IGNORE_HERE:  # new, or others are in front of it
            filters.insert(0, _IGNORE_HERE)
            if _IGNORE_HERE in filters[1:]:
                del filters[filters.index(_IGNORE_HERE, 1)]
    _decoding_here.now = True
    try:
        yield
    finally:
        _decoding_here.now = False


def opened(file: IO[bytes], start: bytes) -> ImageFile.ImageFile | None:
    """Open a file as `Image.open` does, but without its limit, so threads need no lock."""
    for name in formats():
        factory, accepts = Image.OPEN[name]
        if accepts is not None and accepts(start[:16]) is not True:
            continue
        file.seek(0)
        try:
            return factory(file, "")
        except Exception:  # whatever a plugin raises on a header it did not expect
            continue
    return None


def open_picture(data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """Read the header and check the size; no pixel is decoded yet."""
    # Pillow's own limit is a global, far below ours, and its message names no option.
    with _of_the_process:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            img = _header(data)
            width, height = img.size
            if width * height <= max_pixels and img.format == "TIFF":
                img.load_prepare()  # it checks Pillow's limit again, but only the first time
        except UnidentifiedImageError:
            raise ImageError(_not_a_picture(data)) from None
        except Exception as problem:  # whatever a plugin raises on a header it did not expect
            raise ImageError(
                f"the file's header cannot be read ({one_line(problem)}); get the file again"
            ) from problem
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    if width * height > max_pixels:
        raise ImageError(
            f"{width:,} x {height:,} = {width * height:,} pixels, more than the limit of "
            f"{max_pixels:,}; raise it with --max-pixels if you trust the file"
        )
    # In one go: the decoder would wait for the GIL after each of the usual 64 KiB blocks, which
    # costs two thirds of the speed if another Python thread is busy.
    img.decodermaxblock = max(len(data), img.decodermaxblock)
    return img


def _header(data: bytes) -> ImageFile.ImageFile:
    try:
        return Image.open(io.BytesIO(data), formats=formats())
    except UnidentifiedImageError:
        # Opening a JPEG, Pillow reads its resolution from EXIF and fails on some broken ones.
        # Under another name EXIF is ignored.
        exif = data.find(b"Exif\0\0", 0, 2**16) if data.startswith(b"\xff\xd8") else -1
        if exif < 0:
            raise
        without = data[:exif] + b"-" + data[exif + 1 :]
        return Image.open(io.BytesIO(without), formats=formats())


@cache
def formats() -> tuple[str, ...]:
    """Return the formats that this Pillow knows; AVIF came with 11.3."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def find_turn(img: Image.Image) -> Image.Transpose | None:
    """Return what makes the picture upright; None if it is upright or its EXIF is broken."""
    try:
        return TURNS.get(img.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # whatever damaged EXIF raises
        return None


def turned(size: tuple[int, int], turn: Image.Transpose | None) -> tuple[int, int]:
    """Return the width and height of a picture once it is turned."""
    width, height = size
    return (height, width) if turn in _SWAPPING else (width, height)


@contextmanager
def refusing(img: ImageFile.ImageFile) -> Iterator[None]:
    """Turn whatever Pillow raises on a damaged file into an ImageError."""
    try:
        yield
    except Exception as problem:  # OSError, SyntaxError, struct.error, MemoryError, ...
        raise ImageError(
            f"the {img.format} cannot be decoded whole ({one_line(problem)}); get the file again"
        ) from problem


def one_line(problem: object) -> str:
    """Put a message on one line."""
    return " ".join(str(problem).split()) or type(problem).__name__


def _not_a_picture(data: bytes) -> str:
    """Return a message about what the file seems to be instead."""
    for name in formats():
        accepts = Image.OPEN[name][1]
        verdict = accepts is not None and accepts(data[:16])
        if isinstance(verdict, str):  # this Pillow was built without the decoder
            return f"{one_line(verdict)}; install Pillow's own wheel or convert the file"
        if verdict:
            return f"the file begins like a {name} but its header is damaged; get the file again"
    text = " ".join(data[:200].decode("utf-8-sig", "ignore").split())[:24]
    looks_like_text = text.isprintable() and b"\0" not in data[:200]
    start = repr(text) if text and looks_like_text else f"the bytes {data[:8].hex(' ')}"
    known = ", ".join(formats())
    return f"not a picture: the file begins with {start}; expected {known}: get it again"


def check_sums(png: bytes) -> None:
    """Verify the checksums of a PNG's pixel chunks, which Pillow does not.

    One flipped bit in 25 still inflates, to wrong colors.
    """
    view, start = memoryview(png), 8
    while start < len(png):
        length = int.from_bytes(png[start : start + 4], "big")
        end = start + 8 + length
        stored = int.from_bytes(png[end : end + 4], "big")
        if png[start + 4 : start + 8] == b"IDAT" and zlib.crc32(view[start + 4 : end]) != stored:
            raise OSError(f"wrong checksum in the chunk at byte {start}")
        start = end + 4
