"""A linear model of a label: every strength fitted, one chosen on validation, fitted again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.metrics import scores as metrics
from artsim.metrics.calibration import calibrate, log_loss, log_softmax, restrain
from artsim.metrics.logistic import LinearPath, fit_multinomial, fit_one_vs_rest

Array = NDArray[np.floating]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """A fitted linear model."""

    weights: NDArray[np.float32]  # (D, K)
    bias: NDArray[np.float32]  # (K,)
    classes: NDArray[np.int64]  # (K,) the class code or label of each column
    strength: float  # C, or alpha of a ridge
    temperature: float = 1.0  # divides the scores before they become probabilities

    def scores(self, features: Array) -> Scores:
        """Score the classes for features (n, D), shape (n, K)."""
        return features.astype(np.float32) @ self.weights + self.bias

    def probabilities(self, features: Array) -> Floats:
        """Compute calibrated probabilities of the classes for features (n, D), shape (n, K)."""
        return np.exp(log_softmax(self.scores(features) / self.temperature))


class LinearTask(Protocol):
    """What a linear model predicts, and from what: rows of features."""

    @property
    def features(self) -> Array:
        """Shape (N, D)."""

    def fit(self, rows: Rows, strengths: Sequence[float]) -> tuple[LinearPath, Rows]:
        """Fit the classes that can be learned from these rows; say which each column is."""

    def quality(self, rows: Rows, scores: Scores, classes: Rows) -> float:
        """Evaluate scores (n, K) of these rows by the task's metric; higher is better."""

    def choices(self, rows: Rows, scores: Scores, classes: Rows) -> tuple[Array, Rows]:
        """Put scores as choices between columns, (m, J), with the true column of each, (m,)."""


@dataclass(frozen=True)
class MulticlassTask:
    """One class a row, by softmax regression; scored by accuracy."""

    features: Array  # (N, D)
    codes: NDArray[np.integer]  # (N,)
    device: str | torch.device = "cpu"

    def fit(self, rows: Rows, strengths: Sequence[float]) -> tuple[LinearPath, Rows]:
        """Fit a column for each class that the rows have."""
        classes, columns = np.unique(self.codes[rows], return_inverse=True)
        path = fit_multinomial(self.features[rows], columns, strengths, device=self.device)
        if len(classes) == 2:  # class 0 scores 0
            weights = np.concatenate([np.zeros_like(path.weights), path.weights], axis=2)
            bias = np.concatenate([np.zeros_like(path.bias), path.bias], axis=1)
            path = replace(path, weights=weights, bias=bias)
        return path, classes.astype(np.int64)

    def quality(self, rows: Rows, scores: Scores, classes: Rows) -> float:
        """Compute the accuracy; a class that has no column counts as wrong."""
        return metrics.accuracy(self.codes[rows], classes[scores.argmax(axis=1)])

    def choices(self, rows: Rows, scores: Scores, classes: Rows) -> tuple[Array, Rows]:
        """Leave out the rows whose class has no column."""
        known = np.isin(self.codes[rows], classes)
        return scores[known], np.searchsorted(classes, self.codes[rows][known])


@dataclass(frozen=True)
class MultilabelTask:
    """Several classes a row, each against the rest; scored by mean average precision."""

    features: Array  # (N, D)
    members: NDArray[np.bool_]  # (N, L)
    device: str | torch.device = "cpu"

    def fit(self, rows: Rows, strengths: Sequence[float]) -> tuple[LinearPath, Rows]:
        """Fit a column for each label that some of the rows have and others have not."""
        shares = self.members[rows].mean(axis=0)
        columns = np.flatnonzero((shares > 0) & (shares < 1))
        if not len(columns):
            raise EvaluationError("no class is in some train rows and not in others")
        chosen = self.members[rows][:, columns]
        path = fit_one_vs_rest(self.features[rows], chosen, strengths, device=self.device)
        return path, columns

    def quality(self, rows: Rows, scores: Scores, classes: Rows) -> float:
        """Compute the mean average precision of the labels that a row has."""
        each = self.precision(rows, scores, classes)
        if np.isnan(each).all():
            raise EvaluationError("no validation row has a label that train has; split otherwise")
        return float(np.nanmean(each))

    def choices(self, rows: Rows, scores: Scores, classes: Rows) -> tuple[Array, Rows]:
        """Set each label against its absence, which scores 0."""
        two = np.stack([np.zeros(scores.size, dtype=np.float32), scores.ravel()], axis=1)
        return two, self.members[rows][:, classes].ravel().astype(np.int64)

    def precision(self, rows: Rows, scores: Scores, classes: Rows) -> Floats:
        """Compute the average precision of each label, shape (K,); NaN where no row has it."""
        pairs = zip(self.members[rows][:, classes].T, scores.T, strict=True)
        return np.array([metrics.average_precision(*pair) for pair in pairs])


def choose(task: LinearTask, path: LinearPath, classes: Rows, rows: Rows) -> tuple[int, Floats]:
    """Choose the strength of least log loss among those as good as the best by the metric.

    As good is within one standard error of a share of so many rows, as in the rule of Breiman et
    al., Classification and Regression Trees, 1984, section 3.4.3: of a hundred rows one or two more
    are right by chance anywhere along the path. The least log loss is a steadier guide.

    Returns:
        Its place in the path, and the metric at each strength, shape (S,).
    """
    features = task.features[rows].astype(np.float32)
    quality, loss = [], []
    for weights, bias in zip(path.weights, path.bias, strict=True):
        scores = features @ weights + bias
        quality.append(task.quality(rows, scores, classes))
        loss.append(log_loss(*task.choices(rows, scores, classes)))
    top = max(quality)
    error = (top * (1 - top) / len(rows)) ** 0.5
    as_good = [i for i, value in enumerate(quality) if value >= top - error]
    return min(as_good, key=lambda i: loss[i]), np.array(quality)


def fit_head(
    task: LinearTask, train: Rows, validation: Rows, strengths: Sequence[float]
) -> tuple[Head, LinearPath, Floats]:
    """Fit every strength to train, choose on validation, and fit the chosen one to both.

    The temperature is found by the model that has not seen validation, and the last one is kept
    from being more confident there than so many rows can show.

    Returns:
        The last fit, the path of the first, and its metric on validation at each strength.
    """
    path, classes = task.fit(train, strengths)
    best, quality = choose(task, path, classes, validation)
    strength = float(path.strengths[best])
    first = Head(path.weights[best], path.bias[best], classes, strength)
    path_of_both, classes = task.fit(np.concatenate([train, validation]), [strength])
    last = Head(path_of_both.weights[0], path_of_both.bias[0], classes, strength)
    return replace(last, temperature=_temperature(task, first, last, validation)), path, quality


def _temperature(task: LinearTask, first: Head, last: Head, rows: Rows) -> float:
    (scores, columns), (last_scores, _) = (
        task.choices(rows, head.scores(task.features[rows]), head.classes) for head in (first, last)
    )
    temperature = calibrate(scores, columns) if len(columns) else 1.0
    return restrain(last_scores, temperature, len(rows))
