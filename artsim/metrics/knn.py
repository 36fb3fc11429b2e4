"""kNN evaluation of frozen vectors: how well neighbors know a label of any kind.

One search at the largest k serves every k and temperature, and every label that the same rows
have. Where there are validation rows they choose k and temperature, and the test rows are asked
once, with these; else every k is shown and none is called the best.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.labels import Label, LabelKind
from artsim.metrics import scores as metrics
from artsim.metrics.hubness import Hubness, hubness
from artsim.metrics.knn_members import KnnMemberScore, judge_members
from artsim.metrics.knn_values import KnnValueScore, judge_values
from artsim.metrics.neighbors import BUDGET_BYTES, NO_ROW, Neighbors, check_unit_vectors, nearest
from artsim.metrics.votes import TEMPERATURE, Votes, vote

__all__ = [
    "DINO_KS",
    "KS",
    "AnyScore",
    "Evaluation",
    "KnnEvaluation",
    "KnnScore",
    "MemberEvaluation",
    "ValueEvaluation",
    "evaluate",
]

KS = (1, 5, 10, 20, 100, 200)
DINO_KS = (10, 20, 100, 200)  # https://github.com/facebookresearch/dino, eval_knn.py

Rows = NDArray[np.int64]
Codes = NDArray[np.integer]


@dataclass(frozen=True, kw_only=True)
class KnnScore:
    """How well k neighbors know a label of one class a row."""

    k: int
    temperature: float | None  # None: every neighbor has one vote
    top1: float
    top5: float
    macro_f1: float
    balanced_accuracy: float
    kappa: float  # Cohen's
    majority: float  # top-1 of always answering with the bank's most common class
    n: int  # queries
    interval: tuple[float, float]  # 95 % bootstrap interval of top1
    votes: Votes

    @property
    def quality(self) -> float:
        """What validation chooses by: more is better."""
        return self.top1


AnyScore = KnnScore | KnnMemberScore | KnnValueScore


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What the evaluation of any label found; rows are those of the vectors it was given."""

    label: str
    query_rows: Rows  # (n,)
    neighbors: Neighbors  # (n, largest k); the first k of a row are those that vote
    chosen_on: int  # validation rows that chose k and temperature; 0: nobody did
    left_out: tuple[int, ...]  # ks for which no query has enough neighbors
    bank_size: int
    hubness: Hubness
    seed: int


@dataclass(frozen=True, kw_only=True)
class KnnEvaluation(Evaluation):
    """Of a label of one class a row."""

    classes: tuple[str, ...]  # what the class codes stand for
    truth: NDArray[np.int64]  # (n,) class codes
    unreachable: int  # queries whose class no possible neighbor has: wrong at every k
    scores: tuple[KnnScore, ...]  # one a k and temperature, or the one that was chosen


@dataclass(frozen=True, kw_only=True)
class MemberEvaluation(Evaluation):
    """Of a label of which a row may have several."""

    truth: Label  # of the n queries
    scores: tuple[KnnMemberScore, ...]


@dataclass(frozen=True, kw_only=True)
class ValueEvaluation(Evaluation):
    """Of numbers or year ranges."""

    truth: Label  # of the n queries
    scores: tuple[KnnValueScore, ...]


