"""A new head that begins as the linear probe on the network as it came."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from artsim.metrics.selection import ClassTask, choose
from artsim.models import find_device
from artsim.splits.stored import TRAIN, VAL
from artsim.training.data import Pictures
from artsim.training.learner import Learner
from artsim.training.run import Run

__all__ = ["begin_as_probe"]

_STRENGTHS = tuple(float(c) for c in np.logspace(-2, 4, 13))


def begin_as_probe(learner: Learner, pictures: Pictures, run: Run) -> None:
    """Fit each head of one linear layer to the embeddings of the train pictures as they are.

    The strength of the penalty is chosen on validation. The fit is made again with validation, as
    that of a probe is, only where the epoch has been chosen by it already.

    Raises:
        EvaluationError: If the train pictures are of one class.
    """
    rows, features = _embed(learner, pictures, (TRAIN, VAL), run)
    features /= (scale := float(np.sqrt((features**2).sum(axis=1).mean())))
    for task, head in zip(learner.tasks, learner.classifier.heads, strict=True):
        fitted = ClassTask(features, task.target.strata[rows])
        learned, chosen_on = (
            np.flatnonzero(np.isin(rows, each))
            for each in (task.sides.train, task.sides.validation)
        )
        path, classes = fitted.fit(learned, _STRENGTHS)
        best, _ = choose(fitted, path, classes, chosen_on)
        if task.refit:
            path, classes = fitted.fit(np.append(learned, chosen_on), _STRENGTHS[best : best + 1])
            best = 0
        layer = head[-1]  # type: ignore[index]  # a Sequential
        with torch.no_grad():
            # A class without a train picture begins as the least likely one.
            layer.weight.zero_()
            layer.bias.fill_(float(path.bias[best].min()))
            layer.weight[classes] = torch.from_numpy(path.weights[best].T / scale)
            layer.bias[classes] = torch.from_numpy(path.bias[best])


def _embed(
    learner: Learner, pictures: Pictures, sides: tuple[str, ...], run: Run
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the rows of these sides that can be decoded, and their embeddings, (n, D)."""
    device = find_device(run.device)
    learner.to(device).eval()
    body: nn.Module = learner.classifier.body
    rows, found = [], []
    with torch.inference_mode():
        for batch in itertools.chain.from_iterable(map(pictures.of_side, sides)):
            rows.append(batch.rows.numpy())
            found.append(body(learner.normalized(batch.pixels.to(device))).float().cpu().numpy())
    learner.cpu()
    return np.concatenate(rows), np.concatenate(found)
