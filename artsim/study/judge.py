"""Predictions looked at from all sides: which classes, taken for what, how surely, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.labels import encode
from artsim.metrics import scores as metrics
from artsim.metrics.intervals import wilson
from artsim.study.material import Codes, Material, Rows
from artsim.study.results import (
    Bin,
    ClassScore,
    Confusion,
    Corner,
    Coverage,
    Estimate,
    Evidence,
    Judgment,
    Mistake,
)

__all__ = ["Answers", "Predictions", "answers_of", "estimate", "judge"]

EDGES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)  # of the probabilities that are checked together

_TOP = 5
_NEIGHBORS = 5  # of a mistake that are shown
_DEEP = 200  # neighbors among which the nearest of the true class is looked for
_CORNER = 10  # test pictures of a value that is judged by itself
_CORNERS = 40  # values of a column

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What something says of the test pictures of a label, wherever it comes from."""

    label: str
    source: str  # what made them, for people: 'fine-tuned vit_small'
    learned: tuple[str, ...]  # ids that were learned from, those that chose among settings included
    ids: tuple[str, ...]  # (n,) of the test pictures
    truth: tuple[str, ...]  # (n,)
    classes: tuple[str, ...]  # (K,)
    probabilities: Floats  # (n, K)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Predictions in the numbering of an index's rows and of a label's classes."""

    source: str
    classes: tuple[str, ...]  # of the label, C in number
    codes: Codes  # (N,) true class of each row, -1 where there is none
    learned: Rows
    tested: Rows  # (n,)
    probabilities: Floats  # (n, C), 0 for a class that cannot be answered

    @property
    def truth(self) -> Codes:
        """The true class of each test row, shape (n,)."""
        return self.codes[self.tested]

    @property
    def predicted(self) -> Codes:
        """The likeliest class of each test row, shape (n,)."""
        likeliest: Codes = self.probabilities.argmax(axis=1)
        return likeliest