def evaluate(
    vectors: NDArray[np.floating],
    labels: Mapping[str, Label],
    *,
    train: Codes | None = None,
    validation: Codes | None = None,
    test: Codes | None = None,
    groups: Codes | None = None,
    ks: Sequence[int] = KS,
    temperatures: Sequence[float | None] = (TEMPERATURE,),
    search: Callable[..., Neighbors] = nearest,
    seed: int = 0,
    budget_bytes: int = BUDGET_BYTES,
    device: str | torch.device = "cpu",
) -> Iterator[KnnEvaluation | MemberEvaluation | ValueEvaluation]:
    """Evaluate kNN on each label, leave-one-out or from train to test.

    Rows without the label take no part, neither as queries nor as neighbors. Labels that the
    same rows have share one search.

    Args:
        vectors: Unit vectors, shape (N, D).
        labels: For each label name its N values.
        train: Rows that may be neighbors. Without train and test every row asks all others.
        validation: Rows that choose among the ks and temperatures, by top-1, mean average
            precision or mean absolute error; of equally good ones the first temperature and the
            smallest k.
        test: Rows that ask.
        groups: Group codes, shape (N,) or (N, G), say artists and copies; rows that share one in
            any column are never neighbors. -1 is no group.
        ks: Numbers of neighbors. Those that no query has are left out.
        temperatures: Of the vote; None: every neighbor has one, see `votes.vote`.
        search: `nearest`, or what corrects for hubs: `hubness.csls`, `hubness.mutual_proximity`.
        seed: Of the bootstrap intervals.
        budget_bytes: Memory for similarities, see `nearest`.
        device: Where they are computed.

    Raises:
        EvaluationError: If a label has one class or too few rows, a side of the split is empty,
            sides share rows, lengths differ, every k is too large, or vectors are not finite unit
            vectors.
    """
    ks = sorted(set(ks))
    if not ks or ks[0] < 1:
        raise EvaluationError(f"ks must be numbers of neighbors, at least 1, got {list(ks)}")
    check_unit_vectors(vectors, "the vectors")
    sides = _sides(len(vectors), train, validation, test)
    if groups is not None and len(groups) != len(vectors):
        raise EvaluationError(f"groups has {len(groups)} values for {len(vectors)} vectors")
    searched: dict[bytes, Neighbors] = {}  # by the rows that have a label

    def find(bank: Rows, queries: Rows) -> Neighbors:
        key = bank.tobytes() + b"|" + queries.tobytes()
        if key not in searched:
            searched[key] = _search(
                vectors, bank, queries, groups, ks[-1], search, budget_bytes, device
            )
        return searched[key]

    for name, values in labels.items():
        known = values.known
        if len(known) != len(vectors):
            raise EvaluationError(
                f"label {name!r} has {len(known)} values for {len(vectors)} vectors"
            )
        bank, choosers, queries = (rows[known[rows]] for rows in sides)
        _check_label(name, values, bank, queries, leave_one_out=train is None)
        neighbors = find(bank, queries)
        possible = _check_ks(name, ks, neighbors)
        settings = [(k, t) for t in temperatures for k in ks if k <= possible]
        chosen_on = len(choosers) if len(settings) > 1 else 0
        if chosen_on:
            found = find(bank, choosers)
            judge = _judge(values, bank, choosers, seed)
            # max() keeps the first of equals
            settings = [max(settings, key=lambda each: judge(found, *each).quality)]
        common = Evaluation(
            label=name,
            query_rows=queries,
            neighbors=neighbors,
            chosen_on=chosen_on,
            left_out=tuple(k for k in ks if k > possible),
            bank_size=len(bank),
            hubness=hubness(neighbors, bank),
            seed=seed,
        )
        judge = _judge(values, bank, queries, seed)
        scores = tuple(judge(neighbors, *setting) for setting in settings)
        if values.kind == LabelKind.MULTICLASS:
            yield KnnEvaluation(
                **vars(common),
                classes=values.classes,
                truth=values.strata[queries],
                unreachable=_count_unreachable(values.strata, bank, queries, groups),
                scores=scores,
            )
        elif values.kind == LabelKind.MULTILABEL:
            yield MemberEvaluation(**vars(common), truth=values.take(queries), scores=scores)
        else:
            yield ValueEvaluation(**vars(common), truth=values.take(queries), scores=scores)


def _judge(values: Label, bank: Rows, queries: Rows, seed: int) -> Callable[..., Any]:
    """Return what scores neighbors of the queries at a k and a temperature."""
    if values.kind == LabelKind.MULTICLASS:
        codes = values.strata
        return lambda found, k, t: _judge_classes(found, codes, bank, queries, k, t, seed)
    if values.kind == LabelKind.MULTILABEL:
        truth = values.take(queries)
        return lambda found, k, t: judge_members(found, values, truth, k, t, seed=seed)
    numbers, ranges = values.numbers, values.take(queries)
    return lambda found, k, t: judge_values(found, numbers, ranges, numbers[bank], k, t, seed=seed)


def _judge_classes(
    neighbors: Neighbors,
    codes: NDArray[np.int64],
    bank: Rows,
    queries: Rows,
    k: int,
    temperature: float | None,
    seed: int,
) -> KnnScore:
    votes = vote(neighbors, codes, k, temperature=temperature)
    truth, predicted = codes[queries], votes.classes[:, 0]
    right = int((predicted == truth).sum())
    return KnnScore(
        k=k,
        temperature=temperature,
        top1=metrics.accuracy(truth, predicted),
        top5=metrics.top_accuracy(truth, votes.classes),
        macro_f1=metrics.macro_f1(truth, predicted),
        balanced_accuracy=metrics.balanced_accuracy(truth, predicted),
        kappa=metrics.cohen_kappa(truth, predicted),
        majority=metrics.majority_share(codes[bank], truth),
        n=len(truth),
        interval=metrics.accuracy_interval(right, len(truth), seed=seed),
        votes=votes,
    )


