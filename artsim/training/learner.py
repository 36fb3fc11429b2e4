"""The loop of every recipe: losses of the tasks added up, scores on validation, frozen parts kept.

All that happens in a step follows from the seed, the step and the weights, so that a training that
was stopped and resumed ends as one that was not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm  # all dimensions, and what timm makes of them
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassAccuracy, MultilabelAveragePrecision

from artsim.datatypes import Preprocessing
from artsim.errors import TrainingError
from artsim.labels import LabelKind
from artsim.models.architectures import Classifier
from artsim.splits.stored import VAL
from artsim.training.data import Batch, Pictures, Positions
from artsim.training.schedules import Schedule
from artsim.training.tasks import Task

__all__ = ["Learner", "probabilities", "task_loss"]

logger = logging.getLogger(__name__)

_NAMED = 5  # pictures that a message names
_SEED_STEP = 1_000_003  # steps of neighboring seeds are to have no seed in common

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]


class Learner(LightningModule):
    """A classifier that learns its tasks."""

    def __init__(
        self,
        classifier: Classifier,
        tasks: Sequence[Task],
        preprocessing: Preprocessing,
        optimizer: MakeOptimizer,
        *,
        schedule: Schedule | None = None,
        frozen: Sequence[nn.Module] = (),
        mixup: float = 0.0,
        seed: int,
    ) -> None:
        """Take what is to learn.

        Args:
            classifier: With a head for each task.
            tasks: What is learned.
            preprocessing: Mean and deviation of its pictures.
            optimizer: Makes the optimizer of the parameters that are to change.
            schedule: What its learning rates are multiplied by at each step.
            frozen: Modules whose weights and batch statistics stay as they are.
            mixup: Training pictures are laid over each other in pairs, in shares that are drawn
                from Beta(mixup, mixup); each alone if 0. Zhang et al. 2018,
                https://arxiv.org/abs/1710.09412
            seed: Of dropout and mixup.
        """
        super().__init__()
        self.classifier = classifier
        self.tasks = tuple(tasks)
        self.curves: list[dict[str, float]] = []  # an epoch each
        self._optimizer, self._schedule = optimizer, schedule
        self._frozen = tuple(frozen)
        self._mixup, self._seed = mixup, seed
        self._losses: list[float] = []  # of this epoch's steps
        for module in self._frozen:
            module.requires_grad_(False)
        mean, std = (
            torch.tensor(each).view(1, 3, 1, 1) * 255
            for each in (preprocessing.mean, preprocessing.std)
        )
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)
        self.mean: Tensor
        self.std: Tensor
        # By number, as a task may be called what no module can be.
        self._scores = nn.ModuleList(_score(task) for task in self.tasks)
        self._val_loss = MeanMetric()

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Give each task's logits for pictures, (B, 3, H, W) uint8."""
        logits: dict[str, Tensor] = self.classifier(self.normalized(pixels))
        return logits

    def normalized(self, pixels: Tensor) -> Tensor:
        """Bring pictures, (B, 3, H, W) uint8, to the range that the network takes."""
        return (pixels - self.mean) / self.std

    def loss(self, logits: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Add up the tasks' losses by their weights."""
        losses = (
            task.weight * task_loss(logits[task.name], batch.truth[task.name], task)
            for task in self.tasks
        )
        total: Tensor = torch.stack(list(losses)).sum()
        return total

    def mixed_loss(self, batch: Batch) -> Tensor:
        """Compute the loss of each picture laid over another, by the shares of the two."""
        share = float(torch.distributions.Beta(self._mixup, self._mixup).sample())
        under = torch.randperm(len(batch.rows)).to(batch.rows.device)
        pixels = self.normalized(batch.pixels)
        logits = self.classifier(share * pixels + (1 - share) * pixels[under])
        truth = {name: each[under] for name, each in batch.truth.items()}
        other = batch._replace(rows=batch.rows[under], truth=truth)
        return share * self.loss(logits, batch) + (1 - share) * self.loss(logits, other)

    # --- what Lightning calls ---------------------------------------------------------------

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Make the optimizer of what is not frozen."""
        optimizer = self._optimizer(each for each in self.parameters() if each.requires_grad)
        if self._schedule is None:
            return optimizer
        scheduler = LambdaLR(optimizer, self._schedule)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def train(self, mode: bool = True) -> Learner:
        """Go to training or evaluation; frozen parts evaluate always."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed dropout and mixup by the step."""
        torch.manual_seed(self._seed * _SEED_STEP + self._pictures.positions.step)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Compute the loss of a batch.

        Raises:
            TrainingError: If it is no finite number.
        """
        self._pictures.positions.step += 1
        if not len(batch.rows):
            if self.trainer.world_size == 1:
                return None  # not one of its pictures could be decoded
            # The other processes wait for its gradients.
            return torch.stack([p.sum() * 0 for p in self.parameters() if p.requires_grad]).sum()
        with _norms_as_gathered(self.classifier) if len(batch.rows) == 1 else nullcontext():
            loss = self.mixed_loss(batch) if self._mixup else self.loss(self(batch.pixels), batch)
        if not torch.isfinite(loss):
            ids = [self._pictures.ids[row] for row in batch.rows.tolist()]
            more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
            raise TrainingError(
                f"the loss is {loss.item()} at step {self._pictures.positions.step}, with the "
                f"pictures {', '.join(ids[:_NAMED])}{more}; try a smaller --set lr=..."
            )
        self._losses.append(loss.item())
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score a batch of validation pictures."""
        if not len(batch.rows):
            return
        logits = self(batch.pixels)
        self._val_loss.update(self.loss(logits, batch), len(batch.rows))
        for task, score in zip(self.tasks, self._scores, strict=True):
            truth = batch.truth[task.name]
            known = _known(truth)
            if known.any():
                likely = probabilities(logits[task.name], task.target.kind)[known]
                score.update(likely, truth[known].long())  # type: ignore[operator]  # a Metric

    def on_validation_epoch_end(self) -> None:
        """Note the epoch's losses and scores, and tell Lightning what to choose by."""
        found = {"val_loss": float(self._val_loss.compute())}
        for task, score in zip(self.tasks, self._scores, strict=True):
            found[f"val_{task.name}"] = float(score.compute())  # type: ignore[operator]  # a Metric
            score.reset()  # type: ignore[operator]  # a Metric
        self._val_loss.reset()
        self._note(found)
        scores = [found[f"val_{task.name}"] for task in self.tasks]
        self.log("val_loss", found["val_loss"])
        self.log("val_score", sum(scores) / len(scores))

    def on_train_epoch_end(self) -> None:
        """Note the epoch's loss where there is no validation, which would have done it."""
        if not len(self._pictures.rows[VAL]):
            self._note({})

    def _note(self, validation: Mapping[str, float]) -> None:
        row = {
            "epoch": float(self.current_epoch),
            "step": float(self._pictures.positions.step),
            "train_loss": sum(self._losses) / max(len(self._losses), 1),
            **validation,
        }
        self._losses = []
        self.curves.append(row)
        told = (f"{name} {value:.4f}" for name, value in row.items() if name not in _COUNTED)
        logger.info("epoch %d, step %d: %s", row["epoch"] + 1, row["step"], ", ".join(told))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put in how far it is."""
        positions = self._pictures.positions
        checkpoint["artsim"] = {
            "step": positions.step,
            "skipped": positions.skipped,
            "losses": self._losses,
            "curves": self.curves,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from there."""
        self.go_on(checkpoint, self._pictures.positions)

    def go_on(self, checkpoint: Mapping[str, Any], positions: Positions) -> None:
        """Take from a checkpoint how far it was."""
        found = checkpoint["artsim"]
        positions.step, positions.skipped = found["step"], found["skipped"]
        self._losses, self.curves = list(found["losses"]), list(found["curves"])

    @property
    def _pictures(self) -> Pictures:
        pictures = self.trainer.datamodule  # type: ignore[attr-defined]  # set by Trainer.fit
        assert isinstance(pictures, Pictures)
        return pictures


_COUNTED = ("epoch", "step")


@contextmanager
def _norms_as_gathered(module: nn.Module) -> Iterator[None]:
    """Let batch normalization go by the statistics gathered so far: one picture has none."""
    norms = [each for each in module.modules() if isinstance(each, _BatchNorm) and each.training]
    for each in norms:
        each.eval()
    try:
        yield
    finally:
        for each in norms:
            each.train()


def task_loss(logits: Tensor, truth: Tensor, task: Task) -> Tensor:
    """Compute the mean loss of a task over the rows that it knows the truth of; 0 if none.

    Args:
        logits: (B, K), or (B, 1) of the second of two classes against the first.
        truth: See `Task.truth`.
        task: Cross-entropy for one class a picture, binary cross-entropy for several.
    """
    known = _known(truth)
    if not known.any():
        return logits.sum() * 0
    logits, truth = logits[known].float(), truth[known]
    weights = None
    if task.class_weights is not None:
        weights = torch.from_numpy(task.class_weights).to(logits.device)
    if task.target.kind == LabelKind.MULTILABEL:
        return functional.binary_cross_entropy_with_logits(logits, truth, weights)
    if logits.shape[1] == 1:
        each = None if weights is None else weights[truth]
        return functional.binary_cross_entropy_with_logits(logits[:, 0], truth.float(), each)
    return functional.cross_entropy(logits, truth, weights, label_smoothing=task.smoothing)


def probabilities(logits: Tensor, kind: LabelKind) -> Tensor:
    """Turn a task's logits into probabilities, (B, K).

    Of one class a picture they add up to 1; of several, each stands for itself.
    """
    logits = logits.float()
    if kind == LabelKind.MULTILABEL:
        return logits.sigmoid()
    if logits.shape[1] == 1:
        second = logits.sigmoid()
        return torch.cat([1 - second, second], dim=1)
    return logits.softmax(dim=1)


def _known(truth: Tensor) -> Tensor:
    """Say which rows have a truth, (B,)."""
    return ~truth.isnan().any(dim=1) if truth.ndim == 2 else truth >= 0


def _score(task: Task) -> Metric:
    classes = len(task.target.classes)
    if task.target.kind == LabelKind.MULTILABEL:
        return MultilabelAveragePrecision(classes, average="macro")
    return MulticlassAccuracy(classes, average="micro")
