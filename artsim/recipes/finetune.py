"""Any pretrained network fine-tuned on a label: the recipe to try where a probe is not enough.

The head begins as the linear probe on the frozen network, fitted on train alone, so that what the
new layers learn first is not to undo what the old ones know; then all layers above the frozen ones
learn, the network more slowly than its head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import nn

from artsim.datatypes import Fit, Preprocessing
from artsim.models import Body, Network, new_body, output_shapes
from artsim.models.architectures import Classifier, HeadShape
from artsim.recipes.warm_start import begin_as_probe
from artsim.store import Store
from artsim.training.data import Augmentation, Pictures
from artsim.training.fit import fit, freeze, seed
from artsim.training.learner import Learner
from artsim.training.results import finish
from artsim.training.run import Run
from artsim.training.schedules import adamw_slower_below, warm_then_cosine
from artsim.training.tasks import Task, joint_sides, read_class_target

__all__ = ["Config", "train"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings that serve some thousand pictures; validation decides which epoch is kept."""

    label: str = "class"  # a column or derived label of one class a picture
    split: str | None = None  # a stored split or column; else 70/10/20 is drawn
    group: str | None = None  # column whose values stay on one side where a split is drawn
    backbone: str = "lite0"  # a spec: timm:..., open_clip:..., run:NAME
    size: int | None = None  # pixels, square; the backbone's own if None
    fit: Literal["own", "crop", "pad", "squash"] = "squash"  # it and pad show all of a picture
    freeze_until: str | None = None  # its last layer that stays as it is; none if None
    warm_start: bool = True  # the head begins as the linear probe
    horizontal_flip: bool = True  # half of the training pictures are mirrored
    vertical_flip: bool = False  # half of them are upside down
    rotation: float = 0.0  # degrees, at most, that a training picture is turned either way
    least_area: float = 0.2  # of a training picture that a random crop keeps
    stretch: float = 4 / 3  # at most, of the crop's width against its height and the other way
    mixup: float = 0.2  # of the Beta that shares are drawn from, pairs being learned; 0: each alone
    class_weights: bool = False  # rare classes count for more
    label_smoothing: float = 0.1  # probability spread over all classes in the loss
    dropout: float = 0.2  # before the head
    batch_size: int = 32
    epochs: int = 16
    max_steps: int | None = None
    patience: int | None = 6  # epochs without a better validation score
    refit: bool = False  # train again, on validation too, for as many epochs as were best
    lr: float = 7e-4  # of the network's layers, at its highest
    head_lr: float = 1e-3  # of the head, at its highest
    warm_up: float = 0.1  # of all steps, while the learning rates rise; then they fall to 0
    weight_decay: float = 0.05


def train(store: Store, config: Config, run: Run) -> None:
    """Train it; the weights kept are those of the best epoch on validation."""
    # --- data
    target = read_class_target(store, config.label)
    (sides,) = joint_sides(
        store, [target], splits=[config.split], group=config.group, seed=run.seed
    )
    task = Task(target=target, sides=sides, label=config.label, smoothing=config.label_smoothing)

    # --- model and loop; once more where the number of epochs alone was wanted of the first
    learned, notes = _learn(store, config, task, run), []
    if config.refit:
        notes.append(_chosen(learned, task))
        again = replace(config, epochs=learned.epochs, patience=None)
        learned = _learn(store, again, replace(task, refit=True), run.part("refit"))

    # --- evaluation and save
    finish(store, learned.learner, learned.pictures, run, learned.body, learned.dim, notes=notes)


class _Learned(NamedTuple):
    learner: Learner
    pictures: Pictures
    body: Body
    dim: int
    epochs: int  # that its weights have learned


def _learn(store: Store, config: Config, task: Task, run: Run) -> _Learned:
    # --- model
    seed(run)
    body, network = new_body(config.backbone, weights=run.weights)
    module = network.module.to(memory_format=torch.channels_last)  # faster on CPU and GPU
    network = replace(
        network, module=module, preprocessing=_preprocessing(config, network.preprocessing)
    )
    dim = output_shapes(network)[""][1]
    head = HeadShape(outputs=len(task.target.classes), dropout=config.dropout)
    classifier = Classifier(module, dim, {task.name: head})

    # --- loop
    if config.class_weights:
        task = task.balanced()
    pictures = Pictures(
        store,
        [task],
        network.preprocessing,
        batch_size=config.batch_size,
        seed=run.seed,
        workers=run.workers,
        augmentation=Augmentation(
            horizontal_flip=config.horizontal_flip,
            vertical_flip=config.vertical_flip,
            rotation=config.rotation,
            least_area=config.least_area,
            stretch=config.stretch,
        ),
    )
    total = config.epochs * pictures.steps_per_epoch
    learner = Learner(
        classifier,
        [task],
        network.preprocessing,
        partial(
            adamw_slower_below,
            classifier,
            lr=config.lr,
            head_lr=config.head_lr,
            weight_decay=config.weight_decay,
        ),
        schedule=partial(warm_then_cosine, min(total, config.max_steps or total), config.warm_up),
        frozen=_frozen(config, network),
        mixup=config.mixup,
        seed=run.seed,
    )
    if config.warm_start and not run.last.exists():
        begin_as_probe(learner, pictures, run)
    epochs = fit(
        learner,
        pictures,
        run,
        epochs=config.epochs,
        max_steps=config.max_steps,
        monitor="val_score",
        patience=config.patience,
    )
    return _Learned(learner, pictures, body, dim, epochs)


def _chosen(learned: _Learned, task: Task) -> str:
    scores = [row[f"val_{task.name}"] for row in learned.learner.curves]
    return (
        f"Trained again for {learned.epochs} of {len(scores)} epochs, as many as were best on "
        f"validation ({scores[learned.epochs - 1]:.3f}); the second time its pictures were learned "
        "too."
    )


def _preprocessing(config: Config, own: Preprocessing) -> Preprocessing:
    """Change a backbone's preprocessing where a setting says so; a crop keeps its margin."""
    if config.fit == "own" and config.size is None:
        return own
    fit = own.fit if config.fit == "own" else Fit(config.fit)
    height, width = own.size if config.size is None else (config.size, config.size)
    margin = own.scale[0] / own.size[0] if fit == Fit.CROP == own.fit else 1.0
    scale = (round(height * margin), round(width * margin))
    return replace(own, size=(height, width), scale=scale, fit=fit)


def _frozen(config: Config, network: Network) -> Sequence[nn.Module]:
    return freeze(network, config.freeze_until) if config.freeze_until else ()
