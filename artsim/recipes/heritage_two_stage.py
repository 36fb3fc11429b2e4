"""What a heritage object is, then what kind of coin, fresco, icon or manuscript.

A tree says what is asked: see `artsim.training.tree`. Each question has a network of its own, in a
folder of its own in the run's, and all are judged by pictures that none of them learned from. The
original chose its checkpoints on the pictures that it was judged by; here validation pictures
choose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch.optim import Adam

from artsim.datatypes import Fit
from artsim.errors import TrainingError
from artsim.labels import Label
from artsim.models import Body, new_body
from artsim.models.architectures import Classifier, HeadShape, MapMLP
from artsim.splits.stored import TEST
from artsim.store import Store
from artsim.training.data import Augmentation, Pictures
from artsim.training.fit import fit, seed
from artsim.training.learner import Learner
from artsim.training.results import finish, save_metrics, save_predictions
from artsim.training.run import METRICS, Run, read_json, read_predictions
from artsim.training.schedules import warm_then_cosine
from artsim.training.tasks import Task, joint_sides, read_class_target
from artsim.training.tree import HERITAGE, Stage, Tree, read_tree

__all__ = ["TREE", "Config", "stage_folder", "train"]

TREE = "tree.json"  # in the run's folder


@dataclass(frozen=True, kw_only=True)
class Config:
    """The published settings, as the original's code has them, unless said otherwise."""

    tree: str | None = None  # a .toml or .json file; else the original's
    split: str | None = None  # a stored split or column; else 70/10/20 is drawn, its 80/20
    group: str | None = None  # column whose values stay on one side where a split is drawn
    backbone: str = "timm:vgg16.tv_in1k"  # all of it is trained
    size: int = 224  # pixels, squashed
    grid: int = 7  # side of the map that the dense layers read
    hidden: int = 4096  # numbers of both dense layers
    dropout: float = 0.5
    rotation: float = 30.0  # degrees, at most, either way
    horizontal_flip: bool = True
    vertical_flip: bool = True
    batch_size: int = 32
    first_epochs: int = 10  # of the first stage
    epochs: int = 50  # of the others
    max_steps: int | None = None  # of each network
    patience: int | None = None  # epochs without a better validation loss
    lr: float = 1e-5  # of Adam with amsgrad; the original's README says 10e-5, its code this
    # Ours, and not in use unless asked for: what serves a small network on some hundred pictures.
    least_area: float = 1.0  # of a training picture that a random crop keeps
    stretch: float = 1.0  # at most, of the crop's width against its height and the other way
    mixup: float = 0.0  # of the Beta that shares are drawn from, pairs being learned; 0: each alone
    label_smoothing: float = 0.0  # probability spread over all classes in the loss
    warm_up: float | None = None  # of all steps, while the rate rises, to fall to 0 then


def train(store: Store, config: Config, run: Run) -> None:
    """Train a network a question; the weights kept are those of the best epoch on validation."""
    # --- data: one draw of sides for all questions, so that no network learns what another judges
    tree = _tree(config, run)
    asked, notes = _readable(store, tree)
    sides = joint_sides(
        store,
        [target for _, target in asked],
        splits=[config.split] * len(asked),
        group=config.group,
        seed=run.seed,
    )
    for (stage, target), each in zip(asked, sides, strict=True):
        part = run.part(stage_folder(tree, stage))
        if not (part.path / METRICS).exists():
            epochs = config.first_epochs if stage.branch is None else config.epochs
            task = Task(
                target=target, sides=each, label=stage.label, smoothing=config.label_smoothing
            )
            _train_stage(store, config, part, task, epochs)

    # --- evaluation of all together
    stages = [stage for stage, _ in asked]
    parts = [run.path / stage_folder(tree, stage) for stage in stages]
    tables = [read_predictions(part) for part in parts]
    save_predictions(run, pa.concat_tables(tables))
    found = [read_json(part / METRICS) for part in parts]
    save_metrics(run, _joined(run, found, [*notes, _whole(stages, tables)]))


def stage_folder(tree: Tree, stage: Stage) -> str:
    """Name the folder of a question's network in the run's."""
    number = [each.name for each in tree.stages()].index(stage.name) + 1
    name = re.sub(r"[^\w.-]+", "-", stage.name)
    return f"{number}-{name}"


def _tree(config: Config, run: Run) -> Tree:
    """Take the run's tree, and keep it there when it begins: the user's file may change."""
    file = run.path / TREE
    if file.exists():
        return read_tree(file)
    tree = HERITAGE if config.tree is None else read_tree(Path(config.tree))
    run.write_json(TREE, tree.to_json())
    return tree


