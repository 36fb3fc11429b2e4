"""Predict style, genre and artist of paintings with convolutions and a recurrent network.

The tasks are trained alone or jointly. The test images of one task are in no task's training set:
ArtGAN's lists put 213 images of the style validation set into the genre training set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch import nn
from torch.optim import AdamW

from artsim.labels import read_multiclass
from artsim.models import Body, Network, new_body
from artsim.models.architectures import Classifier, ConvRecurrent, HeadShape
from artsim.splits import joint_splits, stored_splits
from artsim.store import Store
from artsim.training import (
    SINGLE,
    Augmentation,
    Count,
    Learner,
    NonNegative,
    Run,
    Share,
    TrainingData,
    TrainingTask,
    finish,
    fit,
    freeze,
    seed,
    single_task_values,
    squashed,
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The data, /255 and the order of layers are as published; the numbers are ours."""

    tasks: tuple[str, ...] = ("style",)  # any of style, genre, artist, or other labels
    split: str | None = None  # of all tasks; else the column TASK_split if it exists
    group: str | None = None  # column whose values stay together in a new split
    size: Count = 128  # pixels, squashed; a backbone has its own
    channels: tuple[Count, Count, Count, Count] = (32, 64, 128, 128)  # of conv2d ... conv2d_3
    cell: Literal["lstm", "gru"] = "lstm"
    reading: Literal["rows", "columns", "both"] = "rows"  # what of the map forms the sequence
    bidirectional: bool = False
    hidden: Count = 256  # numbers of the recurrent state
    dropout: Share = 0.3  # before the heads
    backbone: str | None = None  # a spec: lite0; else from scratch
    train_backbone: bool = False  # fine-tune it instead of freezing it
    freeze_until: str | None = None  # its last frozen layer, if it is fine-tuned
    flip: bool = True  # mirror half of the training images
    least_area: Share = 0.6  # share of a training image that a random crop keeps at least
    class_weights: bool = False  # rare classes weigh more in the loss
    batch_size: Count = 32
    epochs: Count = 40
    max_steps: Count | None = None
    patience: Count | None = 10  # epochs without a better validation score
    lr: NonNegative = 1e-3
    weight_decay: NonNegative = 1e-2
    single_tasks: bool = False  # also train a network for each task, to compare


def train(store: Store, config: Config, run: Run) -> None:
    """Train, and keep the weights of the best epoch on validation."""
    # --- data
    targets = [read_multiclass(store, label) for label in config.tasks]
    splits = [config.split or _own_split(store, target.name) for target in targets]
    joint = joint_splits(store, targets, splits=splits, group=config.group, seed=run.seed)
    tasks = [
        TrainingTask(label=target, split=each, source=label)
        for target, each, label in zip(targets, joint, config.tasks, strict=True)
    ]
    if config.class_weights:
        tasks = [task.balanced() for task in tasks]

    # --- model and loop
    learner, data, made_of = _train(store, config, tasks, run)

    # --- evaluation and save
    others = {}
    if config.single_tasks:
        others[SINGLE] = single_task_values(
            lambda some, part: _train(store, config, some, part)[:2], tasks, run
        )
    finish(store, learner, data, run, made_of, others=others)


def _train(
    store: Store, config: Config, tasks: Sequence[TrainingTask], run: Run
) -> tuple[Learner, TrainingData, Body]:
    """Train a network for tasks; also return how to build its body again."""
    seed(run)
    under, network = (None, None)
    if config.backbone is not None:
        under, network = new_body(config.backbone, weights=run.weights)
    preprocessing = network.preprocessing if network else squashed(config.size)
    arguments: dict[str, Any] = {
        "size": preprocessing.size[0],
        "channels": config.channels,
        "cell": config.cell,
        "reading": config.reading,
        "bidirectional": config.bidirectional,
        "hidden": config.hidden,
    }
    body = ConvRecurrent(**arguments, backbone=network.module if network else None)
    heads = {
        task.name: HeadShape(outputs=len(task.label.classes), dropout=config.dropout)
        for task in tasks
    }
    data = TrainingData(
        store,
        tasks,
        preprocessing,
        run,
        batch_size=config.batch_size,
        augmentation=Augmentation(horizontal_flip=config.flip, least_area=config.least_area),
    )
    learner = Learner(  # it sums the tasks' cross-entropies
        Classifier(body, body.dim, heads),
        tasks,
        preprocessing,
        partial(AdamW, lr=config.lr, weight_decay=config.weight_decay),
        frozen=_frozen(config, network),
        seed=run.seed,
    )
    fit(
        learner,
        data,
        run,
        epochs=config.epochs,
        max_steps=config.max_steps,
        monitor="val_score",
        patience=config.patience,
    )
    made_of = Body(architecture="conv-recurrent", arguments=arguments, backbone=under)
    return learner, data, made_of


def _own_split(store: Store, task: str) -> str | None:
    names = [*stored_splits(store), *(field.name for field in store.manifest.fields)]
    return f"{task}_split" if f"{task}_split" in names else None


def _frozen(config: Config, network: Network | None) -> Sequence[nn.Module]:
    if network is None:
        return ()
    if not config.train_backbone:
        return freeze(network)
    return freeze(network, config.freeze_until) if config.freeze_until else ()
