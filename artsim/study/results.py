"""What a study finds: plain values that a page, a table or JSON can be made of.

Every score stands beside the split that it was measured on. Shares are between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = [
    "Bin",
    "ClassScore",
    "Confusion",
    "Corner",
    "Coverage",
    "Curve",
    "Estimate",
    "Evidence",
    "FieldFacts",
    "Grouped",
    "Hubs",
    "Judgment",
    "LabelStudy",
    "Layout",
    "Mistake",
    "Outlier",
    "Outliers",
    "Retrieved",
    "RunStudy",
    "SplitFacts",
    "Study",
    "Tap",
    "TaskStudy",
    "Way",
    "Work",
]


@dataclass(frozen=True)
class Estimate:
    """A score with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Work:
    """A picture of the index."""

    id: str
    image: str  # a path that opens from here, or an URL
    title: str | None = None  # what the catalog calls it


@dataclass(frozen=True)
class Evidence:
    """A picture that is near another, and its class."""

    work: Work
    class_: str
    score: float  # cosine
    rank: int  # from 1, among the pictures that were searched


@dataclass(frozen=True)
class Way:
    """One way to tell a label, and how well it does."""

    name: str
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class SplitFacts:
    """The pictures learned from, those that choose and those that judge, and what they share."""

    way: str  # how they were drawn, for people
    train: int
    validation: int
    test: int
    notes: tuple[str, ...]
    leaks: dict[str, int]  # test pictures given away by the others, by kind; what was looked for
    unhashed: int  # pictures that cannot be compared by their looks


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Validation scores along a setting; the best one is asked about the test pictures."""

    setting: str
    values: tuple[float, ...]
    scores: tuple[float, ...]  # on validation
    chosen: float


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """How well one class is told."""

    class_: str
    learned: int  # pictures of train and validation
    tested: int
    right: int
    recall: Estimate | None  # Wilson; None without a test picture
    precision: Estimate | None  # Wilson; None where it is never predicted
    taken_for: str | None  # the wrong class that is predicted most
    times: int


@dataclass(frozen=True)
class Confusion:
    """Test pictures of one class that are taken for another, or for their own."""

    truth: str
    predicted: str
    count: int


@dataclass(frozen=True)
class Bin:
    """Predictions that are about as sure."""

    low: float
    high: float
    count: int
    confidence: float  # mean probability of what is predicted
    right: Estimate  # Wilson


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A test picture that is told wrongly, and its nearest pictures among those learned from."""

    work: Work
    truth: str
    predicted: str
    probability: float  # of what is predicted
    truth_probability: float
    neighbors: tuple[Evidence, ...]
    nearest_of_truth: Evidence | None  # None where none of its class was learned from


@dataclass(frozen=True, kw_only=True)
class Corner:
    """The test pictures that share a value of a column."""

    value: str
    count: int
    right: Estimate  # Wilson
    expected: float  # share right if each class were told here as it is everywhere
    weak: bool  # the interval lies below the share right of all test pictures


@dataclass(frozen=True)
class Coverage:
    """How well the pictures of each value of a column are told."""

    column: str
    corners: tuple[Corner, ...]  # the weakest first


@dataclass(frozen=True, kw_only=True)
class Judgment:
    """Predictions for the test pictures, looked at from all sides."""

    source: str  # what made them, for people
    top1: Estimate  # Wilson
    top5: float
    macro_f1: float
    balanced_accuracy: float
    kappa: float
    classes: tuple[ClassScore, ...]
    confusions: tuple[Confusion, ...]  # every pair that occurs, right ones too
    bins: tuple[Bin, ...]
    mistakes: tuple[Mistake, ...]  # the surest first
    coverage: tuple[Coverage, ...]


@dataclass(frozen=True, kw_only=True)
class Outlier:
    """A picture that its label does not fit, by a model that did not learn from it."""

    work: Work
    class_: str  # what the catalog says
    probability: float  # of that
    predicted: str
    predicted_probability: float
    agreement: float  # share of its nearest others that are of its class
    neighbors: tuple[Evidence, ...]


@dataclass(frozen=True, kw_only=True)
class Outliers:
    """The pictures that fit their label least, of all that have one."""

    folds: int
    neighbors: int  # that agreement counts
    asked: int
    unlike: int  # pictures of which both probability and agreement are below 5 %
    works: tuple[Outlier, ...]  # the least fitting first


