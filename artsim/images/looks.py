"""What tells copies of a picture from pictures that only have a similar hash: 16 x 16 grays.

The edges of a picture, the differences of neighboring grays, stay nearly the same when it is made
gray, smaller or compressed. Compared with a mirrored or turned picture they find such copies too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artsim.images.phash import hash_grays

GRAY_SIDE = 16  # pixels
# Cosine of the edges of two copies, at least. Of 2,250 copies in gray, of a third of the size or
# as JPEGs of quality 25 one in 200 has less; of 4,000 paintings and objects only objects of a
# series that were photographed in the same way have more without being one picture.
COPY_EDGES = 0.94

Grays = NDArray[np.uint8]  # (N, 16, 16)

# What makes the second of two pictures of the first; turns are clockwise.
TRANSFORMS: Mapping[str, Callable[[Grays], Grays]] = {
    "mirrored": lambda grays: grays[:, :, ::-1],
    "rotated 90": lambda grays: np.rot90(grays, 3, axes=(1, 2)),
    "rotated 180": lambda grays: grays[:, ::-1, ::-1],
    "rotated 270": lambda grays: np.rot90(grays, 1, axes=(1, 2)),
    "mirrored, rotated 90": lambda grays: np.rot90(grays[:, :, ::-1], 3, axes=(1, 2)),
    "mirrored, rotated 180": lambda grays: grays[:, ::-1, :],
    "mirrored, rotated 270": lambda grays: np.rot90(grays[:, :, ::-1], 1, axes=(1, 2)),
}


def small_gray(pixels: NDArray[np.uint8]) -> Grays:
    """Reduce sRGB pixels, shape (H, W, 3), to grays, shape (16, 16)."""
    image = Image.fromarray(pixels).convert("L")
    return np.asarray(image.resize((GRAY_SIDE, GRAY_SIDE), Image.Resampling.BOX))


def gray_hashes(grays: Grays) -> NDArray[np.uint64]:
    """Hash grays, shape (N,), to be compared with each other, not with those of whole pictures."""
    return hash_grays(grays.astype(np.float64))


def edges_of(grays: Grays | NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the differences to the pixels below and beside, of length 1 or 0.

    Those of grays of shape (N, S, S) have the shape (N, 2 (S - 1)^2).
    """
    numbers = grays.astype(np.float32)
    count, side, _ = numbers.shape
    down = np.diff(numbers, axis=1)[:, :, :-1].reshape(count, (side - 1) ** 2)
    across = np.diff(numbers, axis=2)[:, :-1, :].reshape(count, (side - 1) ** 2)
    edges: NDArray[np.float32] = np.concatenate([down, across], axis=1)
    edges /= np.maximum(np.linalg.norm(edges, axis=1, keepdims=True), 1)
    return edges