def _readable(store: Store, tree: Tree) -> tuple[list[tuple[Stage, Label]], list[str]]:
    """Read what each question's answers are; what has one answer only is not asked."""
    asked, notes = [], []
    first, *others = tree.stages()
    kinds = _limited(read_class_target(store, first.label), first, None)
    for class_ in tree.branches:
        if class_ not in kinds.classes:
            raise TrainingError(
                f"no picture is of {first.name} {class_!r}, which the tree has a branch for; "
                f"there are {', '.join(kinds.classes)}"
            )
    for stage in (first, *others):
        target = kinds
        if stage.branch is not None:
            within = kinds.strata == kinds.classes.index(stage.branch)
            target = _limited(read_class_target(store, stage.label), stage, within)
        if len(target.classes) < 2:
            notes.append(f"{stage.name} is not asked: its pictures are of fewer than two classes")
            continue
        asked.append((stage, target))
    return asked, notes


def _limited(target: Label, stage: Stage, within: Any) -> Label:
    """Keep the pictures that a question is about, and the classes that it knows and they have."""
    strata = target.strata if within is None else np.where(within, target.strata, -1)
    there = [target.classes[code] for code in np.unique(strata[strata >= 0])]
    classes = [name for name in stage.classes or there if name in there]
    codes = np.full(len(target.classes) + 1, -1, dtype=np.int64)  # the last is for no class
    for code, name in enumerate(classes):
        codes[target.classes.index(name)] = code
    return replace(target, name=stage.name, strata=codes[strata], classes=tuple(classes))


def _train_stage(store: Store, config: Config, run: Run, task: Task, epochs: int) -> None:
    # --- model
    seed(run)
    under, network = new_body(config.backbone, weights=run.weights)
    size = (config.size, config.size)
    preprocessing = replace(network.preprocessing, size=size, scale=size, fit=Fit.SQUASH)
    arguments: dict[str, Any] = {
        "size": config.size,
        "grid": config.grid,
        "hidden": config.hidden,
        "dropout": config.dropout,
    }
    backbone = network.module.to(memory_format=torch.channels_last)  # faster on CPU and GPU
    body = MapMLP(**arguments, backbone=backbone)
    head = HeadShape(outputs=len(task.target.classes), dropout=config.dropout)
    classifier = Classifier(body, body.dim, {task.name: head})

    # --- loop
    pictures = Pictures(
        store,
        [task],
        preprocessing,
        batch_size=config.batch_size,
        seed=run.seed,
        workers=run.workers,
        augmentation=Augmentation(
            rotation=config.rotation,
            horizontal_flip=config.horizontal_flip,
            vertical_flip=config.vertical_flip,
            least_area=config.least_area,
            stretch=config.stretch,
        ),
    )
    schedule = None
    if config.warm_up is not None:
        total = epochs * pictures.steps_per_epoch
        total = min(total, config.max_steps or total)
        schedule = partial(warm_then_cosine, total, config.warm_up)
    learner = Learner(
        classifier,
        [task],
        preprocessing,
        partial(Adam, lr=config.lr, amsgrad=True),
        schedule=schedule,
        mixup=config.mixup,
        seed=run.seed,
    )
    fit(
        learner,
        pictures,
        run,
        epochs=epochs,
        max_steps=config.max_steps,
        patience=config.patience,
    )

    # --- evaluation and save
    made_of = Body(architecture="map-mlp", arguments=arguments, backbone=under)
    finish(store, learner, pictures, run, made_of, body.dim)


def _joined(run: Run, parts: Sequence[dict[str, Any]], notes: Sequence[str]) -> dict[str, Any]:
    return {
        "recipe": run.plan.recipe,
        "parameters": sum(part["parameters"] for part in parts),
        "steps": sum(part["steps"] for part in parts),
        "epochs": sum(part["epochs"] for part in parts),
        "notes": list(notes),
        "skipped": list(_unique(each for part in parts for each in part["skipped"])),
        "tasks": [task for part in parts for task in part["tasks"]],
    }


def _unique(skipped: Iterator[dict[str, str]]) -> Iterator[dict[str, str]]:
    yield from {each["id"]: each for each in skipped}.values()


def _whole(stages: Sequence[Stage], tables: Sequence[pa.Table]) -> str:
    """Say of how many test pictures both the class and every field of its own are right."""
    right = [
        {row["id"]: row["truth"] == row["prediction"] for row in table.to_pylist()
         if row["split"] == TEST}
        for table in tables
    ]  # fmt: skip
    whole = sum(all(each.get(id_, True) for each in right) for id_ in right[0])
    return (
        f"stage by stage: of {len(right[0]):,} test pictures {sum(right[0].values()):,} have the "
        f"right {stages[0].name}, {whole:,} ({whole / len(right[0]):.3f}) all of their fields too"
    )
