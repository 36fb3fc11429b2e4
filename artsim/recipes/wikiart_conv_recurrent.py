"""Predict style, genre and artist of paintings with convolutions and a recurrent network.

The tasks are trained alone or jointly. The test images of one task are in no task's training set:
ArtGAN's lists put 213 images of the style validation set into the genre training set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch.optim import AdamW

from artsim import training
from artsim.labels import read_multiclass
from artsim.models import Body, new_body
from artsim.models.architectures import Classifier, ConvRecurrent
from artsim.splits import joint_splits, stored_splits
from artsim.store import Store
from artsim.training import Count, NonNegative, Run, Share, TrainingTask


@dataclass(frozen=True, kw_only=True)
class Config:
    """The data, /255 and the order of layers are as published; the numbers are ours."""

    tasks: tuple[str, ...] = ("style",)  # any of style, genre, artist, or other labels
    keep_qualified: bool = False  # "after" or "workshop of" an artist counts as theirs
    keep_copies: bool = False  # copies of test pictures are trained on as well
    split: str | None = None  # of all tasks; else the column TASK_split if it exists
    group: str | None = None  # column whose values stay together in a new split
    # all: a test picture of one task trains none; task: it trains the others, as in ArtGAN's lists.
    keep_apart: Literal["all", "task"] = "all"
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
    keep = config.keep_qualified
    targets = [read_multiclass(store, label, keep_qualified=keep) for label in config.tasks]
    splits = [config.split or _own_split(store, target.name) for target in targets]
    joint = joint_splits(
        store,
        targets,
        splits=splits,
        group=config.group,
        keep_copies=config.keep_copies,
        apart=config.keep_apart,
        seed=run.seed,
    )
    tasks = [
        TrainingTask(label=target, split=each, source=label)
        for target, each, label in zip(targets, joint, config.tasks, strict=True)
    ]
    if config.class_weights:
        tasks = [task.balanced() for task in tasks]

    # --- model and loop
    train_network = partial(_train_network, store, config)
    learner, data, body = train_network(tasks, run)

    # --- evaluation and save
    others = {}
    if config.single_tasks:
        others[training.SINGLE] = training.single_task_scores(train_network, tasks, run)
    training.finish(store, learner, data, run, body, others=others)


def _train_network(
    store: Store, config: Config, tasks: Sequence[TrainingTask], run: Run
) -> tuple[training.Learner, training.TrainingData, Body]:
    """Train a network for tasks; also return how to build its body again."""
    training.seed(run)
    backbone = network = None
    if config.backbone is not None:
        backbone, network = new_body(config.backbone, weights=run.weights)
    preprocessing = network.preprocessing if network else training.squashed(config.size)
    names = ("channels", "cell", "reading", "bidirectional", "hidden")
    arguments: dict[str, Any] = {name: getattr(config, name) for name in names}
    arguments |= {"size": preprocessing.size[0]}
    body = ConvRecurrent(**arguments, backbone=network.module if network else None)
    classifier = Classifier(body, body.dim, training.new_heads(tasks, dropout=config.dropout))
    data = training.TrainingData(
        store,
        tasks,
        preprocessing,
        run,
        batch_size=config.batch_size,
        augmentation=training.Augmentation(
            horizontal_flip=config.flip, least_area=config.least_area
        ),
    )
    frozen = []
    if network is not None:
        is_tuned = config.train_backbone
        frozen = training.freeze(network, config.freeze_until) if is_tuned else [network.module]
    optimizer = partial(AdamW, lr=config.lr, weight_decay=config.weight_decay)
    learner = training.Learner(classifier, data, optimizer, frozen=frozen)  # sums cross-entropies
    training.fit(
        learner,
        data,
        run,
        epochs=config.epochs,
        max_steps=config.max_steps,
        monitor="val_score",
        patience=config.patience,
    )
    made_of = Body(architecture="conv-recurrent", arguments=arguments, backbone=backbone)
    return learner, data, made_of


def _own_split(store: Store, task: str) -> str | None:
    names = [*stored_splits(store), *(field.name for field in store.fields)]
    return f"{task}_split" if f"{task}_split" in names else None
