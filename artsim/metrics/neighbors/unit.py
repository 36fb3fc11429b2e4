"""Vectors as a search takes them: finite, of length 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError

Array = NDArray[np.floating]
_UNIT_TOLERANCE = 2e-3  # of a norm; vectors stored in float16 are off by 1e-4


def check_unit_vectors(vectors: Array, name: str) -> None:
    """Refuse what is not a matrix of finite unit vectors.

    Args:
        vectors: What should have shape (N, D).
        name: What the message calls them.

    Raises:
        EvaluationError: If the shape, the type, a value or a norm is not as it should be.
    """
    if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.floating):
        raise EvaluationError(
            f"{name} must be a matrix of floating-point vectors (N, D), "
            f"got shape {vectors.shape} of {vectors.dtype}"
        )
    for start in range(0, len(vectors), 1 << 14):
        block = vectors[start : start + (1 << 14)]
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
