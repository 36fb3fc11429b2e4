"""One probe of one label on its split, whatever its kind, and how it is scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.evaluation.probe.neighbors import Score
from artsim.labels import Label, LabelKind
from artsim.metrics import scores as metrics
from artsim.metrics.knn_values import score_ranges
from artsim.metrics.probe import (
    ClassProbe,
    MemberProbe,
    NumberProbe,
    probe_classes,
    probe_members,
    probe_numbers,
)
from artsim.splits import Split

__all__ = ["METRICS", "AnyProbe", "baseline_of", "fit_probe", "score_of"]

METRICS = {LabelKind.MULTICLASS: "top1", LabelKind.MULTILABEL: "mAP", LabelKind.NUMBER: "MAE"}

AnyProbe = ClassProbe | MemberProbe | NumberProbe


def fit_probe(
    features: NDArray[np.float32],
    label: Label,
    split: Split,
    *,
    seed: int,
    device: str | torch.device,
) -> AnyProbe:
    """Fit the probe that the label's kind asks for: see `artsim.metrics.probe`.

    Raises:
        EvaluationError: If a probe cannot be trained on the split, with the label and the split.
    """
    train, validation, test = split.train, split.validation, split.test
    try:
        if label.kind == LabelKind.NUMBER:
            found = probe_numbers(
                features,
                label.numbers,
                train=train,
                validation=validation,
                test=test,
                seed=seed,
            )
            return _to_nearer_end(found, label, split)
        if label.kind == LabelKind.MULTILABEL:
            return probe_members(
                features,
                label.matrix,
                train=train,
                validation=validation,
                test=test,
                seed=seed,
                device=device,
            )
        return probe_classes(
            features,
            label.strata,
            train=train,
            validation=validation,
            test=test,
            seed=seed,
            device=device,
        )
    except EvaluationError as error:
        raise EvaluationError(f"label {label.name!r}, {split.description}: {error}") from error


def score_of(found: AnyProbe) -> Score:
    """Return the score that `METRICS` names; of a mean its interval is over the classes."""
    if isinstance(found, ClassProbe):
        return Score(found.top1, found.interval)
    if isinstance(found, NumberProbe):
        return Score(found.mae, found.interval)
    each = found.average_precision[~np.isnan(found.average_precision)]
    return Score(found.mean_average_precision, metrics.mean_interval(each, seed=found.seed))


def baseline_of(found: AnyProbe) -> float:
    """Return what needs no picture: the majority's share, chance, or the median's mean error."""
    if isinstance(found, ClassProbe):
        return found.majority
    return found.median_mae if isinstance(found, NumberProbe) else found.chance


def _to_nearer_end(found: NumberProbe, label: Label, split: Split) -> NumberProbe:
    """Measure errors as kNN does: none inside an interval, else to its nearer end."""
    if not label.are_ranges:
        return found
    truth = label.take(found.test_rows)
    known = label.numbers[split.learned]
    score = score_ranges(found.predicted, truth.begin, truth.end, known, seed=found.seed)
    return replace(found, mae=score.mae, interval=score.interval, median_mae=score.median_mae)
