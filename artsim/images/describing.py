"""A picture file described by its header."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile

from artsim.datatypes import PictureFormat, format_of
from artsim.errors import ImageError, UnsupportedImageError
from artsim.images.color import BITS_PER_SAMPLE, Profile, judge_profile
from artsim.images.files import open_regular, read_bytes
from artsim.images.mending import mended
from artsim.images.opening import MAX_PIXELS, open_picture, opened, quiet
from artsim.images.upright import TURNS, find_turn, turned

# Formats of several pages or frames. The further pictures of an MPO are previews, those of a PSD
# its layers.
_PAGED = ("AVIF", "GIF", "PNG", "TIFF", "WEBP")

_WHOLE_BYTES = 2**26  # read again when Pillow fails on a header


@dataclass(frozen=True, kw_only=True)
class Description:
    """A picture according to its file's header."""

    format: str  # JPEG, PNG, TIFF, ... as Pillow calls it
    mode: str  # RGB, L, CMYK, ... as Pillow would open it
    width: int  # upright, in pixels
    height: int
    orientation: int  # of EXIF, 1 to 8; 1 is upright
    profile: Profile
    profile_name: str  # '' where there is none or it is broken
    bits: int  # a channel: 16 or 32 where the file holds more than 8, else 8
    has_pages: bool  # it holds more than one page or frame
    fault: str = ""  # of the header, that costs no pixel; `decode` finds more


def describe(source: bytes | Path) -> Description:
    """Describe a picture by its header; no pixel is decoded, and little of most files is read.

    ``source`` is the file, or its bytes: whole, or a beginning that includes the header. Pictures
    of any size are described, also those that `decode` would refuse. Damage after the header is not
    noticed. EXIF after the pixels of a PNG is ignored.

    Raises:
        ImageError: If it is not a picture, or its header is damaged.
    """
    if isinstance(source, bytes):
        return _describe(io.BytesIO(source))
    with open_regular(source) as file:
        try:
            return _describe(file)
        except OSError:
            return _describe(io.BytesIO(read_bytes(source)))  # raises why it cannot be read


def _describe(file: IO[bytes]) -> Description:
    start = file.read(200)
    if not start:
        raise ImageError("the file is empty (0 bytes); get it again")
    found = format_of(start)
    fault = ""
    with quiet():
        img = opened(file, start)
        if img is None:
            file.seek(0)
            img, fault = _opened_whole(file.read(-1 if found and found.package else _WHOLE_BYTES))
        turn, orientation = _orientation(img)
        # Pillow returns the upright size of a TIFF before it has rotated it.
        width, height = img.size if img.format == "TIFF" else turned(img.size, turn)
        profile, profile_name = judge_profile(img.info.get("icc_profile"), img.mode)
        return Description(
            format=_format(img, found),
            mode=img.mode,
            width=width,
            height=height,
            orientation=orientation,
            profile=profile,
            profile_name=profile_name,
            bits=_bits(img),
            has_pages=img.format in _PAGED and bool(getattr(img, "is_animated", False)),
            fault=fault,
        )


def _opened_whole(data: bytes) -> tuple[ImageFile.ImageFile, str]:
    """Open a file that is unusual, and name its fault if it had to be mended."""
    try:
        return open_picture(data, MAX_PIXELS), ""
    except UnsupportedImageError:
        raise
    except ImageError:
        with_fault = mended(data)
        if with_fault is None:
            raise
        with suppress(ImageError):
            img = open_picture(with_fault.versions[0], MAX_PIXELS, lenient=True)
            return img, with_fault.fault
        raise


def _format(img: ImageFile.ImageFile, found: PictureFormat | None) -> str:
    if found is not None and found.name in ("RAW", "TIFF") and img.format != "TIFF":
        return "RAW"  # the preview of which was opened
    return "JPEG" if img.format == "MPO" else str(img.format)


def _orientation(img: ImageFile.ImageFile) -> tuple[Image.Transpose | None, int]:
    if img.format == "PNG" and "exif" not in img.info:
        return None, 1  # Pillow would decode the pixels to look for it after them
    turn = find_turn(img)
    return turn, next((number for number, each in TURNS.items() if each is turn), 1)


def _bits(img: ImageFile.ImageFile) -> int:
    if img.format == "TIFF":
        stored = getattr(img, "tag_v2", {}).get(BITS_PER_SAMPLE, 1)
        bits = max(stored) if isinstance(stored, tuple) else int(stored)
        return 8 if bits <= 8 else 16 if bits <= 16 else 32
    arguments = img.tile[0].args if img.tile else ()
    arguments = arguments if isinstance(arguments, tuple) else (arguments,)
    # a raw mode such as RGB;16B, and in a PPM the value of white
    deep = any(";16" in str(each) for each in arguments) or (
        img.format == "PPM" and any(isinstance(each, int) and each > 255 for each in arguments)
    )
    return 16 if deep or img.mode.startswith("I") else 8
