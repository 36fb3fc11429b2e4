"""Lithographs told from the rest of MoMA's works by a small CNN, from 4,000 thumbnails.

The original took the first 2,000 works of each class, and its 85.71 % is the accuracy on the
pictures that it had learned from; here the pictures are drawn at random, and a test of its own is
kept apart from the validation that the curves show.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch.optim import Adam

from artsim.models import Body
from artsim.models.architectures import Classifier, HeadShape, LithographCNN
from artsim.store import Store
from artsim.training.data import Pictures, squashed
from artsim.training.fit import fit, seed
from artsim.training.learner import Learner
from artsim.training.results import finish
from artsim.training.run import Run
from artsim.training.tasks import Task, balanced_sides, read_class_target

__all__ = ["Config", "train"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """The published settings, each as the original's notebook has it, unless said otherwise."""

    label: str = "lithograph = medium ILIKE '%lithograph%'"  # rows without a medium have no label
    train_per_class: int = 1800
    validation_per_class: int = 200
    test_per_class: int = 200  # ours: the original judged by its validation
    original_sampling: bool = False  # the first of each class, as the original took them
    size: int = 64  # pixels, squashed
    batch_size: int = 25
    steps_per_epoch: int = 12
    epochs: int = 10
    max_steps: int | None = None
    lr: float = 1e-3  # Keras' default for Adam, which the original left as it is


def train(store: Store, config: Config, run: Run) -> None:
    """Train it; the weights kept are the last epoch's, as the original's are."""
    # --- data
    target = read_class_target(store, config.label)
    sides = balanced_sides(
        store,
        target,
        train=config.train_per_class,
        validation=config.validation_per_class,
        test=config.test_per_class,
        first=config.original_sampling,
        seed=run.seed,
    )
    task = Task(target=target, sides=sides, label=config.label)
    preprocessing = squashed(config.size)
    pictures = Pictures(
        store,
        [task],
        preprocessing,
        batch_size=config.batch_size,
        steps_per_epoch=config.steps_per_epoch,
        seed=run.seed,
        workers=run.workers,
    )

    # --- model: 813,217 parameters, the sigmoid being in the loss
    seed(run)
    body = LithographCNN(config.size)
    classifier = Classifier(body, body.dim, {task.name: HeadShape(outputs=1)})

    # --- loop: binary cross-entropy
    learner = Learner(
        classifier,
        [task],
        preprocessing,
        partial(Adam, lr=config.lr, eps=1e-7),  # Keras' epsilon
        seed=run.seed,
    )
    fit(learner, pictures, run, epochs=config.epochs, max_steps=config.max_steps, keep="last")

    # --- evaluation and save
    scores = [row[f"val_{task.name}"] for row in learner.curves]
    finish(
        store,
        learner,
        pictures,
        run,
        Body(architecture="lithograph-cnn", arguments={"size": config.size}),
        body.dim,
        notes=[
            f"validation {scores[-1]:.3f} after the last epoch, {max(scores):.3f} after the best; "
            "published: .540 and .650, and .857 on the pictures it had learned from",
        ]
        if scores
        else [],
    )
