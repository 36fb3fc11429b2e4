"""Opening picture files with Pillow: no warnings, no global limits, one-line errors."""

from __future__ import annotations

import io
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import IO, Any

from PIL import Image, ImageFile, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from artsim.datatypes import FORMATS, format_of
from artsim.errors import ImageError, UnsupportedImageError
from artsim.images.memory import check_resources
from artsim.images.packages import camera_preview, check_pixels, open_with_package
from artsim.images.unsupported import is_camera_file, why_unsupported

# 16,384 x 16,384, above almost every museum scan.
MAX_PIXELS = 2**28

_MOST_METADATA = 2**24  # bytes to which a profile or text of a PNG is inflated


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
    """Open a file as `Image.open` does, but without its limit, so that threads need not queue.

    Returns None for what `open_picture` must open: damaged headers, formats of other packages.
    """
    found = format_of(start)
    if found is not None and found.package:
        return None
    for name in formats():
        factory, accepts = Image.OPEN[name]
        if accepts is not None and accepts(start[:16]) is not True:
            continue
        file.seek(0)
        try:
            img = factory(file, "")
        except Exception:  # whatever a plugin raises on a header it did not expect
            continue
        return None if _is_camera_file(img) else _without_xmp(img)
    return None


def open_picture(data: bytes, max_pixels: int, *, lenient: bool = False) -> ImageFile.ImageFile:
    """Read the header and check the size; of most formats no pixel is decoded yet.

    Of the file of a camera the preview is opened. With ``lenient`` a PNG may have more metadata
    than Pillow allows.
    """
    found, img = format_of(data), None
    with refusing_header(data):
        if found is None or not found.package:
            img = _opened_alone(data, max_pixels, lenient)
        elif found.name != "RAW":
            img = open_with_package(found, data, max_pixels)
        if img is None or _is_camera_file(img):
            return open_picture(camera_preview(data, max_pixels), max_pixels)
    check_pixels(*img.size, max_pixels)
    # In one go: at each of the usual 64 KiB blocks the decoder would take the GIL and wait for
    # it, which costs two thirds of the speed beside one busy Python thread.
    img.decodermaxblock = max(len(data), img.decodermaxblock)
    return _without_xmp(img)


def _is_camera_file(img: ImageFile.ImageFile) -> bool:
    return (
        isinstance(img, TiffImagePlugin.TiffImageFile)
        and img.fp is not None
        and is_camera_file(img.fp, img.tag_v2)
    )


def _opened_alone(data: bytes, max_pixels: int, lenient: bool) -> ImageFile.ImageFile | None:
    """Open a picture with Pillow; None for the file of a camera that it does not know."""
    # Pillow's own limits are globals of its modules; that of pixels is far below ours, and its
    # message names no option.
    with _of_the_process:
        pixels, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        metadata = PngImagePlugin.MAX_TEXT_CHUNK
        if lenient:
            PngImagePlugin.MAX_TEXT_CHUNK = _MOST_METADATA
        try:
            img = _header(data)
            width, height = img.size
            if width * height <= max_pixels and img.format == "TIFF":
                img.load_prepare()  # checks Pillow's limit once more: not when done in here
        except UnidentifiedImageError:
            if data.startswith((b"II", b"MM")) and is_camera_file(io.BytesIO(data)):
                return None
            raise
        finally:
            Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = pixels, metadata
    return img


def _without_xmp(img: ImageFile.ImageFile) -> ImageFile.ImageFile:
    """Drop the XMP, by whose orientation Pillow would turn a TIFF."""
    img.info.pop("xmp", None)
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
    """The formats that Pillow decodes here."""
    Image.init()
    return tuple(each.name for each in FORMATS if not each.package and each.name in Image.OPEN)


@contextmanager
def refusing_header(data: bytes) -> Iterator[None]:
    """Turn whatever a decoder raises on a header into an ImageError."""
    try:
        yield
    except ImageError:
        raise
    except Exception as problem:  # whatever a plugin raises on a header it did not expect
        check_resources(problem, len(data))
        _refuse_unsupported(data, problem)
        if isinstance(problem, UnidentifiedImageError):
            raise ImageError(_not_a_picture(data)) from None
        raise ImageError(
            f"the file's header cannot be read ({one_line(problem)}); get the file again"
        ) from problem


@contextmanager
def refusing(img: ImageFile.ImageFile, data: bytes, size: int) -> Iterator[None]:
    """Turn whatever Pillow raises on a damaged file into an ImageError.

    ``size`` is what decoding takes: without so much memory, nothing is known about the file.
    """
    try:
        yield
    except Exception as problem:  # OSError, SyntaxError, struct.error, MemoryError, ...
        check_resources(problem, size)
        if img.format in ("JPEG", "TIFF"):
            _refuse_unsupported(data, problem)
        raise ImageError(
            f"the {img.format} cannot be decoded whole ({one_line(problem)}); get the file again"
        ) from problem


def one_line(problem: object) -> str:
    """Put a message on one line."""
    return " ".join(str(problem).split()) or type(problem).__name__


def _refuse_unsupported(data: bytes, problem: Exception) -> None:
    """Raise that the kind of picture is not supported, if that is why it was refused."""
    kind = why_unsupported(data)
    if kind is None and "unsupported" in str(problem).lower():  # as Pillow says of some BMPs
        kind = f"a picture of another kind ({one_line(problem)})"
    if kind is not None:
        raise UnsupportedImageError(
            f"unsupported: {kind}; convert it to a PNG or JPEG of 8 bits a channel"
        ) from problem


def _not_a_picture(data: bytes) -> str:
    """Say what the file seems to be instead."""
    found = format_of(data)
    if found is not None and found.name not in Image.OPEN:
        return f"unsupported by this Pillow: {found.name}; pip install -U pillow"
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
    known = ", ".join(each.name for each in FORMATS)
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
