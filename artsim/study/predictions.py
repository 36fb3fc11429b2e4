"""Predictions for the test pictures of a label, and how they fit the rows of an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.metrics import estimate_share
from artsim.study.data import Codes, Rows

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ModelPredictions:
    """Predictions of any model for the test pictures of a label."""

    label: str
    source: str  # what made them, for people: 'fine-tuned vit_small'
    train: tuple[str, ...]  # ids of the training set
    ids: tuple[str, ...]  # (n,) of the test pictures
    truth: tuple[str, ...]  # (n,)
    classes: tuple[str, ...]  # (K,)
    probabilities: Floats  # (n, K)
    validation: tuple[str, ...] = ()  # ids


@dataclass(frozen=True, kw_only=True)
class AlignedPredictions:
    """Predictions by the rows of an index and the classes of a label."""

    source: str
    classes: tuple[str, ...]  # of the label, C in number
    codes: Codes  # (N,) true class of each row, -1 where there is none
    train: Rows
    validation: Rows
    test: Rows  # (n,)
    probabilities: Floats  # (n, C), 0 for a class that cannot be predicted
    groups: Codes | None = None  # (n,) that intervals resample; -1 is its own

    @property
    def truth(self) -> Codes:
        """The true class of each test row, shape (n,)."""
        return self.codes[self.test]

    @property
    def learned(self) -> Rows:
        """The rows that a prediction rests on: train and validation."""
        return np.concatenate([self.train, self.validation])

    @property
    def predicted(self) -> Codes:
        """The most probable class of each test row, shape (n,)."""
        predicted: Codes = self.probabilities.argmax(axis=1)
        return predicted

    def share(self, right: Mask, among: Mask) -> Estimate:
        """Estimate the share of right test rows among some, both of shape (n,)."""
        groups = None if self.groups is None else self.groups[among]
        return estimate_share(right[among], groups)


def align(
    predictions: ModelPredictions, ids: Sequence[str], classes: tuple[str, ...], codes: Codes
) -> AlignedPredictions:
    """Match predictions with the rows of an index and the classes of its label.

    Raises:
        EvaluationError: If the index lacks one of the pictures or classes, a test picture is in the
            training set too, or the truth differs from the catalog.
    """
    name = predictions.label
    row_of = {id_: row for row, id_ in enumerate(ids)}
    column_of = {class_: code for code, class_ in enumerate(classes)}
    shape = (len(predictions.ids), len(predictions.classes))
    if predictions.probabilities.shape != shape or len(predictions.truth) != shape[0]:
        raise EvaluationError(
            f"the predictions of {name!r} have probabilities of shape "
            f"{predictions.probabilities.shape} and {len(predictions.truth)} true classes; "
            f"expected {shape} and {shape[0]}"
        )
    learned = (*predictions.train, *predictions.validation)
    unknown = [id_ for id_ in (*learned, *predictions.ids) if id_ not in row_of]
    if unknown:
        raise EvaluationError(
            f"predictions of {name!r} for pictures that the index lacks: {len(unknown):,}, such as "
            f"{unknown[0]!r}; predict the pictures of this index"
        )
    both = set(learned) & set(predictions.ids)
    if both:
        raise EvaluationError(
            f"test pictures of {name!r} that are also in its training set: {len(both):,}, such as "
            f"{min(both)!r}; test on pictures that were not trained on"
        )
    strange = [class_ for class_ in predictions.classes if class_ not in column_of]
    if strange:
        raise EvaluationError(f"{strange[0]!r} is not a class of {name!r}; predict its classes")
    test = np.array([row_of[id_] for id_ in predictions.ids], dtype=np.int64)
    known = [classes[code] if code >= 0 else None for code in codes[test]]
    for id_, truth, class_ in zip(predictions.ids, predictions.truth, known, strict=True):
        if truth != class_:
            raise EvaluationError(
                f"the {name!r} of {id_!r} is {truth!r} in the predictions and {class_!r} in the "
                "index; predict again with the catalog as it is now"
            )
    probabilities = np.zeros((shape[0], len(classes)))
    probabilities[:, [column_of[class_] for class_ in predictions.classes]] = (
        predictions.probabilities
    )
    return AlignedPredictions(
        source=predictions.source,
        classes=classes,
        codes=codes,
        train=np.array([row_of[id_] for id_ in predictions.train], dtype=np.int64),
        validation=np.array([row_of[id_] for id_ in predictions.validation], dtype=np.int64),
        test=test,
        probabilities=probabilities,
    )
