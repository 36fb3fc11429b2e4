"""Formats that the packages of the extra ``formats`` decode: HEIF, JPEG XL and camera files."""

from __future__ import annotations

import io
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

from PIL import Image, ImageFile

from artsim.datatypes import FORMATS, PictureFormat
from artsim.errors import ImageError, UnsupportedImageError

_MODULES = {"pillow-heif": "pillow_heif", "pillow-jxl-plugin": "pillow_jxl", "rawpy": "rawpy"}
_PREVIEW = 1024  # pixels of the longer side; a smaller preview is passed over

# https://arxiv.org/abs/1908.03565, 9.1: bits of a side, and width / height by ratio
_JXL_BITS = (9, 13, 18, 30)
_JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def versions() -> str:
    """The packages that are installed, which decide what can be decoded."""
    found = []
    for package in _MODULES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def open_with_package(found: PictureFormat, data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """Open a picture with the package that decodes its format; ``max_pixels`` as in `decode`.

    Raises:
        UnsupportedImageError: If the package is not installed.
        ImageError: If there are too many pixels.
    """
    _package(found)
    if found.name == "JXL":  # its decoder does it all when it opens a file
        check_pixels(*_jxl_size(data), max_pixels)
    return Image.OPEN[found.name][0](io.BytesIO(data), "")


def camera_preview(data: bytes, max_pixels: int) -> bytes:
    """The picture that a camera has put in its file, as a file: what programs show of it.

    Where there is none of some size, the raw pixels are developed, at half their width.

    Raises:
        UnsupportedImageError: If rawpy is not installed.
        ImageError: If there are too many pixels, or the file is damaged.
    """
    rawpy = _package(next(each for each in FORMATS if each.package == "rawpy"))
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            return _large_preview(rawpy, raw) or _developed(raw, max_pixels)
    except rawpy.LibRawFileUnsupportedError:
        raise UnsupportedImageError(
            "unsupported: a camera file that rawpy does not know; convert it to a PNG or JPEG"
        ) from None


def _large_preview(rawpy: ModuleType, raw: Any) -> bytes | None:
    try:
        preview = raw.extract_thumb()
    except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
        return None
    if preview.format is not rawpy.ThumbFormat.JPEG:
        return None
    with Image.open(io.BytesIO(preview.data), formats=("JPEG",)) as img:
        return bytes(preview.data) if max(img.size) >= _PREVIEW else None


def _developed(raw: Any, max_pixels: int) -> bytes:
    check_pixels(raw.sizes.width, raw.sizes.height, max_pixels)
    pixels = raw.postprocess(half_size=True, use_camera_wb=True)  # (H, W, 3)
    return b"P6 %d %d 255\n" % (pixels.shape[1], pixels.shape[0]) + bytes(pixels.tobytes())


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture of too many pixels."""
    if width * height > max_pixels:
        raise ImageError(
            f"{width:,} x {height:,} = {width * height:,} pixels, more than the limit of "
            f"{max_pixels:,}; raise it with --max-pixels if you trust the file"
        )


@cache
def _imported(package: str) -> ModuleType:
    from importlib import import_module

    module = import_module(_MODULES[package])
    if package == "pillow-heif":
        module.register_heif_opener()
    return module


def _package(found: PictureFormat) -> ModuleType:
    try:
        return _imported(found.package)
    except ImportError:
        raise UnsupportedImageError(
            f"unsupported without {found.package}: a file of the format {found.name}; "
            "pip install 'artsim[formats]'"
        ) from None


def _jxl_size(data: bytes) -> tuple[int, int]:
    """Read the width and height from the header of a JPEG XL."""
    if not data.startswith(b"\xff\x0a"):  # in boxes: the codestream, or its first part
        place = max(data.find(b"jxlc") + 4, data.find(b"jxlp") + 8)
        data = data[place : place + 16]
    bits = int.from_bytes(data[2:16], "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def side() -> int:
        return (take(5) + 1) * 8 if is_small else take(_JXL_BITS[take(2)]) + 1

    is_small = bool(take(1))
    height = side()
    ratio = take(3)
    if ratio:
        across, down = _JXL_RATIOS[ratio - 1]
        return height * across // down, height
    return side(), height
