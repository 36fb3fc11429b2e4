"""JPEGs that any decoder may decode: nothing about them needs Pillow."""

from __future__ import annotations

from artsim.errors import ImageError
from artsim.images.claims import check_claims
from artsim.images.color import changes_colors
from artsim.images.opening import open_picture, quiet
from artsim.images.upright import find_turn

_END = b"\xff\xd9"
_RGB = 0  # an Adobe transform: the colors are stored as they are


def plain_jpeg_size(data: bytes, max_pixels: int) -> tuple[int, int] | None:
    """Return the width and height of a JPEG in color that is upright, in sRGB and has its end.

    None for whatever `decode` must decode or refuse.
    """
    with quiet():
        try:
            img = open_picture(data, max_pixels)
            check_claims(img, data)
        except ImageError:
            return None
        plain = img.format == "JPEG" and img.mode == "RGB" and data.endswith(_END)
        if not plain or img.info.get("adobe_transform") == _RGB:
            return None
        return None if changes_colors(img) or find_turn(img) is not None else img.size
