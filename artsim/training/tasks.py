"""A label to train on, with its split and its loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.labels import Label, LabelKind
from artsim.models.architectures import HeadShape
from artsim.splits import TEST, TRAIN, VAL, Split

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """A label to train on."""

    label: Label
    split: Split
    source: str  # what the label was read from: a column, a derived label, NAME = EXPRESSION
    weight: float = 1.0  # of its loss in the sum of all tasks
    class_weights: NDArray[np.float32] | None = None  # of each class in the loss, (K,); 1 if None
    smoothing: float = 0.0  # probability that a cross-entropy spreads over all classes
    refit: bool = False  # train on train and validation together, after validation has decided

    @property
    def name(self) -> str:
        """The label's name."""
        return self.label.name

    def rows(self, part: str) -> Rows:
        """Return the rows of train, val or test; a refit has validation in train."""
        train, validation, test = self.split.train, self.split.validation, self.split.test
        if self.refit:
            train, validation = np.union1d(train, validation), validation[:0]
        return {TRAIN: train, VAL: validation, TEST: test}[part]

    def truth(self, part: str) -> NDArray[np.int64] | NDArray[np.float32]:
        """Return the true classes of each row of the index that is in a part of the split.

        Returns:
            Class codes, (N,), -1 for rows of other parts; or for a multilabel label 0 and 1,
            (N, K), NaN for rows of other parts.
        """
        rows = self.rows(part)
        if self.label.kind == LabelKind.MULTICLASS:
            codes = np.full(len(self.label), -1, dtype=np.int64)
            codes[rows] = self.label.strata[rows]
            return codes
        matrix = self.label.matrix
        truth = np.full(matrix.shape, np.nan, dtype=np.float32)
        truth[rows] = matrix[rows]
        return truth

    def mean_loss(self, rows: Rows, probable: NDArray[np.float32]) -> float:
        """Return the mean cross-entropy, or binary cross-entropy, of probabilities, (n, K).

        Without the weights and the smoothing of training.
        """
        likely = np.clip(probable.astype(np.float64), 1e-7, 1 - 1e-7)
        if self.label.kind == LabelKind.MULTICLASS:
            return float(-np.log(likely[np.arange(len(rows)), self.label.strata[rows]]).mean())
        right = np.where(self.label.matrix[rows], likely, 1 - likely)
        return float(-np.log(right).mean())

    def balanced(self) -> TrainingTask:
        """Return it with class weights that give each class the same share of the loss."""
        counts = np.bincount(self.label.strata[self.rows(TRAIN)], minlength=len(self.label.classes))
        weights = counts.sum() / (np.maximum(counts, 1) * max((counts > 0).sum(), 1))
        return replace(self, class_weights=weights.astype(np.float32))


def new_heads(
    tasks: Sequence[TrainingTask], *, hidden: int | None = None, dropout: float = 0.0
) -> dict[str, HeadShape]:
    """Describe a head for each task, with an output for each class."""
    return {
        task.name: HeadShape(outputs=len(task.label.classes), hidden=hidden, dropout=dropout)
        for task in tasks
    }
