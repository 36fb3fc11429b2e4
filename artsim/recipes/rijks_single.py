"""One label of the Rijksmuseum's works, told by a network that ImageNet has trained.

The original's published type figures are of five classes and 72 test pictures, some of which it
had learned from; here all three labels are judged by the pictures that `rijks-multitask` is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch.optim import Adam

from artsim.errors import TrainingError
from artsim.models.architectures import Classifier, HeadShape
from artsim.recipes.hog import hog_neighbors
from artsim.recipes.rijks import ANONYMOUS, CLASSES, LABELS, new_start, read_tasks
from artsim.store import Store
from artsim.training.data import Pictures
from artsim.training.fit import fit, seed
from artsim.training.learner import Learner
from artsim.training.results import Others, finish
from artsim.training.run import Run

__all__ = ["Config", "train"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """The published settings, as the original's report and code have them."""

    label: str = "creator"  # which of labels
    labels: tuple[str, ...] = LABELS  # a picture has all of them
    classes: tuple[int, ...] = CLASSES  # of each the most frequent
    without: tuple[str, ...] = ANONYMOUS  # is no class
    network: str = "vgg16"  # published: vgg16, resnet50, alexnet; or a spec: lite0
    freeze_until: str | None = None  # the last layer that stays; of vgg16 its last convolution's
    batch_size: int | None = None  # published: 32 of vgg16, 34 of resnet50, 64 of alexnet
    epochs: int = 3
    max_steps: int | None = None
    lr: float = 1e-4  # Adam's
    hog: bool = True  # the neighbors of HOG beside it


def train(store: Store, config: Config, run: Run) -> None:
    """Train it; the weights kept are those of the best epoch on validation."""
    # --- data
    if config.label not in config.labels:
        raise TrainingError(f"no label {config.label!r}; choose from {', '.join(config.labels)}")
    tasks = read_tasks(
        store,
        labels=config.labels,
        classes=config.classes,
        weights=[1.0] * len(config.labels),
        without=config.without,
        seed=run.seed,
    )
    task = tasks[config.labels.index(config.label)]

    # --- model: one more layer on ImageNet's 1,000 classes; of VGG16 in the place of its last one
    seed(run)
    start = new_start(config.network, weights=run.weights, freeze_until=config.freeze_until)
    head = HeadShape(outputs=len(task.target.classes))
    classifier = Classifier(start.network.module, start.dim, {task.name: head})

    # --- loop: cross-entropy, or binary cross-entropy where a picture has several classes
    pictures = Pictures(
        store,
        [task],
        start.network.preprocessing,
        batch_size=config.batch_size or start.batch_size,
        seed=run.seed,
        workers=run.workers,
    )
    learner = Learner(
        classifier,
        [task],
        start.network.preprocessing,
        partial(Adam, lr=config.lr),
        frozen=start.frozen,
        seed=run.seed,
    )
    fit(learner, pictures, run, epochs=config.epochs, max_steps=config.max_steps)

    # --- evaluation and save
    others: Others = {"HOG + kNN": hog_neighbors(store, [task], run)} if config.hog else {}
    finish(store, learner, pictures, run, start.body, start.dim, others=others)
