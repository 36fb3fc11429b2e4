"""Which regions of an image made a match, laid over it as color.

The image keeps its shapes in gray; the color shows the contribution of a region, from dark blue for
nothing to yellow for the most. The colors are evenly spaced in OKLab
(https://bottosson.github.io/posts/oklab/), so that equal steps look equal, get lighter all the way,
and differ along blue and yellow, which red-green color blindness leaves apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates

Box = tuple[float, float, float, float]  # left, top, right, bottom in fractions of an image
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)

# The ends of the scale in OKLab: lightness, green to red, blue to yellow.
_LEAST, _MOST = np.array([0.27, -0.01, -0.13]), np.array([0.93, -0.02, 0.17])
_STRIP = 0.02  # of a side
_COLOR = 0.62  # of an overlay is color, the rest the picture in gray
_UNSEEN = 0.35  # how much of what the network did not see is left, on paper
_PAPER = 0.92  # its lightness in OKLab

# From OKLab to cube roots of cone responses, and from these to linear sRGB.
_TO_CONES = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def overlay(
    picture: Image.Image, contributions: NDArray[np.float32], box: Box = WHOLE
) -> Image.Image:
    """Color the regions of an image by their contributions to a match, the largest strongest.

    Args:
        picture: RGB, upright and whole.
        contributions: Of each region, shape (H, W), any scale; below 0 counts as nothing.
        box: The part of the image that they cover; the network did not see the rest.

    Returns:
        An image of the same size; what was not seen is pale.
    """
    shares, seen = _spread(contributions, box, picture.size)  # (H, W) each
    gray = np.asarray(picture.convert("L"), dtype=np.float64) / 255
    lightness = np.cbrt(_linear(gray))  # of a gray, in OKLab
    color = _LEAST + shares[..., None] * (_MOST - _LEAST)  # (H, W, 3)
    mixed = _COLOR * color
    mixed[..., 0] += (1 - _COLOR) * lightness
    pale = np.zeros_like(mixed)
    pale[..., 0] = _PAPER + _UNSEEN * (lightness - _PAPER)
    return _to_picture(np.where(seen[..., None], mixed, pale))


def is_whole(box: Box) -> bool:
    """Return whether a box covers an image, up to a strip that is not seen."""
    left, top, right, bottom = box
    return max(left, top) < _STRIP and min(right, bottom) > 1 - _STRIP


def legend(width: int, height: int) -> Image.Image:
    """Draw the scale, from nothing at the left to the most at the right."""
    steps = np.linspace(0, 1, width)[None, :, None]
    row = _LEAST + steps * (_MOST - _LEAST)  # (1, width, 3)
    return _to_picture(np.repeat(row, height, axis=0))


def _spread(
    contributions: NDArray[np.float32], box: Box, size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Spread contributions over the pixels of an image, 0 to 1; also say which were seen."""
    width, height = size
    left, top, right, bottom = box
    positive = np.clip(contributions, 0, None).astype(np.float64)
    rows, columns = positive.shape
    # The position of each pixel's middle on the grid, from its left and top.
    x = ((np.arange(width) + 0.5) / width - left) / (right - left) * columns
    y = ((np.arange(height) + 0.5) / height - top) / (bottom - top) * rows
    places = np.meshgrid(y - 0.5, x - 0.5, indexing="ij")
    values = map_coordinates(positive, places, order=1, mode="nearest")  # (H, W)
    seen = ((y >= 0) & (y <= rows))[:, None] & ((x >= 0) & (x <= columns))
    most = values[seen].max(initial=0.0)
    return values / most if most > 0 else values, seen


def _linear(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Undo the sRGB curve."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _to_picture(oklab: NDArray[np.float64]) -> Image.Image:
    cones = (oklab @ _TO_CONES.T) ** 3
    linear = np.clip(cones @ _TO_RGB.T, 0, 1)
    curved = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return Image.fromarray(np.round(curved * 255).astype(np.uint8))
