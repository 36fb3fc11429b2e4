"""What a few examples of each class are worth: probes on n rows a class, drawn several times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.labels import Label
from artsim.metrics.logistic import STRENGTHS
from artsim.metrics.selection import Head, MulticlassTask, choose
from artsim.splits import Split, sample_per_class

Array = NDArray[np.floating]
Codes = NDArray[np.integer]
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class FewShot:
    """Top-1 of probes on n rows of each class; each of several draws is scored on all test rows."""

    shots: int
    top1: tuple[float, ...]  # one a draw
    n_train: int  # rows of the first draw
    short: int  # classes that have fewer rows to draw from
    seed: int  # of the first draw; the next have the next

    @property
    def mean(self) -> float:
        """The draws' mean top-1."""
        return float(np.mean(self.top1))

    @property
    def std(self) -> float:
        """Their standard deviation, 0 of a single draw."""
        return float(np.std(self.top1, ddof=1)) if len(self.top1) > 1 else 0.0


def few_shot(
    features: Array,
    label: Label,
    split: Split,
    shots: int,
    *,
    tries: int = 5,
    strengths: Sequence[float] = STRENGTHS,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> FewShot:
    """Fit softmax regression to n rows of each class, several times over.

    The strength is chosen on as many validation rows of each class at most, since where there are
    few examples to train on there are few to choose by. They are not trained on.

    Args:
        features: Shape (N, D).
        label: Multiclass, of N rows.
        split: Train and validation rows to draw from, and the test rows.
        shots: Rows of each class; a class that has fewer gives all.
        tries: Draws.
        strengths: Values of C to choose from.
        seed: Of the first draw.
        device: Where it is computed.

    Raises:
        EvaluationError: If no class has so many rows, or there is one class only.
    """
    codes, train, validation = label.strata, split.train, split.validation
    counts = np.bincount(codes[train][codes[train] >= 0])
    if counts.max(initial=0) < shots:
        raise EvaluationError(
            f"no class has {shots} train rows, the largest has {counts.max(initial=0)}; "
            "take fewer shots"
        )
    top1, sizes = [], []
    for number in range(tries):
        rows = train[sample_per_class(codes[train], shots, seed=seed + number)]
        choosers = validation[sample_per_class(codes[validation], shots, seed=seed + number)]
        top1.append(_fit(features, codes, rows, choosers, split.test, strengths, device))
        sizes.append(len(rows))
    short = int(((counts > 0) & (counts < shots)).sum())
    return FewShot(shots=shots, top1=tuple(top1), n_train=sizes[0], short=short, seed=seed)


def _fit(
    features: Array,
    codes: Codes,
    rows: Rows,
    choosers: Rows,
    test: Rows,
    strengths: Sequence[float],
    device: str | torch.device,
) -> float:
    """Fit to these rows, choose on the choosers, and score the test rows."""
    used = np.concatenate([rows, choosers, test])
    x = features[used] - features[rows].mean(axis=0)
    axes = _axes(x[: len(rows)])
    task = MulticlassTask(x if axes is None else x @ axes, codes[used], device)
    learned, chosen_on, tested = np.split(
        np.arange(len(used)), np.cumsum([len(rows), len(choosers)])
    )
    path, classes = task.fit(learned, strengths)
    best, _ = choose(task, path, classes, chosen_on)
    head = Head(path.weights[best], path.bias[best], classes, float(path.strengths[best]))
    return task.quality(tested, head.scores(task.features[tested]), classes)


def _axes(centered: Array) -> Array | None:
    """Span the rows' space where it is smaller than the vectors': the optimum lies in it.

    The intercept is not penalized, so that the losses' derivatives add up to 0 and the weights are
    a sum of centered rows.
    """
    n, d = centered.shape
    if n >= d:
        return None
    axes: Array = np.linalg.qr(centered.T)[0]  # (D, n)
    return axes
