"""Creator, material and type of the Rijksmuseum's works, told by one network with three heads.

The original ended by early stopping without going back to its best epoch, read pictures as BGR,
and gave for several labels a picture the average precision per image of rounded outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch.optim import Adam

from artsim.models.architectures import Classifier, HeadShape
from artsim.recipes.hog import hog_neighbors
from artsim.recipes.rijks import ANONYMOUS, CLASSES, LABELS, Start, new_start, read_tasks
from artsim.store import Store
from artsim.training.alone import single_task_values
from artsim.training.data import Pictures
from artsim.training.fit import fit, seed
from artsim.training.learner import Learner
from artsim.training.results import SINGLE, finish
from artsim.training.run import Run
from artsim.training.tasks import Task

__all__ = ["Config", "train"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """The published settings, as the original's report and code have them."""

    labels: tuple[str, ...] = LABELS
    classes: tuple[int, ...] = CLASSES  # of each the most frequent
    without: tuple[str, ...] = ANONYMOUS  # is no class
    loss_weights: tuple[float, ...] = (1.0, 0.08, 1.0)  # CE + 0.08 BCE(material) + BCE(type)
    network: str = "resnet50"  # or a spec: lite0
    freeze_until: str | None = None  # the last layer that stays; the original trained all
    hidden: int = 1000  # of each head: Linear(1000, 1000)-ReLU-Linear(1000, n)
    batch_size: int = 16
    epochs: int = 50  # at most
    max_steps: int | None = None
    patience: int | None = 20  # epochs without a lower validation loss
    lr: float = 1e-5  # Adam's
    single_tasks: bool = False  # train a network for each label alone too, to compare
    hog: bool = True  # the neighbors of HOG beside it


def train(store: Store, config: Config, run: Run) -> None:
    """Train it; the weights kept are those of the best epoch on validation."""
    # --- data
    tasks = read_tasks(
        store,
        labels=config.labels,
        classes=config.classes,
        weights=config.loss_weights,
        without=config.without,
        seed=run.seed,
    )

    # --- model and loop: the heads read ImageNet's 1,000 classes, the losses are added up
    def learn(some: Sequence[Task], run: Run) -> tuple[Learner, Pictures, Start]:
        seed(run)
        start = new_start(config.network, weights=run.weights, freeze_until=config.freeze_until)
        heads = {
            task.name: HeadShape(outputs=len(task.target.classes), hidden=config.hidden)
            for task in some
        }
        pictures = Pictures(
            store,
            some,
            start.network.preprocessing,
            batch_size=config.batch_size,
            seed=run.seed,
            workers=run.workers,
        )
        learner = Learner(
            Classifier(start.network.module, start.dim, heads),
            some,
            start.network.preprocessing,
            partial(Adam, lr=config.lr),
            frozen=start.frozen,
            seed=run.seed,
        )
        fit(
            learner,
            pictures,
            run,
            epochs=config.epochs,
            max_steps=config.max_steps,
            patience=config.patience,
        )
        return learner, pictures, start

    learner, pictures, start = learn(tasks, run)

    # --- evaluation and save
    others: dict[str, Mapping[str, float | None]] = {}
    if config.single_tasks:
        others[SINGLE] = single_task_values(lambda *alone: learn(*alone)[:2], tasks, run)
    if config.hog:
        others["HOG + kNN"] = hog_neighbors(store, tasks, run)
    finish(store, learner, pictures, run, start.body, start.dim, others=others)
