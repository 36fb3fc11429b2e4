"""What both Rijksmuseum recipes learn: creator, material and type of the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from artsim.datatypes import parse_spec
from artsim.errors import TrainingError
from artsim.labels import LabelKind, read_label
from artsim.models import Body, Network, new_body, output_shapes
from artsim.recipes.alexnet import ALEXNET, new_alexnet
from artsim.recipes.frequent import in_all, most_frequent
from artsim.store import Store
from artsim.training.fit import freeze
from artsim.training.tasks import Task, joint_sides

__all__ = ["ANONYMOUS", "CLASSES", "LABELS", "PUBLISHED", "Start", "new_start", "read_tasks"]

LABELS = ("creator", "material", "type")
CLASSES = (15, 22, 76)  # the most frequent of each
ANONYMOUS = ("anonymous", "anoniem")  # are no creator


@dataclass(frozen=True, kw_only=True)
class _Published:
    """How a network was used."""

    spec: str
    batch_size: int
    by_classes: bool = True  # the new layer reads ImageNet's 1,000 classes, not the embedding
    freeze_until: str | None = None  # the last layer that stayed as it was


PUBLISHED = {
    "vgg16": _Published(
        spec="timm:vgg16.tv_in1k", batch_size=32, by_classes=False, freeze_until="features.30"
    ),
    "resnet50": _Published(spec="timm:resnet50.tv_in1k", batch_size=34),
    "alexnet": _Published(spec=ALEXNET, batch_size=64),
}


@dataclass(frozen=True, kw_only=True)
class Start:
    """A network to begin with."""

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
    seed: int,
) -> list[Task]:
    """Keep each label's most frequent classes and the pictures that have all labels; 70/10/20.

    The same pictures teach, choose and judge all tasks, and no file is on two sides.

    Args:
        store: The index.
        labels: Columns or derived labels; the sides divide the classes of the first alike.
        classes: How many of each.
        weights: Of the losses.
        without: What is no class of any label, in any case.
        seed: Of the draw.

    Raises:
        TrainingError: If no picture has all labels, one is a number, or numbers and weights are
            not as many as labels.
        EvaluationError: If a label is not there.
    """
    for name, given in (("classes", classes), ("loss_weights", weights)):
        if len(given) != len(labels):
            wanted = f"{len(labels)}, one for each of {', '.join(labels)}"
            raise TrainingError(f"{name} has {len(given)} values, expected {wanted}")
    targets = [read_label(store, label) for label in labels]
    for target in targets:
        if target.kind == LabelKind.NUMBER:
            raise TrainingError(
                f"{target.name!r} holds numbers, expected classes; see 'artsim label'"
            )
    targets = [
        most_frequent(target, n, without=without)
        for target, n in zip(targets, classes, strict=True)
    ]
    targets = list(in_all(targets))
    sides = joint_sides(store, targets, splits=[None] * len(targets), seed=seed)
    return [
        Task(target=target, sides=each, label=label, weight=weight)
        for target, each, label, weight in zip(targets, sides, labels, weights, strict=True)
    ]


def new_start(name: str, *, weights: Path | None = None, freeze_until: str | None = None) -> Start:
    """Load a network to begin with: vgg16, resnet50 or alexnet as they were used, or any spec.

    Args:
        name: One of `PUBLISHED`, or a spec. A network of timm's gives ImageNet's 1,000 classes
            to read, others their embedding.
        weights: A local file of weights instead of its own.
        freeze_until: The last layer that stays as it is; the published one if None.

    Raises:
        ModelError: If it is not there, or its weights are not on this machine and cannot be had.
        TrainingError: If it has no such layer.
    """
    published = PUBLISHED.get(name) or _Published(
        spec=name, batch_size=32, by_classes=parse_spec(name).source == "timm"
    )
    if published.spec == ALEXNET:
        body, network = new_alexnet(weights)
    else:
        body, network = new_body(
            published.spec, weights=weights, keep_classifier=published.by_classes
        )
    until = freeze_until or published.freeze_until
    return Start(
        body=body,
        network=network,
        dim=output_shapes(network)[""][1],
        frozen=freeze(network, until) if until else (),
        batch_size=published.batch_size,
    )
