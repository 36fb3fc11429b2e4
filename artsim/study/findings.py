"""What a study finds in predictions: plain values for a page, a table or JSON.

Shares are between 0 and 1. Every score is of the test pictures of one split.
"""

from __future__ import annotations

from dataclasses import dataclass

from artsim.datatypes import Estimate


@dataclass(frozen=True)
class Work:
    """A picture of the index."""

    id: str
    image: str | None  # a path that opens from here, or a URL; None: see `Store.roots`
    title: str | None = None  # from the catalog

    @property
    def name(self) -> str:
        """The title with the id, or the id alone."""
        return f"{self.title} ({self.id})" if self.title else self.id


@dataclass(frozen=True)
class Neighbor:
    """A picture that is similar to another, and its class."""

    work: Work
    class_: str
    score: float  # cosine
    rank: int  # from 1, among the pictures that were searched


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """How well one class is predicted."""

    class_: str
    train: int  # pictures of the training and validation set
    test: int
    correct: int
    recall: Estimate | None  # None without a test picture
    precision: Estimate | None  # None if the class is never predicted
    confused_with: str | None  # the wrong class predicted most often
    confused: int  # how often


@dataclass(frozen=True)
class Confusion:
    """Test pictures of one class predicted as another, or as their own."""

    truth: str
    predicted: str
    count: int


@dataclass(frozen=True)
class CalibrationBin:
    """Predictions of about the same confidence."""

    low: float
    high: float
    count: int
    confidence: float  # mean probability of the predicted class
    accuracy: Estimate


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """A picture that a model predicts as another class than it is cataloged as."""

    work: Work
    truth: str  # the cataloged class
    predicted: str
    probability: float  # of the predicted class
    truth_probability: float
    neighbors: tuple[Neighbor, ...]

    @property
    def shown(self) -> tuple[Neighbor, ...]:
        """The neighbors to show."""
        return self.neighbors


@dataclass(frozen=True, kw_only=True)
class PredictionError(Misfit):
    """A test picture whose class is predicted wrong, and its nearest training pictures."""

    nearest_of_truth: Neighbor | None  # None if none of its class is in the training set

    @property
    def shown(self) -> tuple[Neighbor, ...]:
        """The neighbors, then the nearest one of the true class if it is not among them."""
        nearest = self.nearest_of_truth
        extra = () if nearest is None or nearest in self.neighbors else (nearest,)
        return (*self.neighbors, *extra)


@dataclass(frozen=True, kw_only=True)
class Slice:
    """The test pictures that share a value of a column."""

    value: str
    count: int
    accuracy: Estimate
    expected: float  # accuracy if each class were predicted here as well as everywhere
    weak: bool  # the interval is below the accuracy over all test pictures


@dataclass(frozen=True)
class ColumnSlices:
    """How well the pictures of each value of a column are predicted."""

    column: str
    slices: tuple[Slice, ...]  # the weakest first

    @property
    def weak(self) -> int:
        """How many slices are weak."""
        return sum(each.weak for each in self.slices)


@dataclass(frozen=True, kw_only=True)
class PredictionStudy:
    """The predictions for the test pictures of a label: what is right, what is wrong, and where."""

    source: str  # what made them, for people
    accuracy: Estimate
    top5: float
    macro_f1: float
    balanced_accuracy: float
    kappa: float
    ece: float  # expected calibration error
    brier: float
    classes: tuple[ClassScore, ...]
    confusions: tuple[Confusion, ...]  # every pair that occurs, correct ones too
    calibration: tuple[CalibrationBin, ...]
    errors: tuple[PredictionError, ...]  # the most confident first
    columns: tuple[ColumnSlices, ...]

    @property
    def wrong(self) -> int:
        """How many test pictures are predicted wrong."""
        return sum(each.test - each.correct for each in self.classes)

    @property
    def weakest(self) -> list[tuple[str, Slice]]:
        """The weak slices with their columns, the least accurate first."""
        weak = [(each.column, one) for each in self.columns for one in each.slices if one.weak]
        return sorted(weak, key=lambda pair: pair[1].accuracy.value)

    @property
    def confused(self) -> list[Confusion]:
        """The pairs of different classes, the most frequent first."""
        wrong = [each for each in self.confusions if each.truth != each.predicted]
        return sorted(wrong, key=lambda each: (-each.count, each.truth, each.predicted))


@dataclass(frozen=True, kw_only=True)
class Outlier(Misfit):
    """A picture whose label is unlikely to a model that was not trained on it."""

    agreement: float  # share of its nearest other pictures that have its class


@dataclass(frozen=True, kw_only=True)
class Outliers:
    """The pictures that fit their label least, of all that have one."""

    folds: int
    neighbors: int  # that agreement counts
    checked: int
    doubtful: int  # pictures with both probability and agreement below 5%
    works: tuple[Outlier, ...]  # the least fitting first
