"""Large arrays in temporary files mapped into memory, which the system can write out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

BLOCK = 1 << 16  # rows copied or multiplied at a time
_BLOCK_BYTES = 128 << 20  # of their numbers in float64
_HELD_BYTES = 512 << 20  # of an array, up to which it stays in memory


def room_for(rows: int, dim: int, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Make an array, shape (rows, D), of any content; a large one is in a file without a name.

    It is in memory nevertheless if the disk for temporary files has no room for it.
    """
    size = np.dtype(dtype).itemsize * rows * dim
    if size > _HELD_BYTES and hasattr(os, "posix_fallocate"):
        with suppress(OSError), TemporaryFile(prefix="artsim-") as file:
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error here, not later
            return np.memmap(file, dtype=dtype, mode="r+", shape=(rows, dim))
    return np.empty((rows, dim), dtype=dtype)


def take(vectors: NDArray[np.floating], rows: NDArray[np.int64]) -> NDArray[np.floating]:
    """Copy some rows of vectors, shape (N, D), in the order given."""
    taken = room_for(len(rows), vectors.shape[1], vectors.dtype)
    for start in range(0, len(rows), BLOCK):
        taken[start : start + BLOCK] = vectors[rows[start : start + BLOCK]]
    return taken


def blocks(rows: NDArray[np.int64], width: int) -> Iterator[NDArray[np.int64]]:
    """Yield so many of some rows at a time that a float64 array of this width takes 128 MB."""
    step = max(1, min(BLOCK, _BLOCK_BYTES // (8 * max(1, width))))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]
