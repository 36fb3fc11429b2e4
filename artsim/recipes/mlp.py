"""A probe with one hidden layer on frozen features, to compare with the linear probe."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import AdamW
from torch.utils.data import DataLoader, TensorDataset

from artsim.labels import Label
from artsim.metrics import accuracy
from artsim.models import find_device
from artsim.splits import Split
from artsim.training import Run

_HIDDEN = 512
_DROPOUT = 0.5
_LR = 1e-3
_WEIGHT_DECAY = 1e-2
_BATCH = 256
_EPOCHS, _PATIENCE = 100, 10


def mlp_accuracy(features: NDArray[np.float32], target: Label, split: Split, run: Run) -> float:
    """Fit Linear-ReLU-Dropout-Linear on train, stop by validation, and score it on test.

    It takes seconds; a resumed run repeats it.

    Args:
        features: Of all rows, (N, D); standardized here by the training rows.
        target: A label of one class a picture.
        split: Its rows.
        run: Seed and device.
    """
    train = features[split.train]
    deviation = train.std(axis=0)
    scaled = (features - train.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    inputs = torch.from_numpy(scaled.astype(np.float32))
    truth = torch.from_numpy(target.strata)
    device = find_device(run.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        network = nn.Sequential(
            nn.Linear(features.shape[1], _HIDDEN),
            nn.ReLU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(_HIDDEN, len(target.classes)),
        )
        network.to(device)
        optimizer = AdamW(network.parameters(), lr=_LR, weight_decay=_WEIGHT_DECAY)
        order = torch.Generator().manual_seed(run.seed)
        train_data, val_data = (
            TensorDataset(inputs[rows], truth[rows]) for rows in (split.train, split.validation)
        )
        batches = DataLoader(train_data, _BATCH, shuffle=True, generator=order)
        checks = DataLoader(val_data, 4 * _BATCH)
        best, best_loss, waited = network.state_dict(), math.inf, 0
        for _ in range(_EPOCHS):
            network.train()
            for some, classes in batches:
                optimizer.zero_grad()
                torch.autograd.backward(cross_entropy(network(some.to(device)), classes.to(device)))
                optimizer.step()
            network.eval()
            with torch.inference_mode():
                losses = [
                    cross_entropy(network(some.to(device)), classes.to(device), reduction="sum")
                    for some, classes in checks
                ]
            loss = float(torch.stack(losses).sum())
            waited += 1
            if loss < best_loss:
                best, best_loss, waited = copy.deepcopy(network.state_dict()), loss, 0
            if waited == _PATIENCE:
                break
    network.load_state_dict(best)
    with torch.inference_mode():
        predicted = network.cpu()(inputs[split.test]).argmax(dim=1).numpy()
    return accuracy(target.strata[split.test], predicted)
