"""A hash of what a picture looks like: near copies of it have the same one, or nearly so.

The picture is made grey, 32 x 32, and what varies slowly in it (the 8 x 8 lowest frequencies of the
cosine transform) is compared with its median, a bit a frequency; see
https://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html. Scaling, recompression
and small changes of tone turn few of the 64 bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["BITS", "perceptual_hash"]

BITS = 64
_SIDE = 32  # pixels
_KEPT = 8  # frequencies a side
# Standard deviation, in grey levels, below which a picture is blank: its bits would be noise.
_BLANK = 2.0


def perceptual_hash(pixels: NDArray[np.uint8]) -> int | None:
    """Hash a picture to 64 bits.

    Args:
        pixels: sRGB, shape (H, W, 3).

    Returns:
        The hash, or None for a blank picture, which has nothing to be compared by.
    """
    small = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, dtype=np.float64)  # (32, 32)
    if grey.std() < _BLANK:
        return None
    low = _COSINES @ grey @ _COSINES.T  # (8, 8)
    # The constant term says how bright the picture is, which copies often do not share.
    bits = low.ravel() > np.median(low.ravel()[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _cosines() -> NDArray[np.float64]:
    """Return the lowest rows of the cosine transform, shape (8, 32)."""
    places = (np.arange(_SIDE) + 0.5) * np.pi / _SIDE
    return np.cos(np.arange(_KEPT)[:, None] * places)


_COSINES = _cosines()
