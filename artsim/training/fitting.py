"""Fit a network with Lightning's Trainer: checkpoints, early stopping, stop and resume."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import nn
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from artsim.datatypes import shell_word
from artsim.errors import TrainingError
from artsim.models import Network, find_device, output_shapes
from artsim.splits import VAL
from artsim.store import csv_text
from artsim.training.data import Batch, TrainingData
from artsim.training.learner import Learner
from artsim.training.run import CURVES, Run, Stopped

Monitor = Literal["val_loss", "val_score"]


_LOGGERS = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]


def seed(run: Run) -> None:
    """Seed everything that initializes weights."""
    seed_everything(run.seed, workers=True, verbose=False)


def freeze(network: Network, until: str | None) -> list[nn.Module]:
    """List the modules of a backbone up to a layer, to be kept frozen; none if it is None.

    Raises:
        TrainingError: If it has no such layer.
    """
    if until is None:
        return []
    order = list(output_shapes(network))  # modules in the order in which they finish
    if until not in order:
        raise TrainingError(f"no layer {until!r} to freeze up to; list them with 'artsim layers'")
    done = order[: order.index(until) + 1]
    return [network.module.get_submodule(path) for path in done if path]


def fit(
    learner: Learner,
    data: TrainingData,
    run: Run,
    *,
    epochs: int,
    max_steps: int | None = None,
    monitor: Monitor = "val_loss",
    patience: int | None = None,
    keep: Literal["best", "last"] = "best",
) -> int:
    """Train, or resume from the run's last checkpoint, and load the chosen weights.

    Args:
        learner: The network and its tasks.
        data: Its training and validation images.
        run: Where and how it is computed; its ``curves.csv`` is written after every epoch.
        epochs: At most.
        max_steps: At most, whatever the epochs.
        monitor: The validation figure that decides which epoch is best.
        patience: Stop after this many epochs without a better one.
        keep: Keep the weights of the best epoch, or of the last.

    Returns:
        The number of epochs that the kept weights were trained for.

    Raises:
        Stopped: If ``run.should_stop`` returned true; the last checkpoint is of that step.
        TrainingError: If the loss is not finite.
    """
    device = find_device(run.device)
    mode = "min" if monitor == "val_loss" else "max"
    callbacks: list[Callback] = [_Watch(run, data, data.total_steps(epochs, max_steps))]
    if patience is not None:
        callbacks.append(_Patience(monitor, mode=mode, patience=patience, strict=False))
    if len(data.rows[VAL]):
        # Only the weights: the state of the optimizer, twice as large, is in the last one.
        best = _checkpoint(run.best, monitor=monitor, mode=mode, save_weights_only=True)
        callbacks.append(best)
    # After every epoch: Lightning's own save_last saves only when a better one comes. It follows
    # the best one, whose score it contains.
    callbacks.append(_checkpoint(run.last))
    with quiet(), _errors_of_processes(run), _rounded_products(device):
        trainer = Trainer(
            accelerator="gpu" if device.type == "cuda" else device.type,
            devices=[device.index or 0]
            if device.type == "cuda" and run.devices == 1
            else run.devices,
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
                trainer.fit(learner, datamodule=data, ckpt_path=resumed)
        except SystemExit as error:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from error
    last = _read(run.last)
    # With several processes, or after an early stop, only the checkpoint has the current state.
    learner.restore_state(last, data.state)
    chosen = _read(run.best) if keep == "best" and run.best.exists() else last
    learner.load_state_dict(chosen["state_dict"])
    learner.cpu().eval()
    return int(chosen["epoch"]) + 1


def _checkpoint(file: Path, **best: Any) -> ModelCheckpoint:
    return ModelCheckpoint(
        file.parent, file.stem, save_on_train_epoch_end=True, enable_version_counter=False, **best
    )


def _read(checkpoint: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return found


class _Patience(EarlyStopping):
    """Uses the patience given now, not the one in the checkpoint that is resumed."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict | {"patience": self.patience})


def _ended_early(checkpoint: dict[str, Any], patience: int | None) -> bool:
    """Return whether patience had run out: Lightning would train one more epoch to notice."""
    waited = [each.get("wait_count", 0) for each in checkpoint["callbacks"].values()]
    return patience is not None and max(waited, default=0) >= patience


class _Watch(Callback):
    """Shows progress, writes the curves, and stops between two steps on request."""

    def __init__(self, run: Run, data: TrainingData, total: int) -> None:
        self.run, self.data, self.total = run, data, total
        self.on_sigterm = signal.getsignal(signal.SIGTERM)

    def __getstate__(self) -> dict[str, Any]:
        """Leave terminal and signals to the first process; the others share only the work."""
        run = Run(path=self.run.path, plan=self.run.plan, parent=self.run.parent)
        return {**vars(self), "run": run, "on_sigterm": signal.SIG_DFL}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Be as quiet as the first process: how it set its logs does not come along."""
        vars(self).update(state)
        warnings.simplefilter("ignore")
        for each in _LOGGERS:
            each.setLevel(logging.ERROR)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        # Lightning would exit silently, and without a checkpoint within an epoch.
        if signal.getsignal(signal.SIGTERM) is not self.on_sigterm:
            signal.signal(signal.SIGTERM, self.on_sigterm)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        state = self.data.state
        self.run.progress(state.step, self.total, len(state.skipped))
        # After the last step of an epoch it is first validated, then saved.
        if self.run.should_stop() and batch_idx + 1 < self.data.steps_per_epoch:
            trainer.save_checkpoint(self.run.last)
            raise Stopped(_how_to_resume(self.run))

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        if self.run.should_stop() and trainer.current_epoch:
            raise Stopped(_how_to_resume(self.run))

    def on_save_checkpoint(
        self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        assert isinstance(module, Learner)
        if trainer.is_global_zero and module.curves:
            curves = pd.DataFrame(module.curves).astype({"epoch": int, "step": int})
            rows = ([f"{value:.6g}" for value in row] for row in curves.to_numpy())
            self.run.write(CURVES, csv_text([str(name) for name in curves], rows))


def _how_to_resume(run: Run) -> str:
    command = f"'artsim train --resume {shell_word(run.parent or run.path)}'"
    return f"stopped and saved; continue with {command}"


@contextmanager
def _rounded_products(device: torch.device) -> Iterator[None]:
    """Let a GPU multiply in TF32 what is left in float32; convolutions do so by default."""
    if device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def _errors_of_processes(run: Run) -> Iterator[None]:
    """Turn the end of a process that shares the work into one line."""
    try:
        yield
    except (ProcessRaisedException, ProcessExitedException) as error:
        if run.should_stop():
            raise Stopped(_how_to_resume(run)) from error
        last = str(error).strip().splitlines()[-1]
        raise TrainingError(f"one of {run.devices} processes failed: {last}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's tips and warnings: what matters is in the log, or an error."""
    levels = [each.level for each in _LOGGERS]
    with warnings.catch_warnings(action="ignore"):
        try:
            for each in _LOGGERS:
                each.setLevel(logging.ERROR)
            yield
        finally:
            for each, level in zip(_LOGGERS, levels, strict=True):
                each.setLevel(level)
