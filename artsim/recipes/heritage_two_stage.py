"""Predict what a heritage object is, then the kind of coin, fresco, icon or manuscript.

A tree has the labels: see `artsim.recipes.tree`. Each label has a network of its own, in a
subfolder of the run, and no network is trained on another one's test images. The original chose its
checkpoints on its test images; here validation images decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch.optim import Adam

from artsim import training
from artsim.errors import TrainingError
from artsim.labels import Label, derived_labels, read_multiclass
from artsim.models import Body, new_body
from artsim.models.architectures import Classifier, MapMLP
from artsim.recipes.tree import HERITAGE, TREE, Stage, Tree, read_tree
from artsim.splits import TEST, JointDraw, joint_splits
from artsim.store import Store
from artsim.training import METRICS, Count, NonNegative, Run, Share, TrainingTask

_FOLDER = "class"  # the label of pictures that lie in a folder for each class


@dataclass(frozen=True, kw_only=True)
class Config:
    """The published settings, from the original's code unless a comment says otherwise."""

    tree: str | None = None  # a .toml or .json file; else the original's
    keep_qualified: bool = False  # "after" or "workshop of" an artist counts as theirs
    keep_copies: bool = False  # copies of test pictures are trained on as well
    split: str | None = None  # a stored split or column; else a new one
    fractions: str = "70/10/20"  # of a new split; published: 80/20, chosen on its test images
    group: str | None = None  # column whose values stay together in a new split
    backbone: str = "timm:vgg16.tv_in1k"  # all of it is trained
    size: Count = 224  # pixels, squashed
    grid: Count = 7  # side of the map that the dense layers read
    hidden: Count = 4096  # width of both dense layers
    dropout: Share = 0.5
    rotation: NonNegative = 30.0  # degrees, at most
    horizontal_flip: bool = True
    vertical_flip: bool = True
    batch_size: Count = 32
    first_epochs: Count = 10  # of the first stage
    epochs: Count = 50  # of the others
    max_steps: Count | None = None  # of each network
    patience: Count | None = None  # epochs without a better validation loss
    lr: NonNegative = 1e-5  # of Adam with amsgrad; the original's README says 10e-5, its code this
    # Ours, off by default: they help a small network on some hundred images.
    least_area: Share = 1.0  # share of a training image that a random crop keeps at least
    stretch: NonNegative = 1.0  # largest change of the crop's aspect ratio
    mixup: NonNegative = 0.0  # of the Beta distribution that blends pairs of images; 0: none
    label_smoothing: Share = 0.0  # probability spread over all classes in the loss
    warm_up: Share | None = None  # share of steps in which the rate rises, before it falls to 0


def train(store: Store, config: Config, run: Run) -> None:
    """Train a network for each label, and keep the weights of the best epoch on validation."""
    # --- data: one split for all labels, so that no network trains on another one's test images
    tree = _tree(store, config, run)
    stages, notes = _read_stages(store, tree, keep_qualified=config.keep_qualified)
    splits = joint_splits(
        store,
        [target for _, target in stages],
        splits=[config.split] * len(stages),
        group=config.group,
        keep_copies=config.keep_copies,
        draw=JointDraw(fractions=training.read_fractions(config.fractions), by_all=True),
        seed=run.seed,
    )
    parts = [run.part(tree.folder(stage)) for stage, _ in stages]
    for part, (stage, target), each in zip(parts, stages, splits, strict=True):
        if not (part.path / METRICS).exists():
            epochs = config.first_epochs if stage.branch is None else config.epochs
            task = TrainingTask(
                label=target, split=each, source=stage.label, smoothing=config.label_smoothing
            )
            _train_stage(store, config, part, task, epochs)
            part.remove_checkpoints()  # of VGG16 2 GB; the weights are in model.safetensors

    # --- evaluation of all together
    tables = [training.read_predictions(part.path) for part in parts]
    training.save_predictions(run, pa.concat_tables(tables))
    notes.append(_all_correct_note(stages[0][0], tables))
    found = [training.read_metrics(part.path) for part in parts]
    skipped = {each["id"]: each for stage in found for each in stage["skipped"]}
    joined = {
        "recipe": run.plan.recipe,
        **{name: sum(each[name] for each in found) for name in ("parameters", "steps", "epochs")},
        "notes": notes,
        "skipped": list(skipped.values()),
        "tasks": [task for each in found for task in each["tasks"]],
    }
    training.save_metrics(run, joined)