@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """How much of its class each picture brings up when it is asked for others."""

    queries: int
    scores: dict[str, float]  # means over the queries
    told_apart: float | None  # how often a pair of one class is more alike than one of two
    true_pairs: tuple[float, ...]  # quantiles of cosines
    other_pairs: tuple[float, ...]
    quantiles: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Grouped:
    """A label judged again on a split that keeps each group, say an artist, on one side."""

    group: str
    split: SplitFacts | None  # None where there can be no such split
    ways: tuple[Way, ...]
    tied: float | None  # share of the pictures whose class is the usual one of their group
    known: int  # test pictures of the ordinary split whose group was learned from
    reason: str | None = None  # why there can be none


@dataclass(frozen=True, kw_only=True)
class LabelStudy:
    """All about one label."""

    name: str
    kind: str  # classes, members or number
    metric: str  # top1, mAP or MAE
    counts: dict[str, int]  # pictures of each class, the most common first; empty of numbers
    labeled: int  # pictures that have the label
    split: SplitFacts
    ways: tuple[Way, ...]
    metadata: tuple[str, ...]  # columns that one of the ways knows alone
    k: int
    strength: float
    curves: tuple[Curve, ...]
    judgment: Judgment | None  # of labels of one class a picture
    outliers: Outliers | None  # likewise
    retrieved: Retrieved | None
    grouped: Grouped | None

    def way(self, name: str) -> Estimate:
        """Return how well one way does."""
        return next(way.estimate for way in self.ways if way.name == name)


@dataclass(frozen=True)
class FieldFacts:
    """A column of the catalog, or a derived label."""

    name: str
    type: str
    missing: int
    distinct: int
    not_a_label: str | None  # why it is none


@dataclass(frozen=True)
class Tap:
    """A vector column of the index."""

    name: str
    layer: str
    pooling: str
    dim: int


@dataclass(frozen=True, kw_only=True)
class Hubs:
    """Pictures that are a neighbor of far too many others."""

    k: int
    skew: float | None  # of the occurrences; None where all are alike
    orphans: int  # pictures that are no other's neighbor
    most: tuple[tuple[Work, int], ...]  # with how many have it among their k nearest


@dataclass(frozen=True, kw_only=True)
class Layout:
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
    taps: tuple[Tap, ...]
    tap: str
    labels: tuple[LabelStudy, ...]
    not_studied: dict[str, str]  # labels that could not be, and why
    hubs: Hubs
    layout: Layout
    seed: int
    versions: dict[str, str]

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield it as plain values: the collection, then one record a label."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        for apart in ("labels", "layout", "fields", "taps", "hubs"):
            own.pop(apart)
        yield {
            "kind": "collection",
            **own,
            "fields": [asdict(field) for field in self.fields],
            "taps": [asdict(tap) for tap in self.taps],
            "hubs": asdict(self.hubs),
        }
        for label in self.labels:
            values = asdict(label)
            yield {"kind": "label", "label": values.pop("name"), "of": values.pop("kind"), **values}


@dataclass(frozen=True, kw_only=True)
class TaskStudy:
    """What a training reached on one of its tasks."""

    name: str
    metric: str  # top1 or mAP
    sizes: tuple[int, int, int]  # pictures learned from, to choose by, and to test on
    split: str  # how they were drawn, for people
    notes: tuple[str, ...]
    learned: float | None  # the score on the pictures learned from; None of none
    chosen: float | None  # and on those to choose by
    ways: tuple[Way, ...]  # on the test pictures: the network first, then what it stands beside
    metadata: tuple[str, ...]  # columns that one of the ways knows alone
    k: int
    classes: tuple[ClassScore, ...]
    judgment: Judgment | None  # of one class a picture


@dataclass(frozen=True, kw_only=True)
class RunStudy:
    """All about a run of a recipe."""

    name: str  # of its folder
    recipe: str
    facts: str  # parameters, steps and seed, for people
    notes: tuple[str, ...]
    tasks: tuple[TaskStudy, ...]
    curves: dict[str, list[dict[str, float]]]  # by network, '' of the only one: an epoch each
    retrieved: tuple[dict[str, Any], ...]  # of recipes that compare ways of finding alike works
    settings: dict[str, str]
    version: str  # of artsim
