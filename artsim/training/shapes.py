"""Rectangles with about as many pixels as a square, so that an image keeps its aspect ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Fit, Preprocessing


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
    kept = shapes.max(axis=1) <= longest * shapes.min(axis=1)
    inside: NDArray[np.int64] = shapes[kept]
    return inside


def nearest_shapes(
    width: Sequence[int], height: Sequence[int], shapes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each image the shape with the nearest aspect ratio, (N, 2).

    Args:
        width: In pixels, (N,).
        height: In pixels, (N,).
        shapes: Heights and widths, (S, 2).
    """
    own = np.log(np.array(width, dtype=np.float64) / np.array(height, dtype=np.float64))
    offered = np.log(shapes[:, 1] / shapes[:, 0])
    nearest = np.abs(own[:, None] - offered).argmin(axis=1)
    chosen: NDArray[np.int64] = shapes[nearest]
    return chosen


def in_shape(preprocessing: Preprocessing, shape: NDArray[np.int64]) -> Preprocessing:
    """Squash images to this height and width instead."""
    height, width = map(int, shape)
    size = (height, width)
    return replace(preprocessing, size=size, scale=size, fit=Fit.SQUASH)
