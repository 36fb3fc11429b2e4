"""A linear model of a label: its strength chosen on validation, its probabilities calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.metrics.logistic import LinearPath, fit_multinomial, fit_one_vs_rest
from artsim.metrics.ranking import Ranking, average_precisions
from artsim.metrics.scores import accuracy
from artsim.metrics.spilling import take

Array = NDArray[np.floating]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """A fitted linear model."""

    weights: NDArray[np.float32]  # (D, K)
    bias: NDArray[np.float32]  # (K,)
    classes: NDArray[np.int64]  # (K,) the class code of each column
    strength: float  # C, or alpha of a ridge
    temperature: float = 1.0  # divides the scores before they become probabilities

    def scores(self, features: Array) -> Scores:
        """Score the classes for features (n, D), shape (n, K)."""
        return features.astype(np.float32) @ self.weights + self.bias

    def probabilities(self, features: Array) -> Floats:
        """Compute calibrated probabilities of the classes for features (n, D), shape (n, K)."""
        return np.exp(log_softmax(self.scores(features) / self.temperature))


@dataclass(frozen=True)
class MulticlassTask:
    """One class a row, by softmax regression; scored by accuracy."""

    features: Array  # (N, D)
    codes: NDArray[np.integer]  # (N,)
    device: str | torch.device = "cpu"

    def fit(self, rows: Rows, strengths: Sequence[float]) -> tuple[LinearPath, Rows]:
        """Fit a column for each class that the rows have; return the class of each column too.

        Rows of class -1 take no part.
        """
        rows = rows[self.codes[rows] >= 0]
        classes, columns = np.unique(self.codes[rows], return_inverse=True)
        path = fit_multinomial(take(self.features, rows), columns, strengths, device=self.device)
        if len(classes) == 2:  # class 0 scores 0
            weights = np.concatenate([np.zeros_like(path.weights), path.weights], axis=2)
            bias = np.concatenate([np.zeros_like(path.bias), path.bias], axis=1)
            path = replace(path, weights=weights, bias=bias)
        return path, classes.astype(np.int64)

    def quality(self, rows: Rows, scores: Scores, classes: Rows) -> float:
        """Compute the accuracy of scores (n, K); a class without a column counts as wrong."""
        return accuracy(self.codes[rows], classes[scores.argmax(axis=1)])

    def choices(self, rows: Rows, scores: Scores, classes: Rows) -> tuple[Array, Rows]:
        """Return scores and true columns of the rows whose class has a column."""
        known = np.isin(self.codes[rows], classes)
        return scores[known], np.searchsorted(classes, self.codes[rows][known])


@dataclass(frozen=True)
class MultilabelTask:
    """Several classes a row, each against the rest; scored by mean average precision."""

    features: Array  # (N, D)
    members: NDArray[np.bool_]  # (N, L)
    device: str | torch.device = "cpu"

    def fit(self, rows: Rows, strengths: Sequence[float]) -> tuple[LinearPath, Rows]:
        """Fit a column for each class that only some of the rows have."""
        shares = self.members[rows].mean(axis=0)
        columns = np.flatnonzero((shares > 0) & (shares < 1))
        if not len(columns):
            raise EvaluationError("no class is in some train rows and not in others")
        chosen = self.members[rows][:, columns]
        path = fit_one_vs_rest(take(self.features, rows), chosen, strengths, device=self.device)
        return path, columns

    def quality(self, rows: Rows, scores: Scores, classes: Rows) -> float:
        """Compute the mean average precision of the classes that any of the rows has."""
        each = average_precisions(Ranking.of(self.members[rows][:, classes], scores))
        if np.isnan(each).all():
            raise EvaluationError("no validation row has a label that train has; split otherwise")
        return float(np.nanmean(each))

    def choices(self, rows: Rows, scores: Scores, classes: Rows) -> tuple[Array, Rows]:
        """Set each class of each row against its absence, which scores 0."""
        two = np.stack([np.zeros(scores.size, dtype=np.float32), scores.ravel()], axis=1)
        return two, self.members[rows][:, classes].ravel().astype(np.int64)


LinearTask = MulticlassTask | MultilabelTask


@dataclass(frozen=True)
class HeadFit:
    """A linear model, and how it was chosen."""

    head: Head  # fitted to train and validation rows
    first: Head  # fitted to train rows alone: what it predicts for validation rows is honest
    path: LinearPath  # of the strengths tried on train rows
    quality: Floats  # (S,) the metric on validation at each


def choose(task: LinearTask, path: LinearPath, classes: Rows, rows: Rows) -> tuple[int, Floats]:
    """Choose, among the strengths about as good as the best by the metric, that of least log loss.

    About as good is within one standard error of a share of so many rows, as in the rule of Breiman
    et al., Classification and Regression Trees, 1984, section 3.4.3: of a hundred rows one or two
    more are right by chance anywhere along the path. The log loss is a steadier guide.

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
    task: LinearTask,
    train: Rows,
    validation: Rows,
    strengths: Sequence[float],
    *,
    n_classes: int,
    seed: int = 0,
) -> HeadFit:
    """Fit every strength to train, choose on validation, and fit the chosen one to both.

    Of many rows the strength is chosen with some drawn at random, see `rows_to_choose`; the models
    are fitted to all. The temperature is calibrated with the model that has not seen validation,
    then raised until the final model is no more confident there than so many rows justify.
    """
    most, rng = rows_to_choose(n_classes), np.random.default_rng(seed)
    both = np.concatenate([train, validation])
    drawn, validation = (
        rows if len(rows) <= most else np.sort(rng.permutation(rows)[:most])
        for rows in (train, validation)
    )
    path, classes = task.fit(drawn, strengths)
    best, quality = choose(task, path, classes, validation)
    strength = float(path.strengths[best])

    def fit(rows: Rows) -> Head:
        found, classes = task.fit(rows, [strength])
        return Head(found.weights[0], found.bias[0], classes, strength)

    first = Head(path.weights[best], path.bias[best], classes, strength)
    if len(drawn) < len(train):
        first = fit(train)
    last = fit(both)
    (scores, columns), (last_scores, _) = (
        task.choices(validation, head.scores(task.features[validation]), head.classes)
        for head in (first, last)
    )
    temperature = calibrate(scores, columns) if len(columns) else 1.0
    first = replace(first, temperature=temperature)
    last = replace(last, temperature=restrain(last_scores, temperature, len(validation)))
    return HeadFit(last, first, path, quality)


def rows_to_choose(n_classes: int) -> int:
    """Return of how many rows at most a strength is chosen: fewer, the more classes there are.

    All strengths together take some thousand readings of the rows, a single one thirty.
    """
    return min(100_000, max(20_000, 5_000_000 // max(1, n_classes)))


def log_softmax(scores: Array) -> NDArray[np.float64]:
    """Compute the log probabilities of scores, shape (n, K)."""
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    logs: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


def log_loss(scores: Array, columns: Rows) -> float:
    """Compute the mean negative log probability of the true columns; 0 if there are no rows.

    Args:
        scores: Shape (n, K).
        columns: True column of each row, shape (n,).
    """
    if not len(columns):
        return 0.0
    return -float(log_softmax(scores)[np.arange(len(columns)), columns].mean())


def calibrate(scores: Array, columns: Rows) -> float:
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


def restrain(scores: Array, temperature: float, n: int) -> float:
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
