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


def find_turn(img: Image.Image) -> Image.Transpose | None:
    """What makes the picture upright; None when it is, or when its EXIF is broken."""
    try:
        return TURNS.get(img.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # EXIF is a file of its own, and as often damaged
        return None


def turned(size: tuple[int, int], turn: Image.Transpose | None) -> tuple[int, int]:
    """Return the width and height of a picture once it is turned."""
    width, height = size
    return (height, width) if turn in _SWAPPING else (width, height)
