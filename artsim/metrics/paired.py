"""Whether one model is better than another on the same pictures, or only luckier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError

_RESAMPLES = 10_000
_AT_ONCE = 1 << 22  # numbers drawn at a time: 32 MB

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class PairedDifference:
    """How much a second model's mean is above a first one's."""

    difference: float
    interval: tuple[float, float]  # 95 %, of resampled pictures
    p: float  # two-sided: how often as great a difference comes of equal models, about


def paired_bootstrap(first: Floats, second: Floats, *, seed: int = 0) -> PairedDifference:
    """Resample the pictures, both models' scores of each together.

    Args:
        first: A score a picture, 1 for right and 0 for wrong as an instance, shape (n,).
        second: The other model's, of the same pictures in the same order.
        seed: Of the resampling.

    Raises:
        EvaluationError: If they are of different numbers of pictures, or of none.
    """
    if len(first) != len(second) or not len(first):
        raise EvaluationError(f"{len(first):,} and {len(second):,} scores are of no same pictures")
    differences = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    n = len(differences)
    rng = np.random.default_rng(seed)
    step = max(1, _AT_ONCE // n)
    means = np.concatenate(
        [
            differences[rng.integers(0, n, (min(step, _RESAMPLES - done), n))].mean(axis=1)
            for done in range(0, _RESAMPLES, step)
        ]
    )
    low, high = np.quantile(means, (0.025, 0.975))
    tail = min((means <= 0).sum(), (means >= 0).sum())
    p = min(1.0, 2 * (float(tail) + 1) / (_RESAMPLES + 1))
    return PairedDifference(float(differences.mean()), (float(low), float(high)), p)
