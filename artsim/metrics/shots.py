"""Few-shot probes: how well a probe predicts from n rows of each class, drawn several times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.labels import Label
from artsim.metrics.intervals import estimate_mean, estimate_share
from artsim.metrics.logistic import STRENGTHS
from artsim.metrics.selection import MulticlassTask, choose
from artsim.splits import Split, sample_per_class

Array = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class FewShot:
    """Top-1 on all test rows of probes that were trained on n rows of each class."""

    shots: int
    top1: tuple[float, ...]  # one a draw
    n_train: int  # rows of a draw
    short: int  # classes with fewer rows than that
    estimate: Estimate  # of the mean over the draws; test pictures are resampled
    seed: int  # of the first draw; later draws use the seeds that follow

    @property
    def mean(self) -> float:
        """The mean over the draws."""
        return float(np.mean(self.top1))

    @property
    def std(self) -> float:
        """The standard deviation over the draws; 0 if there is one."""
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
    """Fit softmax regression to n rows of each class, in several draws.

    The strength is chosen on at most as many validation rows of each class, since few examples to
    train on means few to choose by. They are not trained on.

    Args:
        features: Shape (N, D).
        label: Multiclass, of N rows.
        split: Train and validation rows to draw from, and the test rows.
        shots: Rows of each class, or all where a class has fewer.
        tries: Draws.
        strengths: Values of C to choose from.
        seed: Of the first draw.
        device: Where it is computed.

    Raises:
        EvaluationError: If no class has so many rows, or there is only one class.
    """
    codes, train, validation = label.strata, split.train, split.validation
    counts = np.bincount(codes[train][codes[train] >= 0])
    if counts.max(initial=0) < shots:
        raise EvaluationError(
            f"no class has {shots} train rows, the largest has {counts.max(initial=0)}; "
            "take fewer shots"
        )
    rights = []  # of each draw: whether each test row is right
    for draw in range(seed, seed + tries):
        rows = train[sample_per_class(codes[train], shots, seed=draw)]
        choosers = validation[sample_per_class(codes[validation], shots, seed=draw)]
        used = np.concatenate([rows, choosers, split.test])
        x = _in_span(features[used] - features[rows].mean(axis=0), len(rows))
        task = MulticlassTask(x, codes[used], device)
        learned, chosen_on, tested = np.split(
            np.arange(len(used)), np.cumsum([len(rows), len(choosers)])
        )
        path, classes = task.fit(learned, strengths)
        best, _ = choose(task, path, classes, chosen_on)
        scores = x[tested].astype(np.float32) @ path.weights[best] + path.bias[best]
        rights.append(codes[split.test] == classes[scores.argmax(axis=1)])
    return FewShot(
        shots=shots,
        top1=tuple(float(right.mean()) for right in rights),
        n_train=int(np.minimum(counts, shots).sum()),
        short=int(((counts > 0) & (counts < shots)).sum()),
        estimate=_estimate(np.mean(rights, axis=0), split, seed),
        seed=seed,
    )


def _estimate(shares: NDArray[np.float64], split: Split, seed: int) -> Estimate:
    """Estimate the mean of how often each test row is right over the draws, shape (n,)."""
    groups = None if split.resampled is None else split.resampled[split.test]
    if np.isin(shares, (0, 1)).all():  # each row is always right, or never
        return estimate_share(shares > 0, groups, seed=seed)
    return estimate_mean(shares, groups, seed=seed)


def _in_span(centered: Array, n: int) -> Array:
    """Project vectors, shape (m, D), onto the span of the first n, where that is smaller.

    The weights of the optimum are in it: the intercept is not penalized, so the derivatives of the
    loss add up to 0 and the weights are a sum of centered rows.
    """
    if n >= centered.shape[1]:
        return centered
    projected: Array = centered @ np.linalg.qr(centered[:n].T)[0]  # (m, n)
    return projected
