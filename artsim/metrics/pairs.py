"""How similar random pairs of rows of one class and of two classes are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError

Rows = NDArray[np.int64]


def pair_scores(
    vectors: NDArray[np.floating], codes: NDArray[np.integer], n: int, *, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw n random pairs of rows of one class and n of two classes.

    Args:
        vectors: Unit vectors, shape (N, D).
        codes: Class of each row, shape (N,); rows of class -1 are not drawn.
        n: Pairs of each kind.
        seed: Of the draw.

    Returns:
        Inner products of the true pairs and of the others, each sorted, shape (n,). The first row
        of a true pair is drawn evenly from the rows whose class has at least two.

    Raises:
        EvaluationError: If no class has two rows, or there is only one class.
    """
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(codes >= 0)
    rows = rows[np.argsort(codes[rows], kind="stable")]
    classes, first, sizes = np.unique(codes[rows], return_index=True, return_counts=True)
    if len(classes) < 2 or sizes.max() < 2:
        raise EvaluationError("true and false pairs need two classes, one of them with two rows")
    number = np.repeat(np.arange(len(classes)), sizes)  # of each row's class
    at = rng.choice(np.flatnonzero(sizes[number] > 1), n)
    size, start = sizes[number[at]], first[number[at]]
    mate = start + (at - start + rng.integers(1, size)) % size  # another of the class
    other = rng.integers(0, len(rows), n)
    own, begin = sizes[number[other]], first[number[other]]
    stranger = rng.integers(0, len(rows) - own)  # among the rows outside the class
    stranger += np.where(stranger >= begin, own, 0)
    return _products(vectors, rows[at], rows[mate]), _products(vectors, rows[other], rows[stranger])


def auc(true: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Compute the area under the ROC: how often a true score is above one of the others.

    Returns:
        1 if all true scores are higher, 0.5 if there is no difference; ties count half. NaN if
        either has no scores.
    """
    from sklearn.metrics import roc_auc_score

    if not len(true) or not len(other):
        return math.nan
    return float(
        roc_auc_score(np.repeat([1, 0], [len(true), len(other)]), np.concatenate([true, other]))
    )


def _products(vectors: NDArray[np.floating], a: Rows, b: Rows) -> NDArray[np.float32]:
    products = [
        np.einsum("nd,nd->n", vectors[a[i : i + 4096]], vectors[b[i : i + 4096]], dtype=np.float32)
        for i in range(0, len(a), 4096)
    ]
    return np.sort(np.concatenate(products))
