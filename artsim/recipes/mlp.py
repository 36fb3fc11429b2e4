"""A probe with one hidden layer on frozen features, to compare with the linear probe."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import AdamW, Optimizer
from torch.utils.data import DataLoader, TensorDataset

from artsim.labels import Label
from artsim.metrics import accuracy
from artsim.models import find_device
from artsim.splits import Split
from artsim.training import Run, quiet

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
    data = {
        name: TensorDataset(
            torch.from_numpy(scaled[rows].astype(np.float32)), torch.from_numpy(target.strata[rows])
        )
        for name, rows in (("train", split.train), ("val", split.validation), ("test", split.test))
    }
    device = find_device(run.device)
    with torch.random.fork_rng(devices=[]), tempfile.TemporaryDirectory() as folder, quiet():
        torch.manual_seed(run.seed)
        network = _MLP(features.shape[1], len(target.classes))
        order = torch.Generator().manual_seed(run.seed)
        kept = ModelCheckpoint(Path(folder), monitor="val_loss")
        trainer = Trainer(
            accelerator="gpu" if device.type == "cuda" else device.type,
            devices=1,
            max_epochs=_EPOCHS,
            callbacks=[EarlyStopping("val_loss", patience=_PATIENCE), kept],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(
            network,
            DataLoader(data["train"], _BATCH, shuffle=True, generator=order),
            DataLoader(data["val"], 4 * _BATCH),
        )
        best = torch.load(kept.best_model_path, map_location="cpu", weights_only=True)
    network.load_state_dict(best["state_dict"])
    with torch.inference_mode():
        predicted = network.cpu().eval()(data["test"].tensors[0]).argmax(dim=1).numpy()
    return accuracy(target.strata[split.test], predicted)


class _MLP(LightningModule):
    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dim, _HIDDEN), nn.ReLU(), nn.Dropout(_DROPOUT), nn.Linear(_HIDDEN, classes)
        )

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layers(features)
        return logits

    def training_step(self, batch: list[Tensor], _index: int) -> Tensor:
        return cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], _index: int) -> None:
        self.log("val_loss", cross_entropy(self(batch[0]), batch[1]), batch_size=len(batch[1]))

    def configure_optimizers(self) -> Optimizer:
        return AdamW(self.parameters(), lr=_LR, weight_decay=_WEIGHT_DECAY)
