"""Vectors as evaluation takes them: finite, of length 1, and which of them say nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from artsim.metrics.neighbors import check_unit_vectors


def to_unit(
    vectors: NDArray[np.floating], name: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scale vectors to length 1, and say which are all zeros.

    A vector of zeros is like nothing, so its row must take no part; it is made a unit vector all
    the same, for its neighbors' sake.

    Args:
        vectors: Shape (N, D).
        name: What a message calls them.

    Returns:
        Unit vectors, shape (N, D), and the rows that had none.

    Raises:
        EvaluationError: If a value is not finite.
    """
    scaled = np.array(vectors, dtype=np.float32)
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    empty = np.flatnonzero(norms == 0)
    scaled[empty, 0] = norms[empty] = 1
    scaled /= norms
    check_unit_vectors(scaled, name)
    return scaled, empty
