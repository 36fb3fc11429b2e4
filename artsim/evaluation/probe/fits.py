"""One probe of one label on its split, whatever its kind, and how it is scored."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.evaluation.predictions import AnyProbe, predictions_of
from artsim.labels import Label, LabelKind
from artsim.metrics import Predictions, estimate_main, probe_classes, probe_members, probe_numbers
from artsim.splits import Split

__all__ = ["fit_probe", "probe_predictions", "score_of"]


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
            return probe_numbers(
                features,
                label.numbers,
                train=train,
                validation=validation,
                test=test,
                seed=seed,
            )
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


def score_of(found: AnyProbe, label: Label, split: Split) -> Estimate:
    """Estimate the main metric of the label's kind."""
    return estimate_main(probe_predictions(found, label, split))


def probe_predictions(found: AnyProbe, label: Label, split: Split) -> Predictions:
    """Return what a probe predicted for the test rows of a split."""
    return predictions_of(
        found,
        label.take(found.test_rows),
        label.take(split.learned),
        groups=None if split.resampled is None else split.resampled[found.test_rows],
        seed=found.seed,
    )
