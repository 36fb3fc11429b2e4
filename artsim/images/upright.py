"""The orientation of a picture, from its EXIF."""

from __future__ import annotations

from PIL import Image

# EXIF orientation -> what makes the picture upright; 1 is upright already.
_ORIENTATION_TAG = 0x0112
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

_HEXADECIMAL = "Raw profile type exif"  # how ImageMagick writes EXIF into a PNG


def find_turn(img: Image.Image) -> Image.Transpose | None:
    """What makes the picture upright; None when it is, or when its EXIF is broken.

    Pillow's `getexif` reads the orientation of XMP too, which programs leave behind when they turn
    the pixels.
    """
    if img.format == "JXL" and not getattr(img, "jpeg", False):
        return None  # its decoder turns it
    try:
        if img.format == "TIFF":  # none once it is loaded, which turns it
            return TURNS.get(getattr(img, "tag_v2", {}).get(_ORIENTATION_TAG, 1))
        exif = Image.Exif()
        exif.load(_raw_exif(img))
        return TURNS.get(exif.get(_ORIENTATION_TAG, 1))
    except Exception:  # EXIF is a file of its own, and as often damaged
        return None


def _raw_exif(img: Image.Image) -> bytes:
    if "exif" not in img.info and _HEXADECIMAL in img.info:
        return bytes.fromhex("".join(img.info[_HEXADECIMAL].split("\n")[3:]))
    return img.info.get("exif") or b""


def turned(size: tuple[int, int], turn: Image.Transpose | None) -> tuple[int, int]:
    """Return the width and height of a picture once it is turned."""
    width, height = size
    return (height, width) if turn in _SWAPPING else (width, height)
