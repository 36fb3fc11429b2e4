"""Predict the medium of MAMe's works with a fine-tuned network, compared with frozen features.

The frozen features are the course's: MobileNetV1, its last map max-pooled to 1,024 numbers, with
width, height, their product and aspect ratio of the full image. The best published figure is a
linear SVM on 42 layers of a frozen Xception; ``features=timm:legacy_xception.tf_in1k`` takes its
last. File names are not used as features: the accession number alone predicts 37.5% of the media.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from torch.optim import AdamW

from artsim import training
from artsim.datatypes import Fit, parse_spec
from artsim.labels import Metadata, read_metadata, read_multiclass, refuse_label
from artsim.metrics import fit_probe, to_unit
from artsim.models import find_device, new_body, output_shapes
from artsim.models.architectures import Classifier
from artsim.recipes.frozen import embed_rows
from artsim.recipes.mlp import mlp_accuracy
from artsim.recipes.svm import svm_accuracy
from artsim.splits import joint_splits
from artsim.store import Store, write_whole
from artsim.training import Count, NonNegative, Run, Share, TrainingTask

FEATURES = (
    "features.parquet"  # id, metadata and frozen features of every picture, in a run's folder
)
METADATA = ("pixel_width", "pixel_height", "pixel_count", "aspect_ratio")  # MAMe's, of full images

_MEASURED = ("width", "height", "pixel_count", "aspect_ratio")  # of the pictures of any collection


@dataclass(frozen=True, kw_only=True)
class Config:
    """Data, split, sizes and frozen features are as published; the rest is ours."""

    label: str = "medium"  # 29 of them
    keep_qualified: bool = False  # "after" or "workshop of" an artist counts as theirs
    keep_copies: bool = False  # copies of test pictures are trained on as well
    split: str | None = "split"  # the dataset's own: 20,300 / 1,450 / 15,657
    backbone: str = "mobilenet"  # a spec; lite0 works offline
    freeze_until: str | None = None  # its last frozen layer; none if None
    shape: Literal["squashed", "variable"] = "squashed"  # variable: in its own aspect ratio
    size: Count = 256  # pixels of the square; variable shapes have about as many pixels
    flip: bool = True  # mirror half of the training images
    least_area: Share = 0.6  # share of a training image that a random crop keeps at least
    dropout: Share = 0.2  # before the head
    batch_size: Count = 32
    epochs: Count = 10
    max_steps: Count | None = None
    patience: Count | None = 3  # epochs without a better validation score
    lr: NonNegative = 3e-4
    weight_decay: NonNegative = 1e-2
    probes: bool = True  # compare with probes of the frozen features
    features: str = "mobilenet@blocks/max"  # the course's: 1,024 numbers
    metadata: tuple[str, ...] | None = None  # with them; width, height, product and aspect ratio
    features_weights: str | None = None  # a file for them: Keras' .h5 of the course's network


def train(store: Store, config: Config, run: Run) -> None:
    """Train, and keep the weights of the best epoch on validation."""
    # --- data
    target = read_multiclass(store, config.label, keep_qualified=config.keep_qualified)
    (split,) = joint_splits(
        store, [target], splits=[config.split], keep_copies=config.keep_copies, seed=run.seed
    )
    task = TrainingTask(label=target, split=split, source=config.label)

    # --- frozen features: first, as their network may have to be downloaded
    others = _probe_frozen(store, task, config, run) if config.probes else {}

    # --- model
    training.seed(run)
    body, network = new_body(config.backbone, weights=run.weights)
    dim = output_shapes(network)[""][1]
    heads = training.new_heads([task], dropout=config.dropout)
    classifier = Classifier(network.module, dim, heads)

    # --- loop: with variable shapes a batch has images of about one aspect ratio
    preprocessing = training.in_shape(network.preprocessing, (config.size, config.size))
    shapes, notes = None, []
    if config.shape == "variable":
        shapes = training.rectangles(config.size)
        # As an extractor the network uses one size for all images.
        preprocessing = replace(preprocessing, fit=Fit.PAD)
        notes = ["Pictures kept their aspect ratios in training; for embedding they are padded."]
    data = training.TrainingData(
        store,
        [task],
        preprocessing,
        run,
        batch_size=config.batch_size,
        augmentation=training.Augmentation(
            horizontal_flip=config.flip, least_area=config.least_area
        ),
        shapes=shapes,
    )
    optimizer = partial(AdamW, lr=config.lr, weight_decay=config.weight_decay)
    frozen = training.freeze(network, config.freeze_until)
    learner = training.Learner(classifier, data, optimizer, frozen=frozen)
    training.fit(
        learner,
        data,
        run,
        epochs=config.epochs,
        max_steps=config.max_steps,
        monitor="val_score",
        patience=config.patience,
    )

    # --- evaluation and save
    training.finish(store, learner, data, run, body, others=others, notes=notes)


def _probe_frozen(store: Store, task: TrainingTask, config: Config, run: Run) -> training.Others:
    """Score three probes, linear, SVM and MLP, on the frozen features and the metadata."""
    names = metadata_names(store, config)
    refuse_label(store, task.source, names)
    values = read_metadata(store, names)  # which refuses ids
    same = parse_spec(config.features).network == parse_spec(config.backbone).network
    weights = run.weights if same else None
    if config.features_weights is not None:
        weights = Path(config.features_weights)
    every = np.arange(store.rows)
    (vectors,) = embed_rows(store, every, config.features, run, weights=weights).values()
    _save_features(store, vectors, values, run)
    unit, _ = to_unit(vectors, "the frozen features")
    extra = Metadata.fit(values, task.split.train).features(values, store.rows)
    features = np.concatenate([unit, extra], axis=1)
    device = find_device(run.device)
    line = fit_probe(features, task.label, task.split, seed=run.seed, device=device)
    used = f"{config.features} + {', '.join(names)}"
    return {
        f"linear probe ({used})": {task.name: line.estimate.value},
        f"linear SVM ({used})": {task.name: svm_accuracy(features, task.label, task.split, run)},
        f"MLP probe ({used})": {task.name: mlp_accuracy(features, task.label, task.split, run)},
    }


def metadata_names(store: Store, config: Config) -> tuple[str, ...]:
    """Name the columns beside the features: those chosen, MAMe's, or the size of the pictures."""
    columns = {field.name for field in store.fields}
    return config.metadata or (METADATA if columns.issuperset(METADATA) else _MEASURED)


def _save_features(
    store: Store,
    vectors: NDArray[np.float32],
    metadata: Mapping[str, Sequence[Any]],
    run: Run,
) -> None:
    """Write the features of every picture as a column beside its id and its metadata."""
    table = pa.table(
        {
            "id": store.read(["id"]).column("id"),
            **{name: pa.array(values) for name, values in metadata.items()},
            "features": pa.FixedSizeListArray.from_arrays(
                pa.array(vectors.ravel()), vectors.shape[1]
            ),
        }
    )
    write_whole(run.path / FEATURES, lambda stream: pq.write_table(table, stream))
