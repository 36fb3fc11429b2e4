"""The training loop of every recipe: summed task losses, validation scores, frozen layers.

Everything in a step depends only on the seed, the step and the weights, so that a resumed training
ends like an uninterrupted one.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
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

from artsim.errors import TrainingError
from artsim.labels import LabelKind
from artsim.models.architectures import Classifier
from artsim.splits import VAL
from artsim.training.data import Batch, TrainingData, TrainingState
from artsim.training.schedules import Schedule
from artsim.training.tasks import TrainingTask

logger = logging.getLogger(__name__)

_NAMED = 5  # images that a message names
_UNREAD = {"cuda": 32}  # steps after which losses are read: each time, a GPU is waited for
_SEED_STEP = 1_000_003  # keeps the seeds of steps apart for neighboring seeds

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]


class Learner(LightningModule):
    """A classifier in training."""

    def __init__(
        self,
        classifier: Classifier,
        data: TrainingData,
        optimizer: MakeOptimizer,
        *,
        schedule: Schedule | None = None,
        frozen: Sequence[nn.Module] = (),
        mixup: float = 0.0,
    ) -> None:
        """Set up the training of a classifier.

        Args:
            classifier: With a head for each task of the data.
            data: Its tasks and preprocessing; its seed is also that of dropout and mixup.
            optimizer: Makes the optimizer of the trainable parameters.
            schedule: Factor of the learning rates at each step.
            frozen: Modules whose weights and batch statistics do not change.
            mixup: Training images are blended in pairs, with shares drawn from
                Beta(mixup, mixup); no blending if 0. Zhang et al. 2018,
                https://arxiv.org/abs/1710.09412
        """
        super().__init__()
        self.classifier, self.tasks = classifier, data.tasks
        self.curves: list[dict[str, float]] = []  # an epoch each
        self._optimizer, self._schedule = optimizer, schedule
        self._frozen, self._mixup, self._seed = tuple(frozen), mixup, data.seed
        self._losses: list[float] = []  # of this epoch's steps
        self._unread: list[tuple[int, Tensor, Tensor]] = []  # steps, rows and losses after these
        self._val_losses: list[tuple[Tensor, int]] = []  # of batches, with their images
        self._unscored: dict[str, list[tuple[Tensor, Tensor]]] = defaultdict(list)  # by task
        for module in self._frozen:
            module.requires_grad_(False)
        self.mean: Tensor
        self.std: Tensor
        for name in ("mean", "std"):
            scaled = torch.tensor(getattr(data.preprocessing, name)).view(1, 3, 1, 1) * 255
            self.register_buffer(name, scaled, persistent=False)
        for number, task in enumerate(self.tasks):
            weights = task.class_weights
            there = None if weights is None else torch.from_numpy(weights)
            self.register_buffer(f"weights_{number}", there, persistent=False)
        # By number: a task's name may not be valid for a module.
        self._scores = nn.ModuleList(_score(task) for task in self.tasks)
        self._val_loss = MeanMetric()

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Return each task's logits for images, (B, 3, H, W) uint8."""
        logits: dict[str, Tensor] = self.classifier(self.normalized(pixels))
        return logits

    def normalized(self, pixels: Tensor) -> Tensor:
        """Normalize images, (B, 3, H, W) uint8, as the network expects them."""
        return (pixels - self.mean) / self.std

    def loss(self, logits: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Return the weighted sum of the tasks' losses."""
        losses = []
        for number, task in enumerate(self.tasks):
            weights = getattr(self, f"weights_{number}")
            loss = task_loss(logits[task.name], batch.truth[task.name], task, weights)
            losses.append(task.weight * loss)
        return torch.stack(losses).sum()

    def mixed_loss(self, batch: Batch) -> Tensor:
        """Compute the loss of each image blended with another, by the shares of the two."""
        share = float(torch.distributions.Beta(self._mixup, self._mixup).sample())
        there = batch.rows.device
        partner = torch.randperm(len(batch.rows), pin_memory=there.type == "cuda")
        partner = partner.to(there, non_blocking=partner.is_pinned())
        pixels = self.normalized(batch.pixels)
        logits = self.classifier(share * pixels + (1 - share) * pixels[partner])
        truth = {name: each[partner] for name, each in batch.truth.items()}
        other = batch._replace(rows=batch.rows[partner], truth=truth)
        return share * self.loss(logits, batch) + (1 - share) * self.loss(logits, other)

    # --- what Lightning calls ---------------------------------------------------------------

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Make the optimizer of the trainable parameters."""
        optimizer = self._optimizer(each for each in self.parameters() if each.requires_grad)
        if self._schedule is None:
            return optimizer
        scheduler = LambdaLR(optimizer, self._schedule)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def train(self, mode: bool = True) -> Learner:
        """Switch to training or evaluation mode; frozen modules stay in evaluation mode."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed dropout and mixup by the step."""
        torch.manual_seed(self._seed * _SEED_STEP + self._data.state.step)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Compute the loss of a batch.

        Raises:
            TrainingError: If it is not finite.
        """
        self._data.state.step += 1
        if not len(batch.rows):  # none of its images could be decoded
            if self.trainer.world_size == 1:
                return None
            # The other processes wait for its gradients.
            return torch.stack([p.sum() * 0 for p in self.parameters() if p.requires_grad]).sum()
        with _running_statistics(self.classifier) if len(batch.rows) == 1 else nullcontext():
            loss = self.mixed_loss(batch) if self._mixup else self.loss(self(batch.pixels), batch)
        self._unread.append((self._data.state.step, batch.rows, loss.detach()))
        if len(self._unread) >= _UNREAD.get(loss.device.type, 1):
            self._read_losses()
        return loss

    def _read_losses(self) -> None:
        """Record the losses of the last steps.

        Raises:
            TrainingError: If one is not finite.
        """
        unread, self._unread = self._unread, []
        losses = torch.stack([loss for *_, loss in unread]).tolist() if unread else []
        for (step, rows, _), loss in zip(unread, losses, strict=True):
            if not math.isfinite(loss):
                ids = [self._data.ids[row] for row in rows.tolist()]
                more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
                raise TrainingError(
                    f"the loss is {loss} at step {step}, with the pictures "
                    f"{', '.join(ids[:_NAMED])}{more}; try a smaller --set lr=..."
                )
            self._losses.append(loss)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score a batch of validation images."""
        if not len(batch.rows):
            return
        logits = self(batch.pixels)
        self._val_losses.append((self.loss(logits, batch), len(batch.rows)))
        for task in self.tasks:
            likely = probabilities(logits[task.name], task.label.kind)
            found = likely if task.label.kind == LabelKind.MULTILABEL else likely.argmax(dim=1)
            self._unscored[task.name].append((found, batch.truth[task.name]))

    def _score_validation(self) -> None:
        """Score the validation images of the epoch, all at once: each time, a GPU is waited for."""
        losses, self._val_losses = self._val_losses, []
        for loss, count in losses:
            self._val_loss.update(loss, count)
        unscored, self._unscored = self._unscored, defaultdict(list)
        for task, score in zip(self.tasks, self._scores, strict=True):
            for found, truth in unscored[task.name]:
                known = _known(truth)
                if known.any():
                    score.update(found[known], truth[known].long())  # type: ignore[operator]  # a Metric

    def on_validation_epoch_end(self) -> None:
        """Record the epoch's losses and scores, and log what decides on the best epoch."""
        self._score_validation()
        found = {"val_loss": float(self._val_loss.compute())}
        for task, score in zip(self.tasks, self._scores, strict=True):
            found[f"val_{task.name}"] = float(score.compute())  # type: ignore[operator]  # a Metric
            score.reset()  # type: ignore[operator]  # a Metric
        self._val_loss.reset()
        self._record(found)
        scores = [found[f"val_{task.name}"] for task in self.tasks]
        self.log("val_loss", found["val_loss"])
        self.log("val_score", sum(scores) / len(scores))

    def on_train_epoch_end(self) -> None:
        """Record the epoch's loss if there is no validation split to do it."""
        if not len(self._data.rows[VAL]):
            self._record({})

    def _record(self, validation: Mapping[str, float]) -> None:
        self._read_losses()
        row = {
            "epoch": float(self.current_epoch),
            "step": float(self._data.state.step),
            "train_loss": sum(self._losses) / max(len(self._losses), 1),
            **validation,
        }
        self._losses = []
        self.curves.append(row)
        figures = ", ".join(f"{name} {value:.4f}" for name, value in list(row.items())[2:])
        logger.info("epoch %d, step %d: %s", row["epoch"] + 1, row["step"], figures)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the training state."""
        self._read_losses()  # one that is not finite is not saved
        # Copied: the thread that makes batches adds to it while the checkpoint is written.
        skipped = dict(self._data.state.skipped)
        figures = {"losses": self._losses, "curves": self.curves, "skipped": skipped}
        checkpoint["artsim"] = vars(self._data.state) | figures

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the training state."""
        self.restore_state(checkpoint, self._data.state)

    def restore_state(self, checkpoint: Mapping[str, Any], state: TrainingState) -> None:
        """Take step, skipped images, losses and curves from a checkpoint."""
        found = checkpoint["artsim"]
        state.step, state.skipped = found["step"], found["skipped"]
        self._losses, self.curves = list(found["losses"]), list(found["curves"])

    @property
    def _data(self) -> TrainingData:  # the copy of this process, if there are several
        data: TrainingData = self.trainer.datamodule  # type: ignore[attr-defined]  # set by fit
        return data


@contextmanager
def _running_statistics(module: nn.Module) -> Iterator[None]:
    """Use the running statistics of batch normalization: a single image has none of its own."""
    norms = [each for each in module.modules() if isinstance(each, _BatchNorm) and each.training]
    for each in norms:
        each.eval()
    try:
        yield
    finally:
        for each in norms:
            each.train()


def task_loss(
    logits: Tensor, truth: Tensor, task: TrainingTask, weights: Tensor | None = None
) -> Tensor:
    """Compute the mean loss of a task over the rows that have its label; 0 if none has.

    No value decides what is computed, so that a GPU is not waited for.

    Args:
        logits: (B, K), or (B, 1) of the second of two classes against the first.
        truth: See `TrainingTask.truth`.
        task: Cross-entropy for a multiclass label, binary cross-entropy for a multilabel one.
        weights: Of the classes, (K,), on the same device; 1 if None.
    """
    known = _known(truth)
    logits, count = logits.float(), known.sum().clamp(min=1)
    if task.label.kind == LabelKind.MULTILABEL:
        weight = known[:, None] if weights is None else known[:, None] * weights
        truth = truth.where(known[:, None], 0)
        loss = functional.binary_cross_entropy_with_logits(logits, truth, weight, reduction="sum")
        return loss / (count * logits.shape[1])
    codes = truth.clamp(min=0)
    if logits.shape[1] == 1:
        weight = known if weights is None else known * weights[codes]
        loss = functional.binary_cross_entropy_with_logits(
            logits[:, 0], codes.float(), weight, reduction="sum"
        )
        return loss / count
    loss = functional.cross_entropy(
        logits,
        truth,
        weights,
        ignore_index=-1,
        reduction="sum",
        label_smoothing=task.smoothing,
    )
    total = count if weights is None else (known * weights[codes]).sum()
    return loss / total.clamp(min=torch.finfo(torch.float32).tiny)


def probabilities(logits: Tensor, kind: LabelKind) -> Tensor:
    """Turn a task's logits into probabilities, (B, K).

    Those of a multiclass label add up to 1; those of a multilabel one are independent.
    """
    logits = logits.float()
    if kind == LabelKind.MULTILABEL:
        return logits.sigmoid()
    if logits.shape[1] == 1:
        second = logits.sigmoid()
        return torch.cat([1 - second, second], dim=1)
    return logits.softmax(dim=1)


def _known(truth: Tensor) -> Tensor:
    """Return which rows have a label, (B,)."""
    return ~truth.isnan().any(dim=1) if truth.ndim == 2 else truth >= 0


def _score(task: TrainingTask) -> Metric:
    classes = len(task.label.classes)
    if task.label.kind == LabelKind.MULTILABEL:
        return MultilabelAveragePrecision(classes, average="macro")
    return MulticlassAccuracy(classes, average="micro")
