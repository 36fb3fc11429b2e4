"""Linear probes: how much of a label a linear model can read off frozen vectors.

The strength of the penalty is chosen on validation rows, the model is fitted again to train and
validation together, and then predicts the test rows, once.
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
from artsim.metrics.logistic import STRENGTHS
from artsim.metrics.predictions import Predictions
from artsim.metrics.ranking import Ranking
from artsim.metrics.registry import estimate_main, score
from artsim.metrics.ridge import ALPHAS, fit_ridge
from artsim.metrics.selection import Head, MulticlassTask, MultilabelTask, fit_head
from artsim.splits import Split, split

_VALIDATION = 0.1  # of the train rows, where there are no validation rows
_TOP = 5

Array = NDArray[np.floating]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Probe:
    """A linear model of a label, how it was chosen, and what it predicts."""

    head: Head  # its columns are the classes that could be learned
    strengths: Floats  # (S,) tried: C of a classifier, alpha of a ridge
    validation: Floats  # (S,) the main metric on validation at each
    test_rows: Rows  # (n,)
    predictions: Predictions  # of the n test rows

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
    """Fit logistic regression, one-vs-rest for several classes a row; ridge to a number.

    Rows without a value take no part. Classes that no train row has cannot be learned; test rows
    of theirs count as wrong.

    Args:
        features: Shape (N, D).
        label: Of N rows.
        split: Its rows; without validation rows a tenth of train is drawn, groups kept whole.
        strengths: Values of C or alpha to choose from, or the default grid; see `choose`.
        seed: Of that tenth and of the intervals.
        device: Where it is computed.

    Raises:
        EvaluationError: If a part is empty, or train has nothing to learn.
    """
    try:
        train, validation, test = _parts(label, split, seed)
        empty = Predictions(
            truth=label.take(test),
            learned=label.take(np.concatenate([train, validation])),
            groups=None if split.resampled is None else split.resampled[test],
            seed=seed,
        )
        if label.kind == LabelKind.NUMBER:
            fitted = _fit_number(features, label, train, validation, strengths or ALPHAS)
        else:
            task: MulticlassTask | MultilabelTask = MulticlassTask(features, label.strata, device)
            if label.kind == LabelKind.MULTILABEL:
                task = MultilabelTask(features, label.matrix, device)
            head, path, quality = fit_head(task, train, validation, strengths or STRENGTHS)
            fitted = head, path.strengths, quality
    except EvaluationError as error:
        raise EvaluationError(f"label {label.name!r}, {split.description}: {error}") from error
    head, tried, quality = fitted
    return Probe(
        head=head,
        strengths=tried,
        validation=quality,
        test_rows=test,
        predictions=_predict(head, features[test], empty),
    )


def _parts(label: Label, parts: Split, seed: int) -> tuple[Rows, Rows, Rows]:
    """Keep the rows that have a value, and take validation out of train where there is none."""
    if parts.is_leave_one_out:
        raise EvaluationError("a probe needs test rows that are not train rows")
    given = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    train, validation, test = (rows[label.known[rows]] for rows in given.values())
    for name, kept in zip(given, (train, validation, test), strict=True):
        if not len(kept) and (name != "validation" or len(parts.validation)):
            raise EvaluationError(f"no {name} row has a label; choose another split or label")
    if not len(validation):
        groups = None if parts.resampled is None else parts.resampled[train]
        fractions = (1 - _VALIDATION, _VALIDATION)
        drawn = split(label.strata[train], fractions, groups=groups, seed=seed)
        train, validation = train[drawn[0]], train[drawn[1]]
    return train, validation, test


def _fit_number(
    features: Array, label: Label, train: Rows, validation: Rows, alphas: Sequence[float]
) -> tuple[Head, Floats, Floats]:
    """Choose the penalty of the least absolute error, and fit again to both."""
    values = label.numbers
    path = fit_ridge(features[train], values[train], alphas)
    predicted = features[validation].astype(np.float32) @ path.weights[..., 0].T + path.bias[:, 0]
    errors = abs(predicted - values[validation, None]).mean(axis=0)  # (S,)
    alpha = float(path.strengths[errors.argmin()])
    both = np.concatenate([train, validation])
    last = fit_ridge(features[both], values[both], [alpha])
    head = Head(last.weights[0], last.bias[0], np.zeros(1, dtype=np.int64), alpha)
    return head, path.strengths, errors


def _predict(head: Head, features: Array, empty: Predictions) -> Predictions:
    truth = empty.truth
    if truth.kind == LabelKind.NUMBER:
        return replace(empty, numbers=head.scores(features)[:, 0].astype(np.float64))
    if truth.kind == LabelKind.MULTILABEL:
        learned = head.scores(features)
        # Classes that could not be learned are no part of mAP, and rank last in iMAP.
        scores = np.full((len(truth), len(truth.classes)), learned.min(initial=0) - 1, np.float32)
        scores[:, head.classes] = learned
        return replace(empty, ranking=Ranking.of(truth.matrix, scores))
    order = np.argsort(-head.probabilities(features), axis=1, kind="stable")[:, :_TOP]
    ranked = np.full((len(truth), _TOP), -1, dtype=np.int64)
    ranked[:, : order.shape[1]] = head.classes[order]
    return replace(empty, ranked=ranked)
