"""What is predicted for an image: the types that heads and runs share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim.labels import LIKELY, LabelKind

Value = str | float | list[str] | None

# Columns of a table of predictions, with Arrow's names of their types.
COLUMNS = {
    "id": "string",
    "image": "string",
    "label": "string",
    "predicted": "string",
    "confidence": "double",
    "catalog": "string",
    "agrees": "bool",
    "seen": "bool",
    "seen_by": "string",
    "classes": "string",
    "neighbors": "string",
}
# The columns that a hierarchy adds.
HIERARCHY_COLUMNS = {"path": "string", "shared": "string"}


@dataclass(frozen=True)
class ClassProbability:
    """A class and its probability."""

    name: str
    probability: float


@dataclass(frozen=True)
class LabeledNeighbor:
    """A similar image of the index, with its value of the label."""

    id: str
    score: float  # cosine
    value: Value


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a model predicts for one label of an image."""

    label: str
    kind: LabelKind
    predicted: Value  # None: it abstains
    classes: tuple[ClassProbability, ...] = ()  # most probable first; none of a number
    confidence: float | None = None  # of the most probable class; None of a number
    error: float | None = None  # of a number: the model's mean absolute error on test
    path: tuple[str, ...] = ()  # with a hierarchy: the classes down to the predicted one


@dataclass(frozen=True, kw_only=True)
class Prediction(Output):
    """What a model predicts for one label of an image, compared with the catalog."""

    id: str  # in the index or the collection; of a single file its path
    image: str | None  # a path that opens from here, or a URL
    catalog: Value  # the value in the catalog
    agrees: bool | None  # None if either has no value, and of a number
    # How the model knows the image from training, 'file' or 'look', so that the prediction is no
    # evidence; None if it does not.
    seen_by: str | None
    neighbors: tuple[LabeledNeighbor, ...] = ()  # most similar first, without the image itself
    shared: str | None = None  # the deepest class of the path that is the catalog's, or above it

    @property
    def seen(self) -> bool:
        """Whether the model was trained on the image, or on one that looks the same."""
        return self.seen_by is not None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        values = asdict(self) | {"kind": str(self.kind), "seen": self.seen}
        if not self.path:
            del values["path"], values["shared"]
        return values

    def to_row(self) -> dict[str, Any]:
        """Return it as a row with `COLUMNS`."""
        classes = {each.name: round(each.probability, 4) for each in self.classes}
        neighbors = [
            {"id": each.id, "score": round(each.score, 4), "value": each.value}
            for each in self.neighbors
        ]
        row: dict[str, Any] = {name: getattr(self, name) for name in COLUMNS}
        return row | {
            "predicted": as_text(self.predicted) or None,
            "catalog": as_text(self.catalog) or None,
            "classes": json.dumps(classes, ensure_ascii=False),
            "neighbors": json.dumps(neighbors, ensure_ascii=False),
            "path": " > ".join(self.path) or None,
            "shared": self.shared,
        }


def decide(
    label: str,
    kind: LabelKind,
    classes: Sequence[str],
    probabilities: NDArray[np.floating],
    *,
    top: int,
    min_confidence: float = 0.0,
) -> Output:
    """Decide on the predicted class or classes of a multiclass or multilabel label.

    Args:
        label: Its name.
        kind: Its kind.
        classes: K names.
        probabilities: Of the classes, (K,).
        top: Number of classes to list.
        min_confidence: Abstain if no class is this probable.
    """
    order = np.argsort(-probabilities, kind="stable")
    listed = tuple(ClassProbability(classes[k], float(probabilities[k])) for k in order[:top])
    best = listed[0]
    predicted: Value = best.name if best.probability >= min_confidence else None
    if kind == LabelKind.MULTILABEL:
        least = min_confidence or LIKELY
        predicted = [classes[k] for k in order if probabilities[k] >= least] or None
    return Output(
        label=label, kind=kind, predicted=predicted, classes=listed, confidence=best.probability
    )


def compare(kind: LabelKind, predicted: Value, catalog: Value) -> bool | None:
    """Return whether a prediction agrees with the catalog; None if that cannot be said."""
    if kind == LabelKind.NUMBER or predicted is None or catalog is None:
        return None
    if isinstance(predicted, list) and isinstance(catalog, list):
        return set(predicted) == set(catalog)
    return predicted == catalog


def as_text(value: Value) -> str:
    """Return a value as text; "" for None."""
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:.6g}" if isinstance(value, float) else value or ""
