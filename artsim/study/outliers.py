"""Pictures whose label is unlikely to models that were not trained on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from artsim.labels import Label, LabelKind
from artsim.metrics import fit_probe
from artsim.metrics.neighbors import NO_ROW
from artsim.splits import Split, k_fold
from artsim.study.data import Codes, StudyData
from artsim.study.findings import Outlier, Outliers

_NEAR = 10  # neighbors that may agree
_SHOWN = 4  # of them that are shown
_FAINT = 0.05  # a share below which a label is doubtful

Floats = NDArray[np.float64]


def find_outliers(
    data: StudyData,
    classes: tuple[str, ...],
    codes: Codes,
    strength: float,
    *,
    most: int,
    folds: int = 5,
) -> Outliers:
    """Find the pictures that fit their label least.

    ``codes`` is the class of each row, shape (N,), an index of ``classes``; rows of -1 take no
    part. ``strength`` is the C of the probes.

    Two figures support a label: its probability by a probe trained on the other folds (copies of a
    file are in one fold; its features are the first principal components), and the share of the
    nearest other pictures that have it. The lowest mean of the two comes first; of equals, the most
    confident prediction of another class.

    Raises:
        EvaluationError: If there are fewer pictures than folds, or the others have one class.
    """
    rows = np.flatnonzero(codes >= 0)
    likely = _out_of_fold(data, codes, strength, folds)  # (N, C)
    found = data.search(rows, rows, _NEAR)
    near = np.where(found.rows == NO_ROW, -1, codes[found.rows])  # (n, 10)
    agreement = (near == codes[rows][:, None]).mean(axis=1)
    own = likely[rows, codes[rows]]
    predicted = likely[rows].argmax(axis=1)
    sure = likely[rows].max(axis=1)
    # The only picture of its class cannot be predicted by the others.
    fit = np.where(np.bincount(codes[rows])[codes[rows]] > 1, (own + agreement) / 2, 1.0)
    order = np.lexsort((-sure, fit))
    order = order[predicted[order] != codes[rows][order]][:most]
    return Outliers(
        folds=folds,
        neighbors=_NEAR,
        checked=len(rows),
        doubtful=int(((own < _FAINT) & (agreement < _FAINT) & (fit < 1)).sum()),
        works=tuple(
            Outlier(
                work=data.work(int(rows[i])),
                truth=classes[codes[rows[i]]],
                predicted=classes[predicted[i]],
                probability=float(sure[i]),
                truth_probability=float(own[i]),
                agreement=float(agreement[i]),
                neighbors=data.neighbors(found, int(i), classes, codes, _SHOWN),
            )
            for i in order
        ),
    )


def _out_of_fold(data: StudyData, codes: Codes, strength: float, folds: int) -> Floats:
    """Predict each row by a probe trained on the other folds, shape (N, C)."""
    likely = np.zeros((len(codes), int(codes.max()) + 1))
    rows = np.flatnonzero(codes >= 0)
    content = data.content
    classes = tuple(map(str, range(likely.shape[1])))
    label = Label(name="class", kind=LabelKind.MULTICLASS, strata=codes, classes=classes)
    for fold in k_fold(codes[rows], folds, groups=content[rows], seed=data.seed):
        split = Split(
            train=np.delete(rows, fold),
            validation=rows[:0],
            test=rows[fold],
            description="one fold of works",
            resampled=content,
        )
        found = fit_probe(
            data.components,
            label,
            split,
            strengths=[strength],
            seed=data.seed,
            device=data.device,
        )
        predicted = found.head.probabilities(data.components[rows[fold]])
        likely[rows[fold][:, None], found.head.classes] = predicted
    return likely
