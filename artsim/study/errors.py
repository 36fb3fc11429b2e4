"""Where predictions are right and wrong: by class, confidence and values of other columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.labels import encode
from artsim.metrics import (
    balanced_accuracy,
    cohen_kappa,
    confusion,
    estimate_share,
    expected_calibration_error,
    macro_f1,
    top_accuracy,
)
from artsim.study.data import StudyData
from artsim.study.findings import (
    CalibrationBin,
    ClassScore,
    ColumnSlices,
    Confusion,
    PredictionError,
    PredictionStudy,
    Slice,
)
from artsim.study.predictions import AlignedPredictions

EDGES = tuple(i / 10 for i in range(11))  # of the bins of confidence

_TOP = 5
_NEIGHBORS = 5  # of an error that are shown
_DEEP = 200  # neighbors among which the nearest of the true class is looked for
_SLICE = 10  # test pictures that make a value a slice
_SLICES = 40  # values of a column


def study_predictions(
    found: AlignedPredictions,
    data: StudyData,
    columns: Mapping[str, Sequence[str | None]],
    *,
    errors: int,
) -> PredictionStudy:
    """Find out where predictions are right and wrong, and describe at most ``errors`` errors.

    ``columns`` are values of each row, for the slices.
    """
    truth, predicted = found.truth, found.predicted
    confidence = found.probabilities.max(axis=1)
    ideal = np.zeros_like(found.probabilities)
    ideal[np.arange(len(truth)), truth] = 1
    ranked = np.argsort(-found.probabilities, axis=1, kind="stable")[:, :_TOP]
    return PredictionStudy(
        source=found.source,
        accuracy=found.share(truth == predicted, np.ones(len(truth), dtype=bool)),
        top5=top_accuracy(truth, ranked),
        macro_f1=macro_f1(truth, predicted),
        balanced_accuracy=balanced_accuracy(truth, predicted),
        kappa=cohen_kappa(truth, predicted),
        ece=expected_calibration_error(confidence, truth == predicted),
        brier=float(((found.probabilities - ideal) ** 2).sum(axis=1).mean()),
        classes=tuple(_classes(found)),
        confusions=tuple(
            Confusion(found.classes[a], found.classes[b], int(count))
            for a, b, count in confusion(truth, predicted)
        ),
        calibration=tuple(_calibration(found)),
        errors=_errors(found, data, errors),
        columns=tuple(
            slices
            for name, values in columns.items()
            if (slices := _slices(name, [values[row] for row in found.test], found))
        ),
    )


def _classes(found: AlignedPredictions) -> list[ClassScore]:
    truth, predicted = found.truth, found.predicted
    train = np.bincount(found.codes[found.train], minlength=len(found.classes))
    scores = []
    for code, class_ in enumerate(found.classes):
        own, positive = truth == code, predicted == code
        wrong = np.bincount(predicted[own & ~positive], minlength=1)
        if not own.any() and not train[code]:
            continue
        confused = found.classes[wrong.argmax()] if wrong.any() else None, int(wrong.max())
        scores.append(class_score(class_, own, positive, int(train[code]), confused, found.groups))
    return scores


def class_score(
    class_: str,
    own: NDArray[np.bool_],
    positive: NDArray[np.bool_],
    train: int,
    confused: tuple[str | None, int] = (None, 0),
    groups: NDArray[np.int64] | None = None,
) -> ClassScore:
    """Score a class by the test pictures that have it, shape (n,), and those predicted to.

    Intervals resample the ``groups``, shape (n,).
    """

    def share(right: NDArray[np.bool_], among: NDArray[np.bool_]) -> Estimate | None:
        some = None if groups is None else groups[among]
        return estimate_share(right[among], some) if among.any() else None

    return ClassScore(
        class_=class_,
        train=train,
        test=int(own.sum()),
        correct=int((own & positive).sum()),
        recall=share(positive, own),
        precision=share(own, positive),
        confused_with=confused[0],
        confused=confused[1],
    )


def _calibration(found: AlignedPredictions) -> list[CalibrationBin]:
    confidence = found.probabilities.max(axis=1)
    correct = found.truth == found.predicted
    place = np.clip(np.searchsorted(EDGES, confidence, side="right") - 1, 0, len(EDGES) - 2)
    return [
        CalibrationBin(
            low=EDGES[i],
            high=EDGES[i + 1],
            count=int((place == i).sum()),
            confidence=float(confidence[place == i].mean()),
            accuracy=found.share(correct, place == i),
        )
        for i in range(len(EDGES) - 1)
        if (place == i).any()
    ]


def _errors(found: AlignedPredictions, data: StudyData, most: int) -> tuple[PredictionError, ...]:
    truth, predicted = found.truth, found.predicted
    confidence = found.probabilities.max(axis=1)
    wrong = np.flatnonzero(truth != predicted)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][:most]
    if not len(wrong):
        return ()
    nearest = data.search(found.test[wrong], found.learned, _DEEP)
    errors = []
    for place, i in enumerate(wrong):
        class_ = found.classes[truth[i]]
        near = data.neighbors(nearest, place, found.classes, found.codes, _DEEP)
        errors.append(
            PredictionError(
                work=data.work(int(found.test[i])),
                truth=class_,
                predicted=found.classes[predicted[i]],
                probability=float(confidence[i]),
                truth_probability=float(found.probabilities[i, truth[i]]),
                neighbors=near[:_NEIGHBORS],
                nearest_of_truth=next((each for each in near if each.class_ == class_), None),
            )
        )
    return tuple(errors)


def _slices(
    column: str, values: Sequence[str | None], found: AlignedPredictions
) -> ColumnSlices | None:
    """Score each value of a column that enough test pictures have; None if there are not two."""
    codes, classes = encode(values)
    counts = np.bincount(codes[codes >= 0], minlength=len(classes))
    large = np.flatnonzero(counts >= _SLICE)
    large = large[np.argsort(-counts[large], kind="stable")][:_SLICES]
    if len(large) < 2:
        return None
    truth, predicted = found.truth, found.predicted
    correct = truth == predicted
    recall = np.bincount(truth, weights=correct) / np.maximum(np.bincount(truth), 1)  # by class
    groups = [(classes[code], codes == code) for code in large]
    missing = codes < 0
    others = ~missing & ~np.isin(codes, large)
    groups += [("(other values)", others), ("(no value)", missing)]
    slices = []
    for value, rows in groups:
        if not rows.any():
            continue
        accuracy = found.share(correct, rows)
        slices.append(
            Slice(
                value=value,
                count=int(rows.sum()),
                accuracy=accuracy,
                expected=float(recall[truth[rows]].mean()),
                weak=bool(accuracy.high < correct.mean()),
            )
        )
    return ColumnSlices(column, tuple(sorted(slices, key=lambda each: each.accuracy.value)))
