"""Lightning's Trainer at work on a run: checkpoints, early stopping, stop and resume."""

from __future__ import annotations

import csv
import io
import logging
import signal
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import nn
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from artsim.errors import TrainingError
from artsim.models import Network, find_device, output_shapes
from artsim.splits.stored import VAL
from artsim.training.data import Batch, Pictures
from artsim.training.learner import Learner
from artsim.training.run import CURVES, Run, Stopped

__all__ = ["fit", "freeze", "quiet", "seed"]

Monitor = Literal["val_loss", "val_score"]


def seed(run: Run) -> None:
    """Seed all that draws the first weights."""
    seed_everything(run.seed, workers=True, verbose=False)


def freeze(network: Network, until: str | None = None) -> list[nn.Module]:
    """List the modules of a network that are computed up to a layer, or all of them.

    Args:
        network: A backbone.
        until: The last layer that stays as it is, by its path; the whole network if None.

    Raises:
        TrainingError: If it has no such layer.
    """
    if until is None:
        return [network.module]
    order = list(output_shapes(network))  # a module comes when it is done
    if until not in order:
        raise TrainingError(f"no layer {until!r} to freeze up to; list them with 'artsim layers'")
    done = order[: order.index(until) + 1]
    return [network.module.get_submodule(path) for path in done if path]


def fit(
    learner: Learner,
    pictures: Pictures,
    run: Run,
    *,
    epochs: int,
    max_steps: int | None = None,
    monitor: Monitor = "val_loss",
    patience: int | None = None,
    keep: Literal["best", "last"] = "best",
) -> int:
    """Train, or go on from the run's last checkpoint, and leave the chosen weights in the learner.

    Args:
        learner: What learns.
        pictures: What it learns from.
        run: Where and how; its ``curves.csv`` is written after every epoch.
        epochs: At most.
        max_steps: At most, whatever the epochs.
        monitor: What decides on validation which epoch is the best.
        patience: Epochs without a better one after which it ends.
        keep: Whose weights are kept at the end: of the best epoch, or of the last.

    Returns:
        How many epochs the kept weights have learned.

    Raises:
        Stopped: If ``run.stops`` said so; the last checkpoint is of that very step.
        TrainingError: If the loss is no finite number.
    """
    device = find_device(run.device)
    total = epochs * pictures.steps_per_epoch
    mode = "min" if monitor == "val_loss" else "max"
    callbacks: list[Callback] = [_Watch(run, pictures, min(total, max_steps or total))]
    if patience is not None:
        callbacks.append(_Patience(monitor, mode=mode, patience=patience, strict=False))
    if len(pictures.rows[VAL]):
        callbacks.append(_checkpoint(run.best, monitor=monitor, mode=mode))
    # Of every epoch: Lightning's own save_last comes with a better one only. It comes after the
    # best, whose score it holds.
    callbacks.append(_checkpoint(run.last))
    with quiet(), _errors_of_processes(run):
        trainer = Trainer(
            accelerator="gpu" if device.type == "cuda" else device.type,
            devices=_devices(device, run.devices),
            strategy="ddp_spawn" if run.devices > 1 else "auto",
            precision="bf16-mixed" if run.precision == "bf16" else "32-true",
            max_epochs=epochs,
            max_steps=max_steps or -1,
            callbacks=callbacks,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,  # the batches are shared out already
            default_root_dir=run.path,
        )
        learner.train()  # Lightning leaves modes as they are, and networks come in eval mode
        resumed = run.last if run.last.exists() else None
        try:
            if resumed is None or not _ended_early(_read(resumed), patience):
                trainer.fit(learner, datamodule=pictures, ckpt_path=resumed)
        except SystemExit as error:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from error
    last = _read(run.last)
    # What processes noted is there alone, and what was noted before an end that came early.
    learner.go_on(last, pictures.positions)
    chosen = _read(run.best) if keep == "best" and run.best.exists() else last
    learner.load_state_dict(chosen["state_dict"])
    learner.cpu().eval()
    return int(chosen["epoch"]) + 1


def _checkpoint(file: Path, **best: Any) -> ModelCheckpoint:
    return ModelCheckpoint(
        file.parent,
        file.stem,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
        **best,
    )


def _read(checkpoint: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return found


class _Patience(EarlyStopping):
    """Goes by the patience that is asked for now, not by that of the checkpoint it goes on from."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict | {"patience": self.patience})


def _ended_early(checkpoint: Mapping[str, Any], patience: int | None) -> bool:
    """Tell whether patience had run out: Lightning would go on for an epoch to find out again."""
    waited = [
        each["wait_count"] for each in checkpoint["callbacks"].values() if "wait_count" in each
    ]
    return patience is not None and any(count >= patience for count in waited)


class _Watch(Callback):
    """Shows progress, writes the curves, and stops between two steps when asked to."""

    def __init__(self, run: Run, pictures: Pictures, total: int) -> None:
        self.run, self.pictures, self.total = run, pictures, total
        self.on_sigterm = signal.getsignal(signal.SIGTERM)

    def __getstate__(self) -> dict[str, Any]:
        """Give a process that shares the work no terminal and no signals: they are the first's."""
        run = Run(path=self.run.path, plan=self.run.plan, whole=self.run.whole)
        return {**vars(self), "run": run, "on_sigterm": signal.SIG_DFL}

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        # Lightning would end without a word, and mid-epoch without a checkpoint.
        if signal.getsignal(signal.SIGTERM) is not self.on_sigterm:
            signal.signal(signal.SIGTERM, self.on_sigterm)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        positions = self.pictures.positions
        self.run.progress(positions.step, self.total, len(positions.skipped))
        # After the last step of an epoch it is validated first, and saved then.
        if self.run.stops() and batch_idx + 1 < self.pictures.steps_per_epoch:
            trainer.save_checkpoint(self.run.last)
            raise Stopped(_how_to_go_on(self.run))

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        if self.run.stops() and trainer.current_epoch:
            raise Stopped(_how_to_go_on(self.run))

    def on_save_checkpoint(
        self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        assert isinstance(module, Learner)
        if trainer.is_global_zero and module.curves:
            self.run.write(CURVES, _table(module.curves))


def _how_to_go_on(run: Run) -> str:
    return f"stopped and saved; go on with 'artsim train --resume {run.whole or run.path}'"


def _table(rows: Sequence[dict[str, float]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        counted = {name: int(row[name]) for name in ("epoch", "step")}
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()} | counted)
    return out.getvalue()


def _devices(device: torch.device, n: int) -> int | list[int]:
    """Name the devices to Lightning: from the one that was asked for, or so many of them."""
    if device.type == "cuda" and n == 1:
        return [device.index or 0]
    return n


@contextmanager
def _errors_of_processes(run: Run) -> Iterator[None]:
    """Say in one line what ended the processes that share the work."""
    try:
        yield
    except (ProcessRaisedException, ProcessExitedException) as error:
        if run.stops():
            raise Stopped(_how_to_go_on(run)) from error
        last = str(error).strip().splitlines()[-1]
        raise TrainingError(f"one of {run.devices} processes ended: {last}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's tips and warnings to itself: what matters is in the log, or an error."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
