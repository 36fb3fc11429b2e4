"""The medium of MAMe's works, told by a fine-tuned network beside probes of a frozen one.

The frozen one is the course's: MobileNetV1, its last map pooled by the maximum to 1,024 numbers,
and with them the width, height and aspect ratio of the full picture. Names of pictures are no
features: the accession number alone tells 37.5 % of the test media.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch.optim import AdamW

from artsim.datatypes import Fit, parse_spec
from artsim.evaluation.probe.fits import fit_probe, score_of
from artsim.labels import Metadata, read_metadata, refuse_label
from artsim.metrics.vectors import to_unit
from artsim.models import find_device, new_body, output_shapes
from artsim.models.architectures import Classifier, HeadShape
from artsim.recipes.frozen import embed_rows
from artsim.recipes.mlp import mlp_accuracy
from artsim.store import Store
from artsim.training.data import Augmentation, Pictures
from artsim.training.fit import fit, freeze, seed
from artsim.training.learner import Learner
from artsim.training.results import Others, finish
from artsim.training.run import Run
from artsim.training.shapes import nearest_shapes, rectangles
from artsim.training.tasks import Task, joint_sides, read_class_target

__all__ = ["Config", "train"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Published are the data, the split, the sizes and the frozen features; the rest is ours."""

    label: str = "medium"  # 29 of them
    split: str | None = "split"  # the dataset's own: 20,300 / 1,450 / 15,657
    backbone: str = "mobilenet"  # a spec; lite0 works offline
    freeze_until: str | None = None  # its last layer that stays as it is; none if None
    shape: Literal["squashed", "variable"] = "squashed"  # variable: each in its own aspect ratio
    size: int = 256  # pixels of the square; as many pixels where the shape is variable
    flip: bool = True  # half of the training pictures are mirrored
    least_area: float = 0.6  # of a training picture that a random crop keeps
    dropout: float = 0.2  # before the head
    batch_size: int = 32
    epochs: int = 10
    max_steps: int | None = None
    patience: int | None = 3  # epochs without a better validation score
    lr: float = 3e-4
    weight_decay: float = 1e-2
    probes: bool = True  # of the frozen features, beside it
    features: str = "mobilenet@blocks/max"  # the course's: 1,024 numbers
    metadata: tuple[str, ...] = ("pixel_width", "pixel_height", "aspect_ratio")  # beside them


def train(store: Store, config: Config, run: Run) -> None:
    """Train it; the weights kept are those of the best epoch on validation."""
    # --- data
    target = read_class_target(store, config.label)
    (sides,) = joint_sides(store, [target], splits=[config.split], seed=run.seed)
    task = Task(target=target, sides=sides, label=config.label)

    # --- frozen features: first, as their network may have to be fetched
    others = _probe_frozen(store, task, config, run) if config.probes else {}

    # --- model
    seed(run)
    body, network = new_body(config.backbone, weights=run.weights)
    dim = output_shapes(network)[""][1]
    head = HeadShape(outputs=len(target.classes), dropout=config.dropout)
    classifier = Classifier(network.module, dim, {task.name: head})

    # --- loop: in the variable shape batches are of pictures of about one aspect ratio
    square = (config.size, config.size)
    shapes = rectangles(config.size) if config.shape == "variable" else None
    preprocessing = replace(
        network.preprocessing,
        size=square,
        scale=square,
        # For who embeds by it there is one size for all.
        fit=Fit.SQUASH if shapes is None else Fit.PAD,
    )
    pictures = Pictures(
        store,
        [task],
        preprocessing,
        batch_size=config.batch_size,
        seed=run.seed,
        workers=run.workers,
        augmentation=Augmentation(horizontal_flip=config.flip, least_area=config.least_area),
        shapes=None if shapes is None else _nearest(store, shapes),
    )
    learner = Learner(
        classifier,
        [task],
        preprocessing,
        partial(AdamW, lr=config.lr, weight_decay=config.weight_decay),
        frozen=freeze(network, config.freeze_until) if config.freeze_until else (),
        seed=run.seed,
    )
    fit(
        learner,
        pictures,
        run,
        epochs=config.epochs,
        max_steps=config.max_steps,
        monitor="val_score",
        patience=config.patience,
    )

    # --- evaluation and save
    notes = (
        []
        if shapes is None
        else ["Each picture kept its aspect ratio; as an extractor the network gets it padded."]
    )
    finish(store, learner, pictures, run, body, dim, shapes=shapes, others=others, notes=notes)


def _nearest(store: Store, shapes: NDArray[np.int64]) -> NDArray[np.int64]:
    table = store.read(["width", "height"])
    width, height = (table.column(side).to_pylist() for side in ("width", "height"))
    return nearest_shapes(width, height, shapes)


def _probe_frozen(store: Store, task: Task, config: Config, run: Run) -> Others:
    """Tell the label by the frozen features and the metadata, by a line and by a hidden layer."""
    refuse_label(store, task.label, config.metadata)
    values = read_metadata(store, config.metadata)  # which refuses ids
    same = parse_spec(config.features).network == parse_spec(config.backbone).network
    (vectors,) = embed_rows(
        store,
        np.arange(store.rows),
        config.features,
        run,
        weights=run.weights if same else None,
    ).values()
    unit, _ = to_unit(vectors, "the frozen features")
    beside = Metadata.fit(values, task.sides.train).features(values, store.rows)
    features = np.concatenate([unit, beside], axis=1)
    line = fit_probe(
        features, task.target, task.sides, seed=run.seed, device=find_device(run.device)
    )
    told = f"{config.features} + {', '.join(config.metadata)}"
    return {
        f"linear probe ({told})": {task.name: score_of(line).value},
        f"MLP probe ({told})": {task.name: mlp_accuracy(features, task.target, task.sides, run)},
    }