def answers_of(
    predictions: Predictions, ids: Sequence[str], classes: tuple[str, ...], codes: Codes
) -> Answers:
    """Bring predictions into the numbering of an index.

    Raises:
        EvaluationError: If they are of pictures or classes that the index does not have, were
            learned from pictures that they judge, or their truth is not the index's.
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
    unknown = [id_ for id_ in (*predictions.learned, *predictions.ids) if id_ not in row_of]
    if unknown:
        raise EvaluationError(
            f"{len(unknown):,} predictions of {name!r} are of pictures that the index does not "
            f"have, the first is {unknown[0]!r}; predict the pictures of this index"
        )
    both = set(predictions.learned) & set(predictions.ids)
    if both:
        raise EvaluationError(
            f"{len(both):,} pictures judge predictions of {name!r} that were learned from them, "
            f"the first is {min(both)!r}; judge by pictures that were not learned from"
        )
    strange = [class_ for class_ in predictions.classes if class_ not in column_of]
    if strange:
        raise EvaluationError(f"{strange[0]!r} is no class of {name!r}; predict the index's own")
    tested = np.array([row_of[id_] for id_ in predictions.ids], dtype=np.int64)
    known = [classes[code] if code >= 0 else None for code in codes[tested]]
    for id_, said, class_ in zip(predictions.ids, predictions.truth, known, strict=True):
        if said != class_:
            raise EvaluationError(
                f"the predictions say that {id_!r} is {said!r}, the index that {name!r} is "
                f"{class_!r}; predict from the catalog as it is now"
            )
    probabilities = np.zeros((shape[0], len(classes)))
    probabilities[:, [column_of[class_] for class_ in predictions.classes]] = (
        predictions.probabilities
    )
    return Answers(
        source=predictions.source,
        classes=classes,
        codes=codes,
        learned=np.array([row_of[id_] for id_ in predictions.learned], dtype=np.int64),
        tested=tested,
        probabilities=probabilities,
    )


def judge(
    answers: Answers,
    material: Material,
    columns: Mapping[str, Sequence[str | None]],
    *,
    mistakes: int,
) -> Judgment:
    """Look at answers from all sides.

    Args:
        answers: For the test rows, one or more.
        material: The index.
        columns: Values of each row by column, for the coverage.
        mistakes: Mistakes shown at most.
    """
    truth, predicted = answers.truth, answers.predicted
    ranked = np.argsort(-answers.probabilities, axis=1, kind="stable")[:, :_TOP]
    return Judgment(
        source=answers.source,
        top1=estimate(truth == predicted),
        top5=metrics.top_accuracy(truth, ranked),
        macro_f1=metrics.macro_f1(truth, predicted),
        balanced_accuracy=metrics.balanced_accuracy(truth, predicted),
        kappa=metrics.cohen_kappa(truth, predicted),
        classes=tuple(_classes(answers)),
        confusions=tuple(
            Confusion(answers.classes[a], answers.classes[b], int(count))
            for a, b, count in metrics.confusion(truth, predicted)
        ),
        bins=tuple(_bins(answers)),
        mistakes=_mistakes(answers, material, mistakes),
        coverage=tuple(
            found
            for name, values in columns.items()
            if (found := _coverage(name, [values[row] for row in answers.tested], answers))
        ),
    )


def estimate(right: NDArray[np.bool_]) -> Estimate:
    """Return a share with its Wilson interval."""
    n = len(right)
    return Estimate(float(right.mean()), *wilson(int(right.sum()), n))


def _classes(answers: Answers) -> list[ClassScore]:
    truth, predicted = answers.truth, answers.predicted
    learned = np.bincount(answers.codes[answers.learned], minlength=len(answers.classes))
    scores = []
    for code, class_ in enumerate(answers.classes):
        own, said = truth == code, predicted == code
        wrong = np.bincount(predicted[own & ~said], minlength=1)
        if not own.any() and not learned[code]:
            continue
        scores.append(
            ClassScore(
                class_=class_,
                learned=int(learned[code]),
                tested=int(own.sum()),
                right=int((own & said).sum()),
                recall=estimate(said[own]) if own.any() else None,
                precision=estimate(own[said]) if said.any() else None,
                taken_for=answers.classes[wrong.argmax()] if wrong.any() else None,
                times=int(wrong.max()),
            )
        )
    return scores


def _bins(answers: Answers) -> list[Bin]:
    confidence = answers.probabilities.max(axis=1)
    right = answers.truth == answers.predicted
    place = np.clip(np.searchsorted(EDGES, confidence, side="right") - 1, 0, len(EDGES) - 2)
    return [
        Bin(
            low=EDGES[i],
            high=EDGES[i + 1],
            count=int((place == i).sum()),
            confidence=float(confidence[place == i].mean()),
            right=estimate(right[place == i]),
        )
        for i in range(len(EDGES) - 1)
        if (place == i).any()
    ]


def _mistakes(answers: Answers, material: Material, most: int) -> tuple[Mistake, ...]:
    """Describe the wrong answers that were surest."""
    truth, predicted = answers.truth, answers.predicted
    sure = answers.probabilities.max(axis=1)
    wrong = np.flatnonzero(truth != predicted)
    wrong = wrong[np.argsort(-sure[wrong], kind="stable")][:most]
    if not len(wrong):
        return ()
    found = material.search(answers.tested[wrong], answers.learned, _DEEP)
    shown = []
    for place, i in enumerate(wrong):
        near = material.evidence(found, place, answers.classes, answers.codes, _DEEP)
        shown.append(
            Mistake(
                work=material.work(int(answers.tested[i])),
                truth=answers.classes[truth[i]],
                predicted=answers.classes[predicted[i]],
                probability=float(sure[i]),
                truth_probability=float(answers.probabilities[i, truth[i]]),
                neighbors=near[:_NEIGHBORS],
                nearest_of_truth=_first_of(answers.classes[truth[i]], near),
            )
        )
    return tuple(shown)


def _first_of(class_: str, evidence: Sequence[Evidence]) -> Evidence | None:
    return next((each for each in evidence if each.class_ == class_), None)


def _coverage(column: str, values: Sequence[str | None], answers: Answers) -> Coverage | None:
    """Judge each value of a column that enough test pictures have; None if there are not two."""
    codes, classes = encode(values)
    counts = np.bincount(codes[codes >= 0], minlength=len(classes))
    large = np.flatnonzero(counts >= _CORNER)
    large = large[np.argsort(-counts[large], kind="stable")][:_CORNERS]
    if len(large) < 2:
        return None
    truth, predicted = answers.truth, answers.predicted
    right = truth == predicted
    told = np.bincount(truth, weights=right) / np.maximum(np.bincount(truth), 1)  # by class
    groups = [(classes[code], codes == code) for code in large]
    missing = codes < 0
    others = ~missing & ~np.isin(codes, large)
    groups += [("(other values)", others), ("(no value)", missing)]
    corners = []
    for value, rows in groups:
        if not rows.any():
            continue
        share = estimate(right[rows])
        corners.append(
            Corner(
                value=value,
                count=int(rows.sum()),
                right=share,
                expected=float(told[truth[rows]].mean()),
                weak=bool(share.high < right.mean()),
            )
        )
    return Coverage(column, tuple(sorted(corners, key=lambda corner: corner.right.value)))
