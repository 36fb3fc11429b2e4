"""The data and networks of both Rijksmuseum recipes: creator, material and type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from artsim.datatypes import RANDOM, parse_spec
from artsim.errors import TrainingError
from artsim.labels import Label, LabelKind, read_label
from artsim.models import Body, Network, new_body, output_shapes
from artsim.recipes.alexnet import ALEXNET, new_alexnet
from artsim.splits import joint_splits
from artsim.store import Store
from artsim.training import TrainingTask, freeze

LABELS = ("creator", "material", "type")
CLASSES = (15, 22, 76)  # the most frequent of each
ANONYMOUS = ("anonymous", "anoniem")  # not creators


@dataclass(frozen=True, kw_only=True)
class _Published:
    """How a network was used in the original."""

    spec: str
    batch_size: int
    by_classes: bool = True  # the new layer reads ImageNet's 1,000 classes, not the embedding
    freeze_until: str | None = None  # the last frozen layer


PUBLISHED = {
    "vgg16": _Published(
        spec="timm:vgg16.tv_in1k", batch_size=32, by_classes=False, freeze_until="features.30"
    ),
    "resnet50": _Published(spec="timm:resnet50.tv_in1k", batch_size=34),
    "alexnet": _Published(spec=ALEXNET, batch_size=64),
}


@dataclass(frozen=True, kw_only=True)
class Start:
    """A pretrained network to start from."""

    body: Body
    network: Network
    dim: int
    frozen: Sequence[nn.Module]
    batch_size: int  # as published, or 32


def read_tasks(
    store: Store,
    *,
    labels: Sequence[str] = LABELS,
    classes: Sequence[int] = CLASSES,
    weights: Sequence[float] = (1.0, 1.0, 1.0),
    without: Sequence[str] = ANONYMOUS,
    keep_qualified: bool = False,
    keep_copies: bool = False,
    seed: int,
) -> list[TrainingTask]:
    """Keep each label's most frequent classes and the images that have all labels.

    All tasks share one 70/10/20 split, and no file is in two of its parts.

    Args:
        store: The index.
        labels: Columns or derived labels; the split is stratified by the first.
        classes: Number of classes to keep of each.
        weights: Of the losses.
        without: Names that do not count as classes; case is ignored.
        keep_qualified: Whether works "after" or of the "workshop of" an artist count as theirs.
        keep_copies: Whether to train on copies of test pictures as well.
        seed: Of the split.

    Raises:
        TrainingError: If no image has all labels, one is a number, or there are not as many
            classes and weights as labels.
        EvaluationError: If a label does not exist.
    """
    for name, given in (("classes", classes), ("loss_weights", weights)):
        if len(given) != len(labels):
            wanted = f"{len(labels)}, one for each of {', '.join(labels)}"
            raise TrainingError(f"{name} has {len(given)} values, expected {wanted}")
    targets = [read_label(store, label, keep_qualified=keep_qualified) for label in labels]
    for target in targets:
        if target.kind == LabelKind.NUMBER:
            raise TrainingError(
                f"{target.name!r} holds numbers, expected classes; see 'artsim label'"
            )
    pairs = zip(targets, classes, strict=True)
    targets = in_all([most_frequent(target, n, without=without) for target, n in pairs])
    nothing = [None] * len(targets)
    joint = joint_splits(store, targets, splits=nothing, keep_copies=keep_copies, seed=seed)
    return [
        TrainingTask(label=target, split=each, source=label, weight=weight)
        for target, each, label, weight in zip(targets, joint, labels, weights, strict=True)
    ]


def most_frequent(target: Label, n: int, *, without: Sequence[str] = ()) -> Label:
    """Keep a label's n most frequent classes, of equally frequent ones the first by name.

    Names in ``without``, such as 'anonymous', do not count as classes; case is ignored. Images
    with none of the classes lose their label.
    """
    counts = target.counts
    names = {name.casefold() for name in without}
    counts[[i for i, name in enumerate(target.classes) if name.casefold() in names]] = 0
    kept = np.zeros(len(counts), dtype=bool)
    kept[np.argsort(-counts, kind="stable")[:n]] = True
    return target.keep_classes(kept & (counts > 0))


def in_all(targets: Sequence[Label]) -> list[Label]:
    """Keep the images that have every label, and the classes that these images have.

    Raises:
        TrainingError: If no image has all labels.
    """
    rows = np.all([target.known for target in targets], axis=0)
    if not rows.any():
        names = ", ".join(target.name for target in targets)
        raise TrainingError(f"no picture has all of {names}; keep more classes of each")
    return [
        target.keep(rows).keep_classes(np.ones(len(target.classes), dtype=bool))
        for target in targets
    ]


def new_start(name: str, *, weights: Path | None = None, freeze_until: str | None = None) -> Start:
    """Load a network to start from: vgg16, resnet50 or alexnet as published, or any spec.

    Args:
        name: One of `PUBLISHED`, with ``.random`` for random weights, or a spec. The head
            of a timm network reads ImageNet's 1,000 classes, that of others the embedding.
        weights: A local file of weights instead of its own.
        freeze_until: The last frozen layer; the published one if None.

    Raises:
        ModelError: If it does not exist, or its weights are not on this machine and cannot be
            downloaded.
        TrainingError: If it has no such layer.
    """
    known, _, tag = name.partition(".")
    untrained = known in PUBLISHED and tag == RANDOM
    published = PUBLISHED.get(known if untrained else name) or _Published(
        spec=name, batch_size=32, by_classes=parse_spec(name).source == "timm"
    )
    if published.spec == ALEXNET:
        body, network = new_alexnet(weights, untrained=untrained)
    else:
        spec = f"timm:{known}.{RANDOM}" if untrained else published.spec
        body, network = new_body(spec, weights=weights, keep_classifier=published.by_classes)
    return Start(
        body=body,
        network=network,
        dim=output_shapes(network)[""][1],
        frozen=freeze(network, freeze_until or published.freeze_until),
        batch_size=published.batch_size,
    )
