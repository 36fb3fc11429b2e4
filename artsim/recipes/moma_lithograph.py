"""Separate MoMA's lithographs from its other works with a small CNN on 4,000 thumbnails.

The original used the first 2,000 works of each class, and its 85.71% is the accuracy on the
training images. Here the images are drawn at random, with a test set besides the validation set
that the curves show.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch.optim import Adam

from artsim import training
from artsim.labels import read_multiclass
from artsim.models import Body
from artsim.models.architectures import Classifier, HeadShape, LithographCNN
from artsim.splits import balanced_split
from artsim.store import Store
from artsim.training import Count, NonNegative, Run


@dataclass(frozen=True, kw_only=True)
class Config:
    """The published settings, from the original's notebook unless a comment says otherwise."""

    label: str = "lithograph = medium ILIKE '%lithograph%'"  # rows without a medium have no label
    keep_qualified: bool = False  # "after" or "workshop of" an artist counts as theirs
    keep_copies: bool = False  # copies of test pictures are trained on as well
    train_per_class: Count = 1800
    validation_per_class: Count = 200
    test_per_class: Count = 200  # ours: the original reported its validation score
    original_sampling: bool = False  # the first of each class, as in the original
    size: Count = 64  # pixels, squashed
    batch_size: Count = 25
    steps_per_epoch: Count = 12
    epochs: Count = 10
    max_steps: Count | None = None
    lr: NonNegative = 1e-3  # Keras' default for Adam


def train(store: Store, config: Config, run: Run) -> None:
    """Train, and keep the weights of the last epoch, as in the original."""
    # --- data
    target = read_multiclass(store, config.label, keep_qualified=config.keep_qualified)
    split = balanced_split(
        store,
        target,
        per_class=(config.train_per_class, config.validation_per_class, config.test_per_class),
        first=config.original_sampling,
        keep_copies=config.keep_copies,
        seed=run.seed,
    )
    task = training.TrainingTask(label=target, split=split, source=config.label)
    data = training.TrainingData(
        store,
        [task],
        training.squashed(config.size),
        run,
        batch_size=config.batch_size,
        steps_per_epoch=config.steps_per_epoch,
    )

    # --- model: 813,217 parameters; the sigmoid is in the loss
    training.seed(run)
    body = LithographCNN(config.size)
    classifier = Classifier(body, body.dim, {task.name: HeadShape(outputs=1)})

    # --- loop: binary cross-entropy, with Keras' epsilon
    learner = training.Learner(classifier, data, partial(Adam, lr=config.lr, eps=1e-7))
    training.fit(learner, data, run, epochs=config.epochs, max_steps=config.max_steps, keep="last")

    # --- evaluation and save
    made_of = Body(architecture="lithograph-cnn", arguments={"size": config.size})
    notes = []
    if scores := [row[f"val_{task.name}"] for row in learner.curves]:
        notes.append(
            f"validation {scores[-1]:.3f} after the last epoch, {max(scores):.3f} after the best; "
            "published: .540 and .650, and .857 on the training pictures"
        )
    training.finish(store, learner, data, run, made_of, notes=notes)
