"""Fine-tune any pretrained network on a label: the recipe to try when a probe is not enough.

The head starts as the linear probe on the frozen network, fitted on train alone, so that a random
head does not destroy the pretrained features. Then all layers above the frozen ones are trained,
the network with a lower learning rate than its head.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

import torch

from artsim import training
from artsim.datatypes import Fit, Preprocessing
from artsim.labels import read_multiclass
from artsim.models import Body, new_body, output_shapes
from artsim.models.architectures import Classifier
from artsim.recipes.warm_start import start_as_probe
from artsim.splits import joint_splits
from artsim.store import Store
from artsim.training import Count, NonNegative, Run, Share, TrainingTask


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings for some thousand images; validation decides which epoch is kept."""

    label: str = "class"  # a column or derived label of one class a picture
    keep_qualified: bool = False  # "after" or "workshop of" an artist counts as theirs
    keep_copies: bool = False  # copies of test pictures are trained on as well
    split: str | None = None  # a stored split or column; else a new 70/10/20 split
    group: str | None = None  # column whose values stay together in a new split
    backbone: str = "lite0"  # a spec: timm:..., open_clip:..., run:NAME
    size: Count | None = None  # pixels, square; the backbone's own if None
    fit: Literal["own", "crop", "pad", "squash"] = "squash"  # squash and pad show the whole image
    freeze_until: str | None = None  # its last frozen layer; none if None
    warm_start: bool = True  # the head starts as the linear probe
    horizontal_flip: bool = True  # mirror half of the training images
    vertical_flip: bool = False  # turn half of them upside down
    rotation: NonNegative = 0.0  # degrees, at most, of the training images
    least_area: Share = 0.2  # share of a training image that a random crop keeps at least
    stretch: NonNegative = 4 / 3  # largest change of the crop's aspect ratio
    mixup: NonNegative = 0.2  # of the Beta distribution that blends pairs of images; 0: none
    class_weights: bool = False  # rare classes weigh more in the loss
    label_smoothing: Share = 0.1  # probability spread over all classes in the loss
    dropout: Share = 0.2  # before the head
    batch_size: Count = 32
    epochs: Count = 16
    max_steps: Count | None = None
    patience: Count | None = 6  # epochs without a better validation score
    refit: bool = False  # train again with validation, for the best number of epochs
    lr: NonNegative = 7e-4  # highest rate of the network's layers
    head_lr: NonNegative = 1e-3  # highest rate of the head
    warm_up: Share = 0.1  # share of steps in which the rates rise, before they fall to 0
    weight_decay: NonNegative = 0.05


def train(store: Store, config: Config, run: Run) -> None:
    """Train, and keep the weights of the best epoch on validation."""
    # --- data
    target = read_multiclass(store, config.label, keep_qualified=config.keep_qualified)
    (split,) = joint_splits(
        store,
        [target],
        splits=[config.split],
        group=config.group,
        keep_copies=config.keep_copies,
        seed=run.seed,
    )
    task = TrainingTask(
        label=target, split=split, source=config.label, smoothing=config.label_smoothing
    )

    # --- model and loop; a refit takes only the number of epochs from the first training
    trained, notes = _train(store, config, task, run), []
    if config.refit:
        notes.append(_refit_note(trained, task))
        again = replace(config, epochs=trained.epochs, patience=None)
        trained = _train(store, again, replace(task, refit=True), run.part("refit"))

    # --- evaluation and save
    training.finish(store, trained.learner, trained.data, run, trained.body, notes=notes)


class _Trained(NamedTuple):
    learner: training.Learner
    data: training.TrainingData
    body: Body
    epochs: int  # that its weights were trained for


def _train(store: Store, config: Config, task: TrainingTask, run: Run) -> _Trained:
    # --- model
    training.seed(run)
    body, network = new_body(config.backbone, weights=run.weights)
    module = network.module.to(memory_format=torch.channels_last)  # faster on CPU and GPU
    preprocessing = _preprocessing(config, network.preprocessing)
    network = replace(network, module=module, preprocessing=preprocessing)
    heads = training.new_heads([task], dropout=config.dropout)
    classifier = Classifier(module, output_shapes(network)[""][1], heads)

    # --- loop
    if config.class_weights:
        task = task.balanced()
    data = training.TrainingData(
        store,
        [task],
        preprocessing,
        run,
        batch_size=config.batch_size,
        augmentation=training.Augmentation.of(config),
    )
    optimizer = partial(
        training.adamw_slower_below,
        classifier,
        lr=config.lr,
        head_lr=config.head_lr,
        weight_decay=config.weight_decay,
    )
    total = data.total_steps(config.epochs, config.max_steps)
    learner = training.Learner(
        classifier,
        data,
        optimizer,
        schedule=partial(training.warm_then_cosine, total, config.warm_up),
        frozen=training.freeze(network, config.freeze_until),
        mixup=config.mixup,
    )
    if config.warm_start and not run.last.exists():
        start_as_probe(learner, data, run)
    epochs = training.fit(
        learner,
        data,
        run,
        epochs=config.epochs,
        max_steps=config.max_steps,
        monitor="val_score",
        patience=config.patience,
    )
    return _Trained(learner, data, body, epochs)


def _refit_note(trained: _Trained, task: TrainingTask) -> str:
    scores = [row[f"val_{task.name}"] for row in trained.learner.curves]
    return (
        f"Trained again on train and validation for {trained.epochs} epochs, the best of "
        f"{len(scores)} on validation ({scores[trained.epochs - 1]:.3f})."
    )


def _preprocessing(config: Config, own: Preprocessing) -> Preprocessing:
    """Apply the settings to a backbone's preprocessing; a crop keeps its margin."""
    if config.fit == "own" and config.size is None:
        return own
    fit = own.fit if config.fit == "own" else Fit(config.fit)
    height, width = own.size if config.size is None else (config.size, config.size)
    margin = own.scale[0] / own.size[0] if fit == Fit.CROP == own.fit else 1.0
    scale = (round(height * margin), round(width * margin))
    return replace(own, size=(height, width), scale=scale, fit=fit)
