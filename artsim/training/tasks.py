"""What is told, and by which pictures it is learned, chosen and judged."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.errors import TrainingError
from artsim.labels import Label, LabelKind, read_label
from artsim.splits import TEST, TRAIN, VAL, Split
from artsim.store import Store

__all__ = ["TrainingTask", "read_class_target"]

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """A label to learn."""

    target: Label
    split: Split
    label: str  # what the target was read from: a column, a derived label, NAME = EXPRESSION
    weight: float = 1.0  # of its loss in the sum of all tasks
    # What a picture of each class counts in the loss, (K,); 1 where it is not given.
    class_weights: NDArray[np.float32] | None = None
    smoothing: float = 0.0  # probability that a cross-entropy spreads over all classes
    refit: bool = False  # what has been chosen is fitted again, on train and validation together

    @property
    def name(self) -> str:
        """The label's name."""
        return self.target.name

    def rows(self, side: str) -> Rows:
        """Return the rows of train, val or test; what is fitted again learns from both of two."""
        train, validation, test = self.split.train, self.split.validation, self.split.test
        if self.refit:
            train, validation = np.union1d(train, validation), validation[:0]
        return {TRAIN: train, VAL: validation, TEST: test}[side]

    def truth(self, side: str) -> NDArray[np.int64] | NDArray[np.float32]:
        """Return what each row of the index is told to be, for one side.

        Returns:
            Class codes, (N,), -1 for rows that are not of the side; or memberships of 0 and 1,
            (N, K), NaN for those rows.
        """
        rows = self.rows(side)
        if self.target.kind == LabelKind.MULTICLASS:
            codes = np.full(len(self.target.strata), -1, dtype=np.int64)
            codes[rows] = self.target.strata[rows]
            return codes
        matrix = self.target.matrix
        members = np.full(matrix.shape, np.nan, dtype=np.float32)
        members[rows] = matrix[rows]
        return members

    def balanced(self) -> TrainingTask:
        """Return it with each class counting alike in the loss, however many pictures it has."""
        counts = np.bincount(
            self.target.strata[self.rows(TRAIN)], minlength=len(self.target.classes)
        )
        weights = counts.sum() / (np.maximum(counts, 1) * max((counts > 0).sum(), 1))
        return replace(self, class_weights=weights.astype(np.float32))


def read_class_target(store: Store, label: str) -> Label:
    """Read a label of one class a picture.

    Raises:
        TrainingError: If it is a number or has several.
        EvaluationError: If it is not there or can be no label.
    """
    target = read_label(store, label)
    if target.kind != LabelKind.MULTICLASS:
        raise TrainingError(
            f"{target.name!r} is of kind {target.kind}, expected one class a picture; "
            f"derive one: '{target.name}_class = ...'"
        )
    return target
