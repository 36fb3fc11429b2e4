"""Opening picture files with Pillow: no warnings, no global limits, errors of one line."""

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

# 16,384 x 16,384. Pillow holds 4 bytes a pixel and the array 3, so the largest picture costs
# 1.75 GiB in the thread that decodes it; almost every museum scan is below.
MAX_PIXELS = 2**28

# What a collection holds. Left out: formats that run a program or only name a file (EPS, WMF),
# that hold no picture (HDF5, GRIB, MPEG), or whose first bytes prove nothing (TGA, PCX).
# Tried in this order. MPO, the JPEG of several pictures, opens as a JPEG.
_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "JPEG2000", "AVIF", "PPM", "PSD")


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
    """Stands in a warnings filter for the pattern of a message: matches while this thread decodes.

    `warnings.catch_warnings` swaps the filters of the whole process, so two threads in it at once
    can leave the wrong ones behind. This filter stays and is inert everywhere else.
    """

    now = False
    pattern = "(?!)"  # for scikit-learn, which copies filters by it: matches nothing

    def match(self, _message: str) -> bool:
        return self.now


_decoding_here = _DecodingHere()
_IGNORE_HERE = ("ignore", _decoding_here, Warning, None, 0)
_of_the_process = threading.Lock()  # around what this module changes outside of itself


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings about odd files (a bad TIFF tag, torn EXIF) in this thread."""
    filters: Any = warnings.filters  # typed as a plain Sequence
    with _of_the_process:
        if not filters or filters[0] is not _IGNORE_HERE:  # new, or someone put theirs in front
            filters.insert(0, _IGNORE_HERE)
            if _IGNORE_HERE in filters[1:]:
                del filters[filters.index(_IGNORE_HERE, 1)]
    _decoding_here.now = True
    try:
        yield
    finally:
        _decoding_here.now = False


def opened(file: IO[bytes], start: bytes) -> ImageFile.ImageFile | None:
    """Open a file as `Image.open` does, but without its limit, so that threads need not queue."""
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
    # Pillow's own limit is a module's global, far below ours, and its message names no option.
    with _of_the_process:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            img = _header(data)
            width, height = img.size
            if width * height <= max_pixels and img.format == "TIFF":
                img.load_prepare()  # checks Pillow's limit once more: not when done in here
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
    # In one go: at each of the usual 64 KiB blocks the decoder would take the GIL and wait for
    # it, which costs two thirds of the speed beside one busy Python thread.
    img.decodermaxblock = max(len(data), img.decodermaxblock)
    return img


def _header(data: bytes) -> ImageFile.ImageFile:
    try:
        return Image.open(io.BytesIO(data), formats=formats())
    except UnidentifiedImageError:
        # Opening a JPEG, Pillow looks for its resolution in EXIF and trips over some broken ones.
        # Under another name it is passed over.
        exif = data.find(b"Exif\0\0", 0, 2**16) if data.startswith(b"\xff\xd8") else -1
        if exif < 0:
            raise
        without = data[:exif] + b"-" + data[exif + 1 :]
        return Image.open(io.BytesIO(without), formats=formats())


@cache
def formats() -> tuple[str, ...]:
    """The formats that this Pillow knows; AVIF came with 11.3."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


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
    """Put a message of Pillow on one line."""
    return " ".join(str(problem).split()) or type(problem).__name__


def _not_a_picture(data: bytes) -> str:
    """Say what the file seems to be instead."""
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
