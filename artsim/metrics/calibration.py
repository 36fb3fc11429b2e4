"""Scores that become probabilities: the temperature that fits rows not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Columns = NDArray[np.integer]


def log_softmax(scores: Scores) -> NDArray[np.float64]:
    """Return the logarithms of the probabilities that scores (n, K) stand for."""
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    logs: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


def log_loss(scores: Scores, columns: Columns) -> float:
    """Compute the mean negative log probability of the true columns, 0 where there is no row.

    Args:
        scores: Shape (n, K).
        columns: True column of each row, shape (n,).
    """
    if not len(columns):
        return 0.0
    return -float(log_softmax(scores)[np.arange(len(columns)), columns].mean())


def calibrate(scores: Scores, columns: Columns) -> float:
    """Find the temperature at which scores / temperature best explain the true classes.

    Guo et al. 2017 (https://arxiv.org/abs/1706.04599). The mean log loss is convex in the inverse
    of the temperature, so its minimum is found by golden section; the temperature stays between
    0.01 and 100.

    Args:
        scores: Of rows that the model was not fitted on, shape (n, K).
        columns: Their true columns, shape (n,).
    """

    def loss(log_inverse: float) -> float:
        return log_loss(scores * np.exp(log_inverse), columns)

    low, high = -np.log(100), np.log(100)
    golden = (np.sqrt(5) - 1) / 2
    a, b = high - golden * (high - low), low + golden * (high - low)
    at_a, at_b = loss(a), loss(b)
    while high - low > 1e-5:
        if at_a <= at_b:
            high, b, at_b = b, a, at_a
            a = high - golden * (high - low)
            at_a = loss(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + golden * (high - low)
            at_b = loss(b)
    return float(np.exp(-(low + high) / 2))


def restrain(scores: Scores, temperature: float, n: int) -> float:
    """Raise a temperature until the model is no more confident than n rows can show.

    A model that is never wrong on n rows would be infinitely confident. Its mean
    confidence is limited to (n + 1) / (n + 2), by Laplace's rule of succession.

    Args:
        scores: Of choices that the n rows make, shape (m, K).
        temperature: That they were found to need.
        n: Rows.
    """
    below = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    most = (n + 1) / (n + 2)
    while (1 / np.exp(below / temperature).sum(axis=1)).mean() > most:
        temperature *= 1.05
    return temperature
