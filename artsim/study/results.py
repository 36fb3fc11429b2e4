"""What the study of an index, and that of a run, find: plain values for a page, a table or JSON.

Every score comes with the split that it was measured on. Shares are between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Estimate, TapInfo
from artsim.evaluation.hierarchy import BackOff
from artsim.metrics import Difference, HierarchyScores
from artsim.study.findings import ClassScore, Outliers, PredictionStudy, Work


@dataclass(frozen=True)
class MethodScore:
    """How well one method predicts a label."""

    name: str
    estimate: Estimate
    macro_f1: float | None = None  # None of other kinds of labels


class Compared:
    """Something that several methods predict."""

    methods: tuple[MethodScore, ...]

    def method(self, name: str) -> Estimate | None:
        """Return the score of one method, if it has one."""
        return next((each.estimate for each in self.methods if each.name == name), None)


@dataclass(frozen=True, kw_only=True)
class SplitFacts:
    """The sizes of a split, and what its sets share."""

    name: str  # of a stored split or column; "ordinary" for one drawn for this study
    description: str  # how it was made, for people
    train: int
    validation: int
    test: int
    notes: tuple[str, ...]
    leaks: dict[str, int]  # test pictures with a copy in the other sets, by kind
    unhashed: int  # pictures that cannot be compared by their looks

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return "ordinary split" if self.name == "ordinary" else f"split {self.name!r}"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Validation scores along a setting; the best one is used on the test set."""

    setting: str
    values: tuple[float, ...]
    scores: tuple[float, ...]  # on the validation set
    chosen: float


@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """How much of its class each picture retrieves as a query."""

    queries: int
    scores: dict[str, float]  # means over the queries
    auc: float | None  # how often a pair of one class is more similar than one of two
    same_pairs: tuple[float, ...]  # quantiles of cosines
    other_pairs: tuple[float, ...]
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class Grouped(Compared):
    """A label evaluated again on a split that keeps each group, say an artist, in one set."""

    group: str
    split: SplitFacts | None  # None if there can be no such split
    methods: tuple[MethodScore, ...]
    purity: float | None  # share of the pictures whose class is the most common one of their group
    seen: int  # test pictures of the ordinary split whose group is in its training set
    change: Difference | None = None  # of the probe's score, from the ordinary split to this one
    reason: str | None = None  # why there can be none


@dataclass(frozen=True, kw_only=True)
class HierarchyStudy:
    """How far down the hierarchy of its classes a label is predicted."""

    source: str
    notes: tuple[str, ...]
    scores: HierarchyScores  # of the predicted classes
    backed_off: BackOff | None  # of the deepest class that is sure enough; None: several a picture


@dataclass(frozen=True, kw_only=True)
class LabelStudy(Compared):
    """All about one label."""

    name: str
    kind: str  # multiclass, multilabel or number
    metric: str  # top1, mAP or MAE
    counts: dict[str, int]  # pictures of each class, the most common first; empty for numbers
    labeled: int  # pictures that have the label
    split: SplitFacts
    methods: tuple[MethodScore, ...]
    metadata: tuple[str, ...]  # columns that the metadata baseline uses
    k: int
    strength: float
    curves: tuple[Curve, ...]
    predictions: PredictionStudy | None  # of multiclass labels
    outliers: Outliers | None  # likewise
    retrieved: Retrieved | None
    grouped: Grouped | None
    hierarchy: HierarchyStudy | None = None  # of the probe


@dataclass(frozen=True)
class FieldFacts:
    """A column of the catalog, or a derived label."""

    name: str
    type: str
    missing: int
    distinct: int
    not_a_label: str | None  # why it is none


@dataclass(frozen=True, kw_only=True)
class Hubs:
    """Pictures that are among the nearest neighbors of far too many others."""

    k: int
    skew: float | None  # of the occurrences; None if all are equal
    orphans: int  # pictures that are no other's neighbor
    most: tuple[tuple[Work, int], ...]  # with how many have it among their k nearest


@dataclass(frozen=True, kw_only=True)
class VectorMap:
    """The vectors on a plane."""

    method: str  # for people
    rows: tuple[int, ...]  # of the index
    x: tuple[float, ...]
    y: tuple[float, ...]
    classes: dict[str, tuple[str | None, ...]]  # by label, of each point


@dataclass(frozen=True, kw_only=True)
class Study:
    """All about an index."""

    name: str
    reader: str
    source: str
    updated: str
    rows: int
    complete: bool
    fields: tuple[FieldFacts, ...]
    failures: dict[str, int]  # by stage
    failure_examples: tuple[tuple[str, str], ...]  # id or image, reason
    spec: str
    weights: str
    preprocessing: str
    taps: tuple[TapInfo, ...]
    tap: str
    labels: tuple[LabelStudy, ...]
    skipped: dict[str, str]  # labels that could not be studied, and why
    hubs: Hubs
    map: VectorMap
    seed: int
    versions: dict[str, str]

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield it as plain values: the collection, then one record per label."""
        own = asdict(self)
        del own["map"]
        labels = own.pop("labels")
        yield {"kind": "collection", **own}
        for values in labels:
            yield {"kind": "label", "label": values.pop("name"), "of": values.pop("kind"), **values}


@dataclass(frozen=True, kw_only=True)
class TaskStudy(Compared):
    """What a training reached on one of its tasks."""

    name: str
    metric: str  # top1 or mAP
    sizes: tuple[int, int, int]  # pictures of the training, validation and test set
    split: str  # how it was made, for people
    notes: tuple[str, ...]
    train_score: float | None  # None if not measured
    validation_score: float | None
    methods: tuple[MethodScore, ...]  # on the test set: the network, then its baselines
    metadata: tuple[str, ...]  # columns that the metadata baseline uses
    k: int
    classes: tuple[ClassScore, ...]
    predictions: PredictionStudy | None  # of multiclass labels


@dataclass(frozen=True, kw_only=True)
class RunStudy:
    """All about a run of a recipe."""

    name: str  # of its folder
    recipe: str
    facts: str  # parameters, steps and seed, for people
    notes: tuple[str, ...]
    tasks: tuple[TaskStudy, ...]
    curves: dict[str, list[dict[str, float]]]  # by network, '' of the only one: an epoch each
    retrieved: tuple[dict[str, Any], ...]  # of recipes that compare methods of similarity search
    settings: dict[str, str]
    version: str  # of artsim
    # Of the pictures that were trained and tested on: megapixels, and width by height.
    sizes: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
