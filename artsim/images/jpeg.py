"""JPEGs decoded by simplejpeg where it is installed: the same pixels as Pillow's, in less time.

Both decode with libjpeg-turbo; simplejpeg writes into an array at once, and Pillow into its own
memory, from which the pixels are copied.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

_SMALLEST = 16  # pixels; of a few, 3/8 and 1/2 of the size are as many


def decode_jpeg(img: ImageFile.ImageFile, data: bytes) -> NDArray[np.uint8] | None:
    """Decode a color JPEG at the size that ``img``, which is open and not loaded, is drafted at.

    Returns:
        (H, W, 3), as stored: not turned, without its profile applied. None for what Pillow must
        decode or refuse: other pictures, damaged ones, and all where simplejpeg is missing.
    """
    simplejpeg = _simplejpeg()
    if simplejpeg is None or img.format not in ("JPEG", "MPO") or img.mode != "RGB":
        return None
    width, height = img.size
    if max(width, height) < _SMALLEST:
        return None
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, min_height=height, min_width=width, min_factor=1
        )
    except ValueError:  # the slightest fault: Pillow decides whether it costs a pixel
        return None
    return pixels if pixels.shape == (height, width, 3) else None


@cache
def _simplejpeg() -> ModuleType | None:
    try:
        import simplejpeg
    except ImportError:
        return None
    found: ModuleType = simplejpeg
    return found
