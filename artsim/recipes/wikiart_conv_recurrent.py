"""Style, genre and artist of paintings, told by convolutions that a recurrent network reads.

Learned alone or jointly. The test pictures of one task are in no task's training set: ArtGAN's
lists put 213 pictures of the style validation into the genre training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch import nn
from torch.optim import AdamW

from artsim.models import Body, Network, new_body
from artsim.models.architectures import Classifier, ConvRecurrent, HeadShape
from artsim.splits.stored import stored_splits
from artsim.store import Store
from artsim.training.alone import single_task_values
from artsim.training.data import Augmentation, Pictures, squashed
from artsim.training.fit import fit, freeze, seed
from artsim.training.learner import Learner
from artsim.training.results import SINGLE, finish
from artsim.training.run import Run
from artsim.training.tasks import Task, joint_sides, read_class_target

__all__ = ["Config", "train"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """What was published is the data, /255 and the order of layers; the numbers are ours."""

    tasks: tuple[str, ...] = ("style",)  # any of style, genre, artist, or other labels
    split: str | None = None  # of all tasks; else TASK_split where there is such a column
    group: str | None = None  # column whose values stay on one side where a split is drawn
    size: int = 128  # pixels, squashed; with a backbone its own
    channels: tuple[int, int, int, int] = (32, 64, 128, 128)  # of conv2d ... conv2d_3
    cell: Literal["lstm", "gru"] = "lstm"
    reading: Literal["rows", "columns", "both"] = "rows"  # what of the map is the sequence
    bidirectional: bool = False
    hidden: int = 256  # numbers of the recurrent state
    dropout: float = 0.3  # before the heads
    backbone: str | None = None  # a spec: lite0; else from scratch
    train_backbone: bool = False  # fine-tune it rather than leave it frozen
    freeze_until: str | None = None  # its last layer that stays, where it is fine-tuned
    flip: bool = True  # half of the training pictures are mirrored
    least_area: float = 0.6  # of a training picture that a random crop keeps
    class_weights: bool = False  # rare classes count for more
    batch_size: int = 32
    epochs: int = 40
    max_steps: int | None = None
    patience: int | None = 10  # epochs without a better validation score
    lr: float = 1e-3
    weight_decay: float = 1e-2
    single_tasks: bool = False  # train a network for each task alone too, to compare


def train(store: Store, config: Config, run: Run) -> None:
    """Train it; the weights kept are those of the best epoch on validation."""
    # --- data
    targets = [read_class_target(store, label) for label in config.tasks]
    splits = [config.split or _own_split(store, target.name) for target in targets]
    sides = joint_sides(store, targets, splits=splits, group=config.group, seed=run.seed)
    tasks = [
        Task(target=target, sides=each, label=label)
        for target, each, label in zip(targets, sides, config.tasks, strict=True)
    ]
    if config.class_weights:
        tasks = [task.balanced() for task in tasks]

    # --- model and loop
    learner, pictures, made_of, dim = _learn(store, config, tasks, run)

    # --- evaluation and save
    others = {}
    if config.single_tasks:
        alone = single_task_values(
            lambda some, part: _learn(store, config, some, part)[:2], tasks, run
        )
        others[SINGLE] = alone
    finish(store, learner, pictures, run, made_of, dim, others=others)


def _learn(
    store: Store, config: Config, tasks: Sequence[Task], run: Run
) -> tuple[Learner, Pictures, Body, int]:
    """Train a network for tasks, and say how its body is built again and embeds."""
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
        task.name: HeadShape(outputs=len(task.target.classes), dropout=config.dropout)
        for task in tasks
    }
    pictures = Pictures(
        store,
        tasks,
        preprocessing,
        batch_size=config.batch_size,
        seed=run.seed,
        workers=run.workers,
        augmentation=Augmentation(horizontal_flip=config.flip, least_area=config.least_area),
    )
    learner = Learner(  # the tasks' cross-entropies are added up
        Classifier(body, body.dim, heads),
        tasks,
        preprocessing,
        partial(AdamW, lr=config.lr, weight_decay=config.weight_decay),
        frozen=_frozen(config, network),
        seed=run.seed,
    )
    fit(
        learner,
        pictures,
        run,
        epochs=config.epochs,
        max_steps=config.max_steps,
        monitor="val_score",
        patience=config.patience,
    )
    made_of = Body(architecture="conv-recurrent", arguments=arguments, backbone=under)
    return learner, pictures, made_of, body.dim


def _own_split(store: Store, task: str) -> str | None:
    names = [*stored_splits(store), *(field.name for field in store.manifest.fields)]
    return f"{task}_split" if f"{task}_split" in names else None


def _frozen(config: Config, network: Network | None) -> Sequence[nn.Module]:
    if network is None:
        return ()
    if not config.train_backbone:
        return freeze(network)
    return freeze(network, config.freeze_until) if config.freeze_until else ()
