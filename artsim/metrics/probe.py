"""Linear probes: how well a linear model predicts a label from frozen vectors.

The penalty is chosen on validation rows, the model is fitted again to train and validation
together, and then predicts the test rows, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

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
from artsim.metrics.spilling import BLOCK, take
from artsim.splits import Split, split

ALPHAS = STRENGTHS  # of a ridge

_VALIDATION = 0.1  # of the train rows, where there are no validation rows

Array = NDArray[np.floating]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


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

    Rows without a value take no part. Test rows of a class that no train row has count as wrong.

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
            task: LinearTask = MulticlassTask(features, label.strata, device)
            if label.kind == LabelKind.MULTILABEL:
                task = MultilabelTask(features, label.matrix, device)
            fit = fit_head(task, train, validation, strengths or STRENGTHS)
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
        predictions=_predict(fit.head, features[test], unfilled),
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


def _fit_number(
    features: Array, values: Floats, train: Rows, validation: Rows, alphas: Sequence[float]
) -> HeadFit:
    """Choose the penalty of the least absolute error, and fit again to both; see `fit_head`."""
    path = fit_ridge(take(features, train), values[train], alphas)
    predicted = features[validation].astype(np.float32) @ path.weights[..., 0].T + path.bias[:, 0]
    errors = abs(predicted - values[validation, None]).mean(axis=0)  # (S,)
    alpha = float(path.strengths[errors.argmin()])
    both = np.concatenate([train, validation])
    last = fit_ridge(take(features, both), values[both], [alpha])
    head = Head(last.weights[0], last.bias[0], np.zeros(1, dtype=np.int64), alpha)
    return HeadFit(head, head, path, errors)


def _predict(head: Head, features: Array, unfilled: Predictions) -> Predictions:
    truth = unfilled.truth
    if truth.kind == LabelKind.NUMBER:
        return replace(unfilled, numbers=head.scores(features)[:, 0].astype(np.float64))
    if truth.kind == LabelKind.MULTILABEL:
        learned = head.scores(features)
        # Classes that could not be learned do not count for mAP, and rank last in iMAP.
        scores = np.full((len(truth), len(truth.classes)), learned.min(initial=0) - 1, np.float32)
        scores[:, head.classes] = learned
        return unfilled.with_scores(scores)
    return unfilled.with_probabilities(head.probabilities(features), head.classes)


def fit_ridge(
    features: NDArray[np.floating],
    values: NDArray[np.floating],
    alphas: Sequence[float] = ALPHAS,
) -> LinearPath:
    """Fit ridge regression at every penalty, in float64, reading the features in blocks.

    The objective is scikit-learn's: |y - X w - b|^2 + alpha |w|^2, the intercept not penalized.

    Args:
        features: Shape (n, D).
        values: Shape (n,), or (n, K) for K numbers.
        alphas: Penalties, above 0.
    """
    grid = np.unique(np.asarray(alphas, dtype=np.float64))
    if not len(grid) or grid[0] <= 0:
        raise EvaluationError(f"alphas must be numbers above 0, got {list(alphas)}")
    blocks = [slice(start, start + BLOCK) for start in range(0, len(features), BLOCK)]
    y = values.astype(np.float64).reshape(len(values), -1)
    mean, center = features.mean(axis=0, dtype=np.float64), y.mean(axis=0)
    y = y - center
    gram, moment = np.zeros((len(mean), len(mean))), np.zeros((len(mean), y.shape[1]))
    for block in blocks:
        x = features[block] - mean
        gram += x.T @ x
        moment += x.T @ y[block]
    squares, axes = np.linalg.eigh(gram)  # (D,), (D, D)
    turned = axes.T @ moment  # (D, K)
    inverse = 1 / (np.maximum(squares, 0)[None, :, None] + grid[:, None, None])  # (S, D, 1)
    weights = axes @ (inverse * turned)  # (S, D, K)
    rest = np.zeros(len(grid))
    for block in blocks:
        x = features[block] - mean
        rest += [((y[block] - x @ each) ** 2).sum() for each in weights]
    return LinearPath(
        grid,
        weights.astype(np.float32),
        (center - mean @ weights).astype(np.float32),
        rest + grid * (weights**2).sum(axis=(1, 2)),
        np.ones(len(grid), dtype=bool),
    )
