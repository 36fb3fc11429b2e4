"""What a kNN evaluation measures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from artsim.errors import EvaluationError
from artsim.labels.trees import Hierarchy
from artsim.metrics import KNN_KS, MET_KS, TEMPERATURE
from artsim.splits import SplitChoice

QUERIES = 100_000  # of a label: its share of right answers is then known to 0.3%


class Protocol(StrEnum):
    """How neighbors predict and are scored."""

    PLAIN = "plain"  # each of the k nearest has one vote
    DINO = "dino"  # each votes with exp(cosine / 0.07)
    MET = "met"  # whitened vectors, the nearest neighbor's class and confidence, scored by GAP


class Unlabeled(StrEnum):
    """What pictures without the label are among the possible neighbors."""

    LEAVE_OUT = "leave-out"  # they are none
    COUNT = "count"  # they are neighbors that are wrong, as in a catalog that lacks labels


class Correction(StrEnum):
    """How a search is corrected for hubs, see `artsim.metrics.hubs`."""

    CSLS = "csls"
    MUTUAL_PROXIMITY = "mutual-proximity"


@dataclass(frozen=True, kw_only=True)
class KnnPlan(SplitChoice):
    """Which labels are evaluated, on which split (leave-one-out without one), and how."""

    tap: str
    labels: tuple[str, ...] = ()  # columns, derived labels; all with one class a row if empty
    keep_qualified: bool = False  # values such as "after Rembrandt" are labels too
    groups: tuple[str, ...] = ()  # columns, near-duplicate: rows that share a value never match
    protocol: Protocol = Protocol.DINO
    ks: tuple[int, ...] = ()  # the protocol's default if empty
    temperatures: tuple[float, ...] = ()  # of dino; its default if empty
    unlabeled: Unlabeled = Unlabeled.LEAVE_OUT
    queries: int = QUERIES  # test rows evaluated; of more so many are drawn
    correct: Correction | None = None
    hierarchy: Hierarchy | None = None  # of the classes: labels that it has are scored by it too

    def __post_init__(self) -> None:
        if self.temperatures and self.protocol != Protocol.DINO:
            raise EvaluationError(
                f"the protocol '{self.protocol}' has no temperature; leave it out, or take 'dino'"
            )
        if self.correct is not None and self.protocol == Protocol.MET:
            raise EvaluationError(
                f"the protocol 'met' whitens vectors and is not corrected by '{self.correct}'; "
                "take 'dino' or 'plain'"
            )
        if self.hierarchy is not None and self.protocol == Protocol.MET:
            raise EvaluationError(
                "the protocol 'met' is scored by GAP alone; leave out --hierarchy, or take 'dino' "
                "or 'plain'"
            )
        if self.unlabeled == Unlabeled.COUNT and self.protocol == Protocol.MET:
            raise EvaluationError(
                "the protocol 'met' has no neighbors without a class; leave out --unlabeled, or "
                "take 'dino' or 'plain'"
            )
        if self.protocol == Protocol.MET and self.split is None:
            raise EvaluationError(
                "the protocol 'met' needs a split with train, val and test; draw one with "
                "'artsim split --fractions 70/10/20'"
            )

    @property
    def numbers_of_neighbors(self) -> tuple[int, ...]:
        """The ks of the plan, or the protocol's default."""
        return self.ks or (MET_KS if self.protocol == Protocol.MET else KNN_KS)

    @property
    def vote_temperatures(self) -> tuple[float | None, ...]:
        """The temperatures of the plan, or the protocol's default; None: all votes are equal."""
        return (None,) if self.protocol == Protocol.PLAIN else self.temperatures or (TEMPERATURE,)
