"""Predict one label of the Rijksmuseum's works with an ImageNet network and a new last layer.

The published figures for type are of five classes and 72 test images, some of them in the training
set: ``preset=type`` draws such a split without them. Otherwise all three labels share the test set
of `rijks-multitask`, unless ``separate`` takes all pictures that have the label.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch.optim import Adam

from artsim import training
from artsim.errors import TrainingError
from artsim.models.architectures import Classifier
from artsim.recipes.hog import hog_neighbors
from artsim.recipes.rijks import ANONYMOUS, CLASSES, LABELS, new_start, read_tasks
from artsim.recipes.rijks_type import TYPES, read_type
from artsim.store import Store
from artsim.training import Count, NonNegative, Run, TrainingTask


@dataclass(frozen=True, kw_only=True)
class Config:
    """The published settings, as the original's report and code have them."""

    # type: the published data of that figure, five types with 972/15/72 pictures.
    preset: Literal["type"] | None = None
    types: tuple[str, ...] = TYPES  # of the preset
    label: str = "creator"  # one of labels
    separate: bool = False  # published: pictures with this label, whether or not with the others
    labels: tuple[str, ...] = LABELS  # only images with all of them are used
    classes: tuple[Count, ...] = CLASSES  # most frequent classes of each
    without: tuple[str, ...] = ANONYMOUS  # not a class
    keep_qualified: bool = False  # "after" or "workshop of" an artist counts as theirs
    keep_copies: bool = False  # copies of test pictures are trained on as well
    network: str = "vgg16"  # published: vgg16, resnet50, alexnet; or a spec: lite0
    freeze_until: str | None = None  # the last frozen layer; of vgg16 its last convolution
    batch_size: Count | None = None  # published: 32 of vgg16, 34 of resnet50, 64 of alexnet
    epochs: Count = 3
    max_steps: Count | None = None
    lr: NonNegative = 1e-4  # Adam's
    hog: bool = True  # compare with kNN on HOG


def train(store: Store, config: Config, run: Run) -> None:
    """Train, and keep the weights of the best epoch on validation."""
    # --- data
    task = _read_task(store, config, run)

    # --- model: one more layer on ImageNet's 1,000 classes; in VGG16 it replaces the last layer
    training.seed(run)
    start = new_start(config.network, weights=run.weights, freeze_until=config.freeze_until)
    classifier = Classifier(start.network.module, start.dim, training.new_heads([task]))

    # --- loop: cross-entropy, or binary cross-entropy for a multilabel label
    batch_size = config.batch_size or start.batch_size
    data = training.TrainingData(
        store, [task], start.network.preprocessing, run, batch_size=batch_size
    )
    optimizer = partial(Adam, lr=config.lr)
    learner = training.Learner(classifier, data, optimizer, frozen=start.frozen)
    training.fit(learner, data, run, epochs=config.epochs, max_steps=config.max_steps)

    # --- evaluation and save
    others = {"HOG + kNN": hog_neighbors(store, [task], run)} if config.hog else {}
    training.finish(store, learner, data, run, start.body, others=others)


def _read_task(store: Store, config: Config, run: Run) -> TrainingTask:
    """Read the label and its split: the preset's, the label's own, or that of all labels."""
    if config.preset == "type":
        return read_type(
            store, "type", types=config.types, keep_copies=config.keep_copies, seed=run.seed
        )
    if config.label not in config.labels:
        raise TrainingError(f"no label {config.label!r}; choose from {', '.join(config.labels)}")
    place = config.labels.index(config.label)
    own = slice(place, place + 1) if config.separate else slice(None)
    labels = config.labels[own]
    tasks = read_tasks(
        store,
        labels=labels,
        classes=config.classes[own],
        weights=[1.0] * len(labels),
        without=config.without,
        keep_qualified=config.keep_qualified,
        keep_copies=config.keep_copies,
        seed=run.seed,
    )
    return tasks[labels.index(config.label)]
