"""Scores of predicted classes against true ones, by scikit-learn or with its definitions.

Classes are codes, 0 and up; true and predicted classes have shape (n,). A prediction of -1 is none
at all: it is always wrong and counts as no class of its own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError

Codes = NDArray[np.integer]

_BINS = 15  # of confidence


def accuracy(truth: Codes, predicted: Codes) -> float:
    """Compute the share of predictions that are right."""
    _check(truth, predicted)
    return float(np.mean(truth == predicted))


def top_accuracy(truth: Codes, ranked: Codes) -> float:
    """Compute the share of rows whose true class is among those predicted, shape (n, m)."""
    _check(truth, ranked[:, 0])
    return float(np.mean((ranked == truth[:, None]).any(axis=1)))


def macro_f1(truth: Codes, predicted: Codes) -> float:
    """Compute the mean F1 over the classes that occur in truth or prediction.

    A class that is never right has an F1 of 0.
    """
    from sklearn.metrics import f1_score

    _check(truth, predicted)
    classes = np.union1d(truth, predicted[predicted >= 0])
    return float(f1_score(truth, predicted, labels=classes, average="macro", zero_division=0))


def balanced_accuracy(truth: Codes, predicted: Codes) -> float:
    """Compute the mean recall over the true classes."""
    from sklearn.metrics import recall_score

    _check(truth, predicted)
    return float(recall_score(truth, predicted, labels=np.unique(truth), average="macro"))


def cohen_kappa(truth: Codes, predicted: Codes) -> float:
    """Compute Cohen's kappa, the agreement beyond chance: 1 is perfect, 0 is chance.

    NaN where every true and predicted class is the same one: chance agreement is then certain.
    """
    _check(truth, predicted)
    # scikit-learn's makes a table of classes x classes: 20 GB where there are 50,000.
    size = int(max(truth.max(), predicted.max())) + 1
    true = np.bincount(truth, minlength=size) / len(truth)
    chance = true @ np.bincount(predicted[predicted >= 0], minlength=size) / len(truth)
    observed = np.mean(truth == predicted)
    return float((observed - chance) / (1 - chance)) if chance < 1 else math.nan


def confusion(truth: Codes, predicted: Codes) -> NDArray[np.int64]:
    """Count the pairs of true and predicted class that occur.

    Returns:
        One row a pair (true class, predicted class or -1, count), sorted, shape (pairs, 3): at
        most n rows, however many classes there are.
    """
    _check(truth, predicted)
    pairs, counts = np.unique(np.stack([truth, predicted], axis=1), axis=0, return_counts=True)
    return np.column_stack([pairs, counts]).astype(np.int64)


def expected_calibration_error(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """Compute ECE: how far confidence is from accuracy, a mean over 15 equal bins by their rows.

    Guo et al. 2017 (https://arxiv.org/abs/1706.04599); confidence is the probability of the
    predicted class, and whether it is right, both of shape (n,).
    """
    bins = np.clip(np.ceil(confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(right)) if len(right) else math.nan


def global_average_precision(
    truth: Codes, predicted: Codes, confidence: NDArray[np.floating]
) -> float:
    """Compute GAP: the mean precision at each right prediction, most confident first.

    The mean is over all queries that have a class (The Met dataset, Ypsilantis et al. 2021,
    https://arxiv.org/abs/2202.01747), so a wrong prediction lowers it, the more the more confident
    it is. A true class of -1 is a distractor, whose every prediction is wrong; confidence, shape
    (n,), is in any unit.
    """
    _check(truth, predicted)
    if not (truth >= 0).any():
        raise EvaluationError("all queries are distractors; GAP needs some that have a class")
    order = np.argsort(-confidence, kind="stable")
    right = ((truth == predicted) & (truth >= 0))[order]
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float((precision * right).sum() / (truth >= 0).sum())


def _check(truth: Codes, predicted: Codes) -> None:
    if truth.shape != predicted.shape:
        raise EvaluationError(
            f"there are {truth.size} true classes and {predicted.size} predictions; "
            "each row needs one of both"
        )
    if not len(truth):
        raise EvaluationError("there is nothing to score: no row has both a label and a prediction")
