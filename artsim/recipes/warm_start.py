"""Start a new head as the linear probe on the pretrained network."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.metrics import MulticlassTask, choose
from artsim.models import find_device
from artsim.splits import TRAIN, VAL
from artsim.training import Learner, Run, TrainingData

_STRENGTHS = tuple(float(c) for c in np.logspace(-2, 4, 13))


def start_as_probe(learner: Learner, data: TrainingData, run: Run) -> None:
    """Fit each head of one linear layer to the embeddings of the training images.

    The penalty is chosen on validation. Only a refit then fits it again with validation, as a
    probe does: validation has already chosen the epoch.

    Raises:
        EvaluationError: If the training images have one class.
    """
    rows, features = _embed(learner, data, run)
    features /= (scale := float(np.sqrt((features**2).sum(axis=1).mean())))
    for task, head in zip(learner.tasks, learner.classifier.heads, strict=True):
        fitted = MulticlassTask(features, task.label.strata[rows])
        train, validation = (
            np.flatnonzero(np.isin(rows, each))
            for each in (task.split.train, task.split.validation)
        )
        path, classes = fitted.fit(train, _STRENGTHS)
        best, _ = choose(fitted, path, classes, validation)
        if task.refit:
            path, classes = fitted.fit(np.append(train, validation), _STRENGTHS[best : best + 1])
            best = 0
        layer = head[-1]  # type: ignore[index]  # a Sequential
        with torch.no_grad():
            # A class without a training image starts as the least likely one.
            layer.weight.zero_()
            layer.bias.fill_(float(path.bias[best].min()))
            layer.weight[classes] = torch.from_numpy(path.weights[best].T / scale)
            layer.bias[classes] = torch.from_numpy(path.bias[best])


def _embed(
    learner: Learner, data: TrainingData, run: Run
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the rows of train and validation that can be decoded, and their embeddings, (n, D)."""
    device = find_device(run.device)
    learner.to(device).eval()
    rows, found = [], []
    with torch.inference_mode():
        for batch in itertools.chain(data.of_split(TRAIN), data.of_split(VAL)):
            embedded = learner.classifier.body(learner.normalized(batch.pixels.to(device)))
            rows.append(batch.rows.numpy())
            found.append(embedded.float().cpu().numpy())
    learner.cpu()
    return np.concatenate(rows), np.concatenate(found)
