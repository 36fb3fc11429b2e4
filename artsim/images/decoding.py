"""A picture file decoded: upright sRGB pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artsim.errors import ImageError, ResourcesError, UnsupportedImageError
from artsim.images import libtiff
from artsim.images.claims import check_claims
from artsim.images.color import changes_colors, srgb
from artsim.images.jpeg import decode_jpeg
from artsim.images.memory import Budget, needed, process_budget
from artsim.images.mending import Mended, mended
from artsim.images.opening import (
    MAX_PIXELS,
    check_sums,
    open_picture,
    quiet,
    refusing,
    refusing_header,
)
from artsim.images.upright import find_turn, turned

_STRIP = 2**19  # pixels copied from Pillow to numpy at a time

# Takes an upright width and height, and returns the smallest that is still useful.
SmallestSize: TypeAlias = Callable[[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Picture:
    """A decoded picture."""

    pixels: NDArray[np.uint8]  # (H, W, 3) sRGB, contiguous; see `decode_here` for H and W
    width: int  # of the file, upright, in pixels
    height: int
    fault: str = ""  # that costs no pixel: "without its last bytes"
    is_transparent: bool = False  # everywhere; its opaque pixels are taken


def decode_here(
    data: bytes,
    *,
    at_least: SmallestSize | None = None,
    max_pixels: int = MAX_PIXELS,
    budget: Budget | None = None,
) -> Picture:
    """Decode a picture: its first page, upright, in sRGB, transparency on white.

    Embedded ICC profiles are applied; a broken one counts as none, as does broken EXIF.
    16-bit gray is scaled to 8 bits. Of the file of a camera the preview is decoded. A fault that
    costs no pixel is passed over. Safe to call from many threads at once.

    Args:
        data: The file, whole.
        at_least: Takes the upright width and height and returns the smallest upright size that is
            useful. A JPEG is then decoded at 1/8, 1/4 or 1/2 of its size (by libjpeg, in the DCT
            domain) if that is at least as large. Default: at full size.
        max_pixels: Larger pictures are refused before any pixel is decoded.
        budget: The memory that is shared with other threads. Default: half of the machine's.

    Raises:
        UnsupportedImageError: If it is of a kind that is not decoded, or needs another package.
        ImageError: If it is not a picture, or too large, damaged or truncated.
        ResourcesError: If there is not enough memory for it.
    """
    if not data:
        raise ImageError("the file is empty (0 bytes); get it again")
    budget = budget or process_budget()
    try:
        return _decode(data, at_least, max_pixels, budget)
    except (UnsupportedImageError, ResourcesError):
        raise
    except ImageError:
        with_fault = mended(data)
        if with_fault is None:
            raise
        picture = _decode_mended(with_fault, at_least, max_pixels, budget)
        if picture is None:
            raise
        return picture


def _decode_mended(
    fault: Mended, at_least: SmallestSize | None, max_pixels: int, budget: Budget
) -> Picture | None:
    """Decode all versions of a mended file; None if they differ, so that pixels are missing."""
    try:
        first, *others = fault.versions
        if others:  # reduced, what is missing may not show
            whole = _decode(first, None, max_pixels, budget).pixels
            for other in others:
                if not np.array_equal(_decode(other, None, max_pixels, budget).pixels, whole):
                    return None
        return replace(
            _decode(first, at_least, max_pixels, budget, lenient=True), fault=fault.fault
        )
    except ResourcesError:
        raise
    except ImageError:
        return None


def _decode(
    data: bytes,
    at_least: SmallestSize | None,
    max_pixels: int,
    budget: Budget,
    *,
    lenient: bool = False,
) -> Picture:
    with quiet():
        img = open_picture(data, max_pixels, lenient=lenient)
        with refusing_header(data):
            check_claims(img, data)
            is_jpeg = img.format in ("JPEG", "MPO")
            turn = find_turn(img) if is_jpeg else None
            width, height = turned(img.size, turn)
        smallest = turned(at_least(width, height), turn) if is_jpeg and at_least else None
        with refusing_header(data):
            if smallest is not None:
                img.draft(None, smallest)  # the mode stays (None): profiles and CMYK need it
            size = needed(img, data, turns=turn is not None if is_jpeg else _has_exif(img, data))
        with budget.hold(size), refusing(img, data, size):
            if not is_jpeg:  # loading turns a TIFF upright, and finds EXIF behind a PNG's pixels
                if img.format == "TIFF":
                    libtiff.silence()
                if img.format == "PNG":
                    check_sums(data)
                img.load()
                turn = find_turn(img)
                width, height = turned(img.size, turn)
            pixels = decode_jpeg(img, data)
            is_transparent = False
            if pixels is None or turn is not None or changes_colors(img):
                rgb, is_transparent = srgb(img, pixels)
                if turn is not None:
                    rgb = rgb.transpose(turn)
                pixels = _array(rgb)
                del rgb
            del img
    budget.keep(pixels)
    return Picture(pixels, width, height, is_transparent=is_transparent)


def _has_exif(img: Image.Image, data: bytes) -> bool:
    """Return whether the picture may have to be turned; the EXIF of a PNG may follow its pixels."""
    return "exif" in img.info or img.format == "TIFF" or b"eXIf" in data


def _array(rgb: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of a picture in mode RGB, shape (H, W, 3)."""
    width, height = rgb.size
    rows = max(1, _STRIP // width)
    if rows >= height:
        return np.array(rgb)
    # Pillow joins small pieces: for a large picture in one go that is a second copy, in newly
    # allocated memory, and takes more than twice as long.
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        strip = rgb.crop((0, top, width, min(top + rows, height)))
        pixels[top : top + rows] = np.asarray(strip)
    return pixels