def _tree(store: Store, config: Config, run: Run) -> Tree:
    """Read the run's tree, stored when the run starts: the user's file may change.

    Pictures in folders have the label ``class`` alone: without a file only the first stage, the
    folder's name, is trained.
    """
    file = run.path / TREE
    if file.exists():
        return read_tree(file)
    tree = HERITAGE if config.tree is None else read_tree(Path(config.tree))
    names = {field.name for field in store.fields} | set(derived_labels(store))
    if config.tree is None and HERITAGE.label not in names and _FOLDER in names:
        tree = Tree(label=_FOLDER)
    run.write_json(TREE, asdict(tree))
    return tree


def _read_stages(
    store: Store, tree: Tree, *, keep_qualified: bool
) -> tuple[list[tuple[Stage, Label]], list[str]]:
    """Read the label of each stage; a stage with a single class is left out, with a note."""
    stages, notes = [], []
    first, *others = tree.stages()
    read = partial(read_multiclass, store, keep_qualified=keep_qualified)
    kinds = _limited(read(first.label), first)
    for class_ in tree.branches:
        if class_ not in kinds.classes:
            raise TrainingError(
                f"no picture has the {first.name} {class_!r}, which is a branch of the tree; "
                f"the classes are {', '.join(kinds.classes)}"
            )
    for stage in (first, *others):
        target = kinds
        if stage.branch is not None:
            within = kinds.strata == kinds.classes.index(stage.branch)
            target = _limited(read(stage.label).keep(within), stage)
        if len(target.classes) < 2:
            notes.append(f"{stage.name} is left out: its pictures have fewer than two classes")
        else:
            stages.append((stage, target))
    return stages, notes


def _limited(target: Label, stage: Stage) -> Label:
    """Name a label after its stage, with the stage's classes that it has, in the stage's order."""
    present = [name for name, n in zip(target.classes, target.counts, strict=True) if n]
    classes = [name for name in stage.classes or present if name in present]
    codes = np.full(len(target.classes) + 1, -1, dtype=np.int64)  # the last is for no class
    codes[[target.classes.index(name) for name in classes]] = np.arange(len(classes))
    return replace(target, name=stage.name, strata=codes[target.strata], classes=tuple(classes))


def _train_stage(store: Store, config: Config, run: Run, task: TrainingTask, epochs: int) -> None:
    # --- model
    training.seed(run)
    backbone, network = new_body(config.backbone, weights=run.weights)
    module = network.module.to(memory_format=torch.channels_last)  # faster on CPU and GPU
    names = ("size", "grid", "hidden", "dropout")
    arguments: dict[str, Any] = {name: getattr(config, name) for name in names}
    body = MapMLP(**arguments, backbone=module)
    classifier = Classifier(body, body.dim, training.new_heads([task], dropout=config.dropout))

    # --- loop
    data = training.TrainingData(
        store,
        [task],
        training.in_shape(network.preprocessing, (config.size, config.size)),
        run,
        batch_size=config.batch_size,
        augmentation=training.Augmentation.of(config),
    )
    schedule = None
    if config.warm_up is not None:
        total = data.total_steps(epochs, config.max_steps)
        schedule = partial(training.warm_then_cosine, total, config.warm_up)
    optimizer = partial(Adam, lr=config.lr, amsgrad=True)
    learner = training.Learner(classifier, data, optimizer, schedule=schedule, mixup=config.mixup)
    training.fit(
        learner, data, run, epochs=epochs, max_steps=config.max_steps, patience=config.patience
    )

    # --- evaluation and save
    made_of = Body(architecture="map-mlp", arguments=arguments, backbone=backbone)
    training.finish(store, learner, data, run, made_of)


def _all_correct_note(first: Stage, tables: Sequence[pa.Table]) -> str:
    """Count the test images for which the first label and all labels of its branch are correct."""
    correct = [
        {row["id"]: row["truth"] == row["prediction"]
         for row in table.to_pylist() if row["split"] == TEST}
        for table in tables
    ]  # fmt: skip
    n = len(correct[0])
    n_all = sum(all(each.get(id_, True) for each in correct) for id_ in correct[0])
    return (
        f"stage by stage: {first.name} is correct for {sum(correct[0].values()):,} of {n:,} test "
        f"pictures, all labels for {n_all:,} ({n_all / n:.3f})"
    )
