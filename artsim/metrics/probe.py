"""Linear probes: how well a linear model predicts a label from frozen vectors.

The penalty is chosen on validation rows, the model is fitted again to train and validation
together, and then predicts the test rows, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.labels import Label, LabelKind
from artsim.metrics.logistic import STRENGTHS, LinearPath
from artsim.metrics.predictions import Predictions
from artsim.metrics.registry import estimate_main, score
from artsim.metrics.selection import (
    Head,
    HeadFit,
    LinearTask,
    MulticlassTask,
    MultilabelTask,
    fit_head,
)
from artsim.metrics.spilling import BLOCK, blocks
from artsim.splits import Split, split

ALPHAS = STRENGTHS  # of a ridge

_VALIDATION = 0.1  # of the train rows, where there are no validation rows

Array = NDArray[np.floating]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

# Scores of a fit, rows x classes: of more the commonest classes are learned. Those of several
# classes a row are all ranked, which takes more memory.
_MOST_SCORES = {LabelKind.MULTICLASS: 500_000_000, LabelKind.MULTILABEL: 250_000_000}
_MOST_CLASSES = 5000


@dataclass(frozen=True, kw_only=True, eq=False)
class Probe:
    """A linear model of a label, how it was chosen, and what it predicts."""

    head: Head  # a column for each class that could be learned
    strengths: Floats  # (S,) tried: C of a classifier, alpha of a ridge
    validation: Floats  # (S,) the main metric on validation at each
    first: Head  # fitted to train rows alone; that of a number is the final one
    validation_rows: Rows
    test_rows: Rows  # (n,)
    predictions: Predictions  # of the n test rows

    @property
    def validation_score(self) -> float:
        """The main metric on validation at the strength that was chosen."""
        return float(self.validation[self.strengths == self.head.strength][0])

    @cached_property
    def estimate(self) -> Estimate:
        """The main metric of the label's kind."""
        return estimate_main(self.predictions)

    @cached_property
    def metrics(self) -> dict[str, Estimate | float]:
        """Every metric of the label's kind, by name."""
        return score(self.predictions)