def _search(
    vectors: NDArray[np.floating],
    bank: Rows,
    queries: Rows,
    groups: Codes | None,
    k: int,
    search: Callable[..., Neighbors],
    budget_bytes: int,
    device: str | torch.device,
) -> Neighbors:
    """Find the neighbors of some rows among others, in the numbering of all rows."""
    whole = len(bank) == len(vectors)
    bank_vectors = vectors if whole else vectors[bank]
    alone = np.array_equal(bank, queries)
    found = search(
        bank_vectors if alone else vectors[queries],
        bank_vectors,
        min(k, len(bank)),
        exclude=np.arange(len(bank)) if alone else None,
        query_groups=None if groups is None else groups[queries],
        bank_groups=None if groups is None else groups[bank],
        budget_bytes=budget_bytes,
        device=device,
    )
    return Neighbors(found.scores, np.where(found.rows == NO_ROW, NO_ROW, bank[found.rows]))


def _check_ks(name: str, ks: Sequence[int], neighbors: Neighbors) -> int:
    """Return the most neighbors that any query has, which is enough for one k at least."""
    possible = int((neighbors.rows != NO_ROW).sum(axis=1).max())
    if possible == 0:
        raise EvaluationError(
            f"no row with a {name!r} has a neighbor outside its own group; group by another column"
        )
    if ks[0] > possible:
        raise EvaluationError(
            f"k = {', '.join(map(str, ks))} is more than the {possible} neighbors that a row with "
            f"a {name!r} can have; take a smaller k"
        )
    return possible


def _count_unreachable(
    codes: NDArray[np.int64], bank: Rows, queries: Rows, groups: Codes | None
) -> int:
    """Count the queries whose class no row has that may be their neighbor.

    Rows of a query's class are masked where they share a group in any column, or are itself. How
    many do is counted by inclusion and exclusion over the columns.
    """
    itself = np.arange(len(codes))
    columns = [itself]  # a row is alone in a group of its own
    for column in () if groups is None else groups.reshape(len(codes), -1).T:
        # without a group it is so in this column too
        columns.append(np.where(column < 0, -1 - itself, column))
    masked = np.zeros(len(queries), dtype=np.int64)
    for size in range(1, len(columns) + 1):
        for some in itertools.combinations(columns, size):
            shared = codes
            for column in some:  # the class and these groups as one number
                shared = np.unique(np.stack([shared, column]), axis=1, return_inverse=True)[1]
            counts = np.bincount(shared[bank], minlength=len(codes))
            masked += (-1) ** (size + 1) * counts[shared[queries]]
    known = np.bincount(codes[bank], minlength=codes.max() + 1)[codes[queries]]
    return int((known == masked).sum())


def _sides(
    n: int, train: Codes | None, validation: Codes | None, test: Codes | None
) -> tuple[Rows, Rows, Rows]:
    """Settle which rows may be neighbors, which choose and which ask."""
    if train is None or test is None:
        if not (train is None and validation is None and test is None):
            raise EvaluationError("a split needs both its train and its test rows")
        return np.arange(n), np.arange(0), np.arange(n)
    sides = {"train": train, "validation": np.arange(0), "test": test}
    if validation is not None:
        sides["validation"] = validation
    for name, rows in sides.items():
        if not len(rows) and (name != "validation" or validation is not None):
            raise EvaluationError(f"the split has no {name} rows")
        if len(rows) and (rows.min() < 0 or rows.max() >= n):
            odd = rows[(rows < 0) | (rows >= n)][0]
            raise EvaluationError(f"{name} rows must be between 0 and {n - 1}, got {odd}")
    for one, other in itertools.combinations(sides, 2):
        both = np.intersect1d(sides[one], sides[other])
        if len(both):
            raise EvaluationError(
                f"{len(both)} {other} rows are in {one} too, the first is row {both[0]}; "
                "a row belongs to one side"
            )
    bank, choosers, queries = (np.unique(rows).astype(np.int64) for rows in sides.values())
    return bank, choosers, queries


def _check_label(
    name: str, values: Label, bank: Rows, queries: Rows, *, leave_one_out: bool
) -> None:
    """Refuse a label that nothing can be learned of."""
    several = values.kind != LabelKind.NUMBER
    if not several:
        kinds = [f"{number:g}" for number in np.unique(values.numbers[values.known])[:2]]
    else:
        kinds = [repr(each) for each in values.classes[:2]]
    noun, need = ("class", "classes") if several else ("value", "values")
    if len(kinds) < 2:
        had = f"one {noun}, {kinds[0]}" if kinds else "no values"
        raise EvaluationError(f"label {name!r} has {had}; at least two {need} are needed")
    for side, rows in (("train", bank), ("test", queries)):
        if not len(rows):
            row = "row that takes part" if leave_one_out else f"{side} row"
            raise EvaluationError(f"no {row} has a {name!r}; choose another split or label")
    if values.kind == LabelKind.MULTICLASS and len(np.unique(values.strata[bank])) < 2:
        only = values.classes[values.strata[bank[0]]]
        raise EvaluationError(
            f"all train rows have the {name!r} {only!r}; at least two classes are needed"
        )
