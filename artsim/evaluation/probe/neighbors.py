"""How well nearest neighbors predict a label, on the split that a probe is tested on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.evaluation.knn import KnnSettings, evaluate, score_neighbors
from artsim.labels import Label
from artsim.metrics import KNN_KS
from artsim.splits import Split


def knn_scores(
    vectors: NDArray[np.floating],
    label: Label,
    split: Split,
    *,
    ks: Sequence[int] = KNN_KS,
    seed: int = 0,
) -> tuple[Estimate, Estimate, int]:
    """Score the nearest neighbor, and the k nearest as `artsim knn-eval` does on this split.

    Args:
        vectors: Unit vectors, shape (N, D).
        label: The label.
        split: Its rows.
        ks: To choose from.
        seed: Of the intervals.

    Returns:
        The score of one neighbor, that of k, and the k.
    """
    (found,) = evaluate(vectors, [label], split, KnnSettings(ks=ks, seed=seed))
    best = found.scores[0]
    nearest = score_neighbors(found.neighbors, label, best.predictions, k=1)
    return nearest.estimate, best.estimate, best.k
