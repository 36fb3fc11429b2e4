"""The height and width in which a network sees an image: a square, or near its aspect ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Fit, Preprocessing


def squashed(size: int) -> Preprocessing:
    """Squash an image to a square of ``size`` pixels and divide by 255."""
    return Preprocessing(
        size=(size, size),
        scale=(size, size),
        fit=Fit.SQUASH,
        interpolation="bilinear",
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        fill=(0, 0, 0),
    )


def in_shape(preprocessing: Preprocessing, shape: Sequence[int]) -> Preprocessing:
    """Squash images to this height and width instead."""
    height, width = map(int, shape)
    return replace(preprocessing, size=(height, width), scale=(height, width), fit=Fit.SQUASH)


def rectangles(size: int, *, step: int = 32, longest: float = 4.0) -> NDArray[np.int64]:
    """List heights and widths, (S, 2), of about size x size pixels, the narrowest first.

    Args:
        size: Width of the square among them, in pixels.
        step: Width and height of all others are multiples of it: networks halve their maps five
            times.
        longest: The largest aspect ratio.
    """
    found = {(size, size)}
    for side in range(step, round(size * longest**0.5) + step, step):
        other = max(round(size * size / side / step), 1) * step
        if side != other:
            found |= {(side, other), (other, side)}
    shapes = np.array(sorted(found, key=lambda shape: shape[1] / shape[0]), dtype=np.int64)
    kept: NDArray[np.int64] = shapes[shapes.max(axis=1) <= longest * shapes.min(axis=1)]
    return kept


def nearest_shapes(
    width: Sequence[int], height: Sequence[int], shapes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each image the one of these heights and widths, (S, 2), nearest in aspect ratio.

    Returns:
        Heights and widths, (N, 2).
    """
    own = np.log(np.array(width, dtype=np.float64) / np.array(height, dtype=np.float64))
    offered = np.log(shapes[:, 1] / shapes[:, 0])
    nearest: NDArray[np.int64] = shapes[np.abs(own[:, None] - offered).argmin(axis=1)]
    return nearest
