"""Vectors as searches and evaluations take them: finite, and of length 1."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.metrics.spilling import room_for

_UNIT_TOLERANCE = 2e-3  # of a norm; vectors stored in float16 are off by 1e-4
_BLOCK = 1 << 14  # vectors checked at a time


def to_unit(
    vectors: NDArray[np.floating], name: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scale vectors to length 1, and find those that are all zeros.

    A vector of zeros is similar to nothing, so its row must take no part; it becomes a unit vector
    all the same, so that the array can be searched.

    Args:
        vectors: Shape (N, D).
        name: What a message calls them.

    Returns:
        Unit vectors, shape (N, D), and the rows that were all zeros.

    Raises:
        EvaluationError: If a value is not finite.
    """
    rows, dim = vectors.shape
    return blocks_to_unit([vectors], (rows, dim), name)


def blocks_to_unit(
    blocks: Iterable[NDArray[np.floating]], shape: tuple[int, int], name: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scale blocks of vectors, of this shape (N, D) together, to length 1, as `to_unit`."""
    scaled, empty, start = room_for(*shape), [], 0
    for block in blocks:
        here = scaled[start : start + len(block)]
        here[:] = block
        norms = np.linalg.norm(here, axis=1, keepdims=True)
        zeros = np.flatnonzero(norms == 0)
        here[zeros, 0] = norms[zeros] = 1
        here /= norms
        empty.append(start + zeros)
        start += len(block)
    check_unit_vectors(scaled, name)
    return scaled, np.concatenate([*empty, np.empty(0, dtype=np.int64)])


def check_unit_vectors(vectors: NDArray[np.floating], name: str) -> None:
    """Refuse what is not a matrix (N, D) of finite unit vectors.

    Raises:
        EvaluationError: If the shape, the type, a value or a norm is wrong.
    """
    if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.floating):
        raise EvaluationError(
            f"{name} must be a matrix of floating-point vectors (N, D), "
            f"got shape {vectors.shape} of {vectors.dtype}"
        )
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        norms = np.sqrt(np.einsum("nd,nd->n", block, block, dtype=np.float32, casting="same_kind"))
        if not np.isfinite(norms).all():
            row = start + int(np.argmin(np.isfinite(norms)))
            raise EvaluationError(f"row {row} of {name} holds NaN or infinity; embed it again")
        if (abs(norms - 1) > _UNIT_TOLERANCE).any():
            row = int(np.argmax(abs(norms - 1) > _UNIT_TOLERANCE))
            raise EvaluationError(
                f"row {start + row} of {name} has norm {norms[row]:.4g}, not 1; "
                "divide each vector by its norm first"
            )
