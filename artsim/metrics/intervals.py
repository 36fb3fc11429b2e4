"""The Wilson interval of a share: honest where there are few rows, or none of them is right."""

from __future__ import annotations

import math
from statistics import NormalDist

from artsim.errors import EvaluationError

__all__ = ["wilson"]


def wilson(n_right: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Compute the score interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Args:
        n_right: Right ones.
        n: Of how many, at least 1.
        level: Share of such intervals that hold the true share, about.
    """
    if not 0 <= n_right <= n or n < 1:
        raise EvaluationError(f"{n_right} of {n} is no share")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = n_right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
