"""A new head that begins as the linear probe on the network as it came."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from artsim.annotations import TRAIN, VAL
from artsim.evaluation.logistic import fit_multinomial
from artsim.models.extractor import find_device
from artsim.recipes.data import Pictures
from artsim.recipes.learner import Learner
from artsim.recipes.run import Run

__all__ = ["begin_as_probe"]

_STRENGTHS = tuple(float(c) for c in np.logspace(-2, 4, 13))


def begin_as_probe(learner: Learner, pictures: Pictures, run: Run) -> None:
    """Fit each head of one linear layer to the embeddings of the train pictures as they are.

    The strength of the penalty is chosen on validation; unlike a probe that is judged, the fit is
    not made again with validation, which is still to choose the epoch.

    Raises:
        EvaluationError: If the train pictures are of one class.
    """
    embedded = {side: _embed(learner, pictures, side, run) for side in (TRAIN, VAL)}
    rows, features = embedded[TRAIN]
    scale = float(np.sqrt((features**2).sum(axis=1).mean()))
    for task, head in zip(learner.tasks, learner.classifier.heads, strict=True):
        own = np.isin(rows, task.rows(TRAIN))
        classes, codes = np.unique(task.target.strata[rows[own]], return_inverse=True)
        path = fit_multinomial(features[own] / scale, codes, _STRENGTHS)
        weights, bias = _as_softmax(path.weights, path.bias)
        chosen = np.isin(embedded[VAL][0], task.rows(VAL))
        scores = (embedded[VAL][1][chosen] / scale) @ weights + bias[:, None]  # (S, n, K)
        truth = task.target.strata[embedded[VAL][0][chosen]]
        best = int((classes[scores.argmax(axis=2)] == truth).mean(axis=1).argmax())
        layer = head[-1]  # type: ignore[index]  # a Sequential
        with torch.no_grad():
            # A class without a train picture begins as the least likely one.
            layer.weight.zero_()
            layer.bias.fill_(float(bias[best].min()))
            layer.weight[classes] = torch.from_numpy(weights[best].T / scale)
            layer.bias[classes] = torch.from_numpy(bias[best])


def _embed(
    learner: Learner, pictures: Pictures, side: str, run: Run
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the rows of a side that can be decoded, and their embeddings, (n, D)."""
    device = find_device(run.device)
    learner.to(device).eval()
    body: nn.Module = learner.classifier.body
    rows, found = [], []
    with torch.inference_mode():
        for batch in pictures.of_side(side):
            rows.append(batch.rows.numpy())
            found.append(body(learner.normalised(batch.pixels.to(device))).float().cpu().numpy())
    learner.cpu()
    return np.concatenate(rows), np.concatenate(found)


def _as_softmax(
    weights: NDArray[np.float32], bias: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the first of two classes its column, of zeros, where the fit has one for the second."""
    if weights.shape[2] > 1:
        return weights, bias
    return np.concatenate([0 * weights, weights], axis=2), np.concatenate([0 * bias, bias], axis=1)
