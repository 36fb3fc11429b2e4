"""Scores that become probabilities: the temperature that fits rows not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Columns = NDArray[np.integer]


def log_softmax(scores: Scores) -> NDArray[np.float64]:
    """Compute the log probabilities of scores, shape (n, K)."""
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    logs: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


def log_loss(scores: Scores, columns: Columns) -> float:
    """Compute the mean negative log probability of the true columns; 0 if there are no rows.

    Args:
        scores: Shape (n, K).
        columns: True column of each row, shape (n,).
    """
    if not len(columns):
        return 0.0
    return -float(log_softmax(scores)[np.arange(len(columns)), columns].mean())


def calibrate(scores: Scores, columns: Columns) -> float:
    """Find the temperature at which scores / temperature best explain the true classes.

    Guo et al. 2017 (https://arxiv.org/abs/1706.04599). It is between 0.01 and 100.

    Args:
        scores: Of rows that the model was not fitted on, shape (n, K).
        columns: Their true columns, shape (n,).
    """
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda log_inverse: log_loss(scores * np.exp(log_inverse), columns),
        bounds=(-np.log(100), np.log(100)),
        options={"xatol": 1e-6},
    )
    return float(np.exp(-found.x))


def restrain(scores: Scores, temperature: float, n: int) -> float:
    """Raise a temperature until the model is no more confident than n rows justify.

    A model that is never wrong on n rows would be infinitely confident. Its mean
    confidence is limited to (n + 1) / (n + 2), by Laplace's rule of succession.

    Args:
        scores: Of the choices on those rows, shape (m, K).
        temperature: The one that `calibrate` found.
        n: Rows.
    """
    below = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    most = (n + 1) / (n + 2)
    while (1 / np.exp(below / temperature).sum(axis=1)).mean() > most:
        temperature *= 1.05
    return temperature