def fit_probe(
    features: Array,
    label: Label,
    split: Split,
    *,
    strengths: Sequence[float] = (),
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Probe:
    """Fit logistic regression, one-vs-rest for several classes a row; or ridge to a number.

    Rows without a value take no part. Test rows of a class that no train row has count as wrong,
    and so do those of a class that is too rare among very many (`learned_classes`).

    Args:
        features: Shape (N, D).
        label: Of N rows.
        split: Its rows; without validation rows a tenth of train is drawn, groups kept whole.
        strengths: Values of C or alpha to choose from, see `choose`; the default grid if empty.
        seed: Of that tenth and of the intervals.
        device: Where logistic regression is computed.

    Raises:
        EvaluationError: If a part of the split is empty, or train has nothing to learn.
    """
    try:
        train, validation, test = _parts(label, split, seed)
        if label.kind == LabelKind.NUMBER:
            fit = _fit_number(features, label.numbers, train, validation, strengths or ALPHAS)
        else:
            grid = strengths or STRENGTHS
            fit = _fit_classes(features, label, (train, validation), grid, seed, device)
    except EvaluationError as error:
        raise EvaluationError(f"label {label.name!r}, {split.description}: {error}") from error
    learned = np.concatenate([train, validation])
    unfilled = Predictions.unfilled(label, learned, test, split.resampled, seed)
    return Probe(
        head=fit.head,
        strengths=fit.path.strengths,
        validation=fit.quality,
        first=fit.first,
        validation_rows=validation,
        test_rows=test,
        predictions=_predict(fit.head, features, test, unfilled),
    )


def _parts(label: Label, parts: Split, seed: int) -> tuple[Rows, Rows, Rows]:
    """Keep the rows that have a value, and draw validation from train where there is none."""
    if parts.is_leave_one_out:
        raise EvaluationError("a probe needs test rows that are not train rows")
    kept = parts.keep(label.known)
    train, validation, test = kept.train, kept.validation, kept.test
    for name, rows in (("train", train), ("validation", validation), ("test", test)):
        if not len(rows) and (name != "validation" or len(parts.validation)):
            raise EvaluationError(f"no {name} row has a label; choose another split or label")
    if not len(validation):
        groups = None if parts.resampled is None else parts.resampled[train]
        fractions = (1 - _VALIDATION, _VALIDATION)
        drawn = split(label.strata[train], fractions, groups=groups, seed=seed)
        train, validation = train[drawn[0]], train[drawn[1]]
    return train, validation, test


def learned_classes(label: Label, rows: Rows) -> Rows:
    """Return the classes that a probe learns from some rows: all, or of very many the commonest."""
    counts = label.take(rows).counts
    most = min(_MOST_CLASSES, max(2, _MOST_SCORES[label.kind] // max(1, len(rows))))
    common = np.argsort(-counts, kind="stable")[:most]
    return np.sort(common[counts[common] > 0])


def _fit_classes(
    features: Array,
    label: Label,
    parts: tuple[Rows, Rows],
    strengths: Sequence[float],
    seed: int,
    device: str | torch.device,
) -> HeadFit:
    """Fit a label's classes, or the commonest, to the rows of train and validation."""
    learned = learned_classes(label, np.concatenate(parts))
    kept = label.keep_classes(np.isin(np.arange(len(label.classes)), learned))
    task: LinearTask = MulticlassTask(features, kept.strata, device)
    if label.kind == LabelKind.MULTILABEL:
        task = MultilabelTask(features, kept.matrix, device)
    fit = fit_head(task, *parts, strengths, n_classes=len(learned), seed=seed)
    head, first = (replace(each, classes=learned[each.classes]) for each in (fit.head, fit.first))
    return replace(fit, head=head, first=first)


def _fit_number(
    features: Array, values: Floats, train: Rows, validation: Rows, alphas: Sequence[float]
) -> HeadFit:
    """Choose the penalty of the least absolute error, and fit again to both; see `fit_head`."""
    origin = features[train[:BLOCK]].mean(axis=0, dtype=np.float64)
    sums, more = (_Sums.of(features, values, rows, origin) for rows in (train, validation))
    path = sums.ridge(alphas)
    errors = np.zeros(len(path.strengths))
    for rows in blocks(validation, features.shape[1] + len(alphas)):
        predicted = features[rows].astype(np.float32) @ path.weights[..., 0].T + path.bias[:, 0]
        errors += abs(predicted - values[rows, None]).sum(axis=0)  # (S,)
    alpha = float(path.strengths[errors.argmin()])
    last = (sums + more).ridge([alpha])
    head = Head(last.weights[0], last.bias[0], np.zeros(1, dtype=np.int64), alpha)
    return HeadFit(head, head, path, errors / len(validation))


def _predict(head: Head, features: Array, test: Rows, unfilled: Predictions) -> Predictions:
    """Predict test rows, so many at a time that their scores take little memory."""
    truth = unfilled.truth
    found: list[tuple[Any, ...]] = []
    for places in blocks(np.arange(len(test)), features.shape[1] + 2 * len(head.classes)):
        block, some = features[test[places]], replace(unfilled, truth=truth.take(places))
        if truth.kind == LabelKind.MULTICLASS:
            some = some.with_probabilities(head.probabilities(block), head.classes)
            found.append((some.ranked, some.confidence, some.brier))
        else:
            found.append((head.scores(block),))
    joined = [np.concatenate(each) for each in zip(*found, strict=True)]
    if truth.kind == LabelKind.MULTICLASS:
        ranked, confidence, brier = joined
        return replace(unfilled, ranked=ranked, confidence=confidence, brier=brier)
    if truth.kind == LabelKind.NUMBER:
        return replace(unfilled, numbers=joined[0][:, 0].astype(np.float64))
    # Classes that could not be learned do not count for mAP, and rank last in iMAP.
    return unfilled.with_scores(joined[0], head.classes)


def fit_ridge(
    features: NDArray[np.floating],
    values: NDArray[np.floating],
    alphas: Sequence[float] = ALPHAS,
) -> LinearPath:
    """Fit ridge regression at every penalty, in float64, reading the features once, in blocks.

    The objective is scikit-learn's: |y - X w - b|^2 + alpha |w|^2, the intercept not penalized.

    Args:
        features: Shape (n, D).
        values: Shape (n,), or (n, K) for K numbers.
        alphas: Penalties, above 0.
    """
    origin = features[:BLOCK].mean(axis=0, dtype=np.float64)
    return _Sums.of(features, values, np.arange(len(features)), origin).ridge(alphas)


@dataclass(frozen=True)
class _Sums:
    """The sums over rows that a ridge of any penalty follows from; those of other rows add up.

    They are of the features from an origin near their mean, and of the values from theirs, since
    squares of what is far from 0 lose precision.
    """

    n: int
    origin: Floats  # (D,)
    offset: Floats  # (K,)
    first: Floats  # (D+K,) sums of features and values
    second: Floats  # (D+K, D+K) sums of their products

    @classmethod
    def of(cls, features: Array, values: Array, rows: Rows, origin: Floats) -> _Sums:
        """Sum some rows of features (N, D) and values, (N,) or (N, K)."""
        y = values.astype(np.float64).reshape(len(values), -1)
        offset = np.nanmean(y, axis=0)  # of all rows, so that the sums of some add up
        width = len(origin) + len(offset)
        first, second = np.zeros(width), np.zeros((width, width))
        for some in blocks(rows, width):
            both = np.concatenate([features[some] - origin, y[some] - offset], axis=1)
            first += both.sum(axis=0)
            second += both.T @ both
        return cls(len(rows), origin, offset, first, second)

    def __add__(self, other: _Sums) -> _Sums:
        return replace(
            self,
            n=self.n + other.n,
            first=self.first + other.first,
            second=self.second + other.second,
        )

    def ridge(self, alphas: Sequence[float]) -> LinearPath:
        """Fit every penalty, from one decomposition."""
        grid = np.unique(np.asarray(alphas, dtype=np.float64))
        if not len(grid) or grid[0] <= 0:
            raise EvaluationError(f"alphas must be numbers above 0, got {list(alphas)}")
        dim, mean = len(self.origin), self.first / self.n
        centered = self.second - self.n * np.outer(mean, mean)
        squares, axes = np.linalg.eigh(centered[:dim, :dim])  # (D,), (D, D)
        squares = np.maximum(squares, 0)[:, None]
        turned = axes.T @ centered[:dim, dim:]  # (D, K)
        inverse = 1 / (squares + grid[:, None, None])  # (S, D, 1)
        weights = axes @ (inverse * turned)  # (S, D, K)
        explained = (turned**2 * inverse * (2 - squares * inverse)).sum(axis=(1, 2))
        rest = centered[dim:, dim:].trace() - explained
        bias = self.offset + mean[dim:] - (self.origin + mean[:dim]) @ weights
        return LinearPath(
            grid,
            weights.astype(np.float32),
            bias.astype(np.float32),
            rest + grid * (weights**2).sum(axis=(1, 2)),
            np.ones(len(grid), dtype=bool),
        )
