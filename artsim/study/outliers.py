"""Pictures that do not fit their label: told otherwise by models that did not learn from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from artsim.metrics.neighbors import NO_ROW
from artsim.metrics.probe import probe_classes
from artsim.splits.drawing import k_fold
from artsim.study.material import Codes, Material
from artsim.study.results import Outlier, Outliers

__all__ = ["find_outliers"]

_NEAR = 10  # neighbors asked whether they agree
_SHOWN = 4  # of them that are shown
_FAINT = 0.05  # a share that speaks against a label

Floats = NDArray[np.float64]


def find_outliers(
    material: Material,
    classes: tuple[str, ...],
    codes: Codes,
    strength: float,
    *,
    most: int,
    folds: int = 5,
) -> Outliers:
    """Find the pictures that fit their label least.

    Two opinions speak for a label: the probability that a probe gives it which learned from the
    other folds (copies of a file are in one fold; of the vectors it has the first principal
    components), and the share of the nearest other pictures that have it. The lowest mean of the
    two comes first; of equals, the surest of another class.

    Args:
        material: The index.
        classes: What the codes stand for.
        codes: Class of each row, shape (N,); rows of -1 take no part.
        strength: C of the probes.
        most: Outliers described at most.
        folds: Parts, each told by what the others taught.

    Raises:
        EvaluationError: If there are fewer pictures than folds, or others have one class.
    """
    rows = np.flatnonzero(codes >= 0)
    likely = _out_of_fold(material, codes, strength, folds)  # (N, C)
    found = material.search(rows, rows, _NEAR)
    near = np.where(found.rows == NO_ROW, -1, codes[found.rows])  # (n, 10)
    agreement = (near == codes[rows][:, None]).mean(axis=1)
    own = likely[rows, codes[rows]]
    predicted = likely[rows].argmax(axis=1)
    sure = likely[rows].max(axis=1)
    # Of a class of one picture nothing else could have taught.
    fit = np.where(np.bincount(codes[rows])[codes[rows]] > 1, (own + agreement) / 2, 1.0)
    order = np.lexsort((-sure, fit))
    order = order[predicted[order] != codes[rows][order]][:most]
    return Outliers(
        folds=folds,
        neighbors=_NEAR,
        asked=len(rows),
        unlike=int(((own < _FAINT) & (agreement < _FAINT) & (fit < 1)).sum()),
        works=tuple(
            Outlier(
                work=material.work(int(rows[i])),
                class_=classes[codes[rows[i]]],
                probability=float(own[i]),
                predicted=classes[predicted[i]],
                predicted_probability=float(sure[i]),
                agreement=float(agreement[i]),
                neighbors=material.evidence(found, int(i), classes, codes, _SHOWN),
            )
            for i in order
        ),
    )


def _out_of_fold(material: Material, codes: Codes, strength: float, folds: int) -> Floats:
    """Tell each row by a probe that learned from the other folds, shape (N, C)."""
    likely = np.zeros((len(codes), int(codes.max()) + 1))
    rows = np.flatnonzero(codes >= 0)
    content = material.content
    for fold in k_fold(codes[rows], folds, groups=content[rows], seed=material.seed):
        others = np.delete(rows, fold)
        found = probe_classes(
            material.components,
            codes,
            train=others,
            test=rows[fold],
            groups=content,
            strengths=[strength],
            seed=material.seed,
            device=material.device,
        )
        told = found.head.probabilities(material.components[rows[fold]])
        likely[rows[fold][:, None], found.head.classes] = told
    return likely
