"""Predict creator, material and type of the Rijksmuseum's works with one network and three heads.

The original stopped early without going back to its best epoch, read images as BGR, and reported
for its multilabel tasks the average precision per image of rounded outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from torch.optim import Adam

from artsim import training
from artsim.models import Body
from artsim.models.architectures import Classifier
from artsim.recipes.hog import hog_neighbors
from artsim.recipes.rijks import ANONYMOUS, CLASSES, LABELS, new_start, read_tasks
from artsim.store import Store
from artsim.training import Count, NonNegative, Run, TrainingTask


@dataclass(frozen=True, kw_only=True)
class Config:
    """The published settings, as the original's report and code have them."""

    labels: tuple[str, ...] = LABELS
    classes: tuple[Count, ...] = CLASSES  # most frequent classes of each
    keep_qualified: bool = False  # "after" or "workshop of" an artist counts as theirs
    keep_copies: bool = False  # copies of test pictures are trained on as well
    without: tuple[str, ...] = ANONYMOUS  # not a class
    loss_weights: tuple[NonNegative, ...] = (1.0, 0.08, 1.0)  # CE + 0.08 BCE(material) + BCE(type)
    network: str = "resnet50"  # or a spec: lite0
    freeze_until: str | None = None  # the last frozen layer; the original trained all
    hidden: Count = 1000  # of each head: Linear(1000, 1000)-ReLU-Linear(1000, n)
    batch_size: Count = 16
    epochs: Count = 50  # at most
    max_steps: Count | None = None
    patience: Count | None = 20  # epochs without a lower validation loss
    lr: NonNegative = 1e-5  # Adam's
    single_tasks: bool = False  # also train a network for each label, to compare
    hog: bool = True  # compare with kNN on HOG


def train(store: Store, config: Config, run: Run) -> None:
    """Train, and keep the weights of the best epoch on validation."""
    # --- data
    tasks = read_tasks(
        store,
        labels=config.labels,
        classes=config.classes,
        weights=config.loss_weights,
        without=config.without,
        keep_qualified=config.keep_qualified,
        keep_copies=config.keep_copies,
        seed=run.seed,
    )

    # --- model and loop: the heads read ImageNet's 1,000 classes, the losses are summed
    def train_network(
        some: Sequence[TrainingTask], run: Run
    ) -> tuple[training.Learner, training.TrainingData, Body]:
        training.seed(run)
        start = new_start(config.network, weights=run.weights, freeze_until=config.freeze_until)
        heads = training.new_heads(some, hidden=config.hidden)
        classifier = Classifier(start.network.module, start.dim, heads)
        data = training.TrainingData(
            store, some, start.network.preprocessing, run, batch_size=config.batch_size
        )
        optimizer = partial(Adam, lr=config.lr)
        learner = training.Learner(classifier, data, optimizer, frozen=start.frozen)
        training.fit(
            learner,
            data,
            run,
            epochs=config.epochs,
            max_steps=config.max_steps,
            patience=config.patience,
        )
        return learner, data, start.body

    learner, data, body = train_network(tasks, run)

    # --- evaluation and save
    others: dict[str, training.TaskScores] = {}
    if config.single_tasks:
        others[training.SINGLE] = training.single_task_scores(train_network, tasks, run)
    if config.hog:
        others["HOG + kNN"] = hog_neighbors(store, tasks, run)
    training.finish(store, learner, data, run, body, others=others)
