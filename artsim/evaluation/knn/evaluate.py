"""kNN evaluation of labels on a split: one search, every k and temperature, one choice.

One search at the largest k serves every k and temperature, and every label that the same rows
have. Where there are validation rows they choose k and temperature among their neighbors in train;
the test rows are then predicted once, by their neighbors in train and validation. Without
validation rows every k is shown and none is called the best.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.labels import Label, LabelKind
from artsim.metrics import (
    KNN_KS,
    TEMPERATURE,
    Hubness,
    MultilabelVotes,
    Predictions,
    Ranking,
    Votes,
    baseline,
    estimate_main,
    hubness,
    main_metric,
    predict_numbers,
    score,
    vote,
    vote_multilabel,
)
from artsim.metrics.neighbors import NO_ROW, Neighbors, nearest
from artsim.splits import Split

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class KnnSettings:
    """How neighbors are found and vote."""

    ks: Sequence[int] = KNN_KS  # numbers of neighbors; those that no query has are left out
    temperatures: Sequence[float | None] = (TEMPERATURE,)  # None: every neighbor has one vote
    search: Callable[..., Neighbors] = nearest  # or what corrects for hubs, see `metrics.hubness`
    seed: int = 0  # of the bootstrap intervals
    device: str | torch.device = "cpu"  # where similarities are computed

    def __post_init__(self) -> None:
        """Refuse what is no number of neighbors."""
        if not self.ks or min(self.ks) < 1:
            raise EvaluationError(
                f"ks must be numbers of neighbors, at least 1, got {sorted(self.ks)}"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class KnnScore:
    """What k neighbors predict, and how well."""

    k: int
    temperature: float | None  # None: every neighbor has one vote
    predictions: Predictions
    votes: Votes | MultilabelVotes | None  # None: a number

    @cached_property
    def estimate(self) -> Estimate:
        """The main metric of the label's kind."""
        return estimate_main(self.predictions)

    @cached_property
    def metrics(self) -> dict[str, Estimate | float]:
        """Every metric of the label's kind, by name."""
        return score(self.predictions)


@dataclass(frozen=True, kw_only=True, eq=False)
class KnnEvaluation:
    """What the evaluation of a label found; rows are those of the index."""

    label: Label  # of the n queries
    query_rows: Rows  # (n,)
    neighbors: Neighbors  # (n, largest k); the first k of a row are those that vote
    scores: tuple[KnnScore, ...]  # one a k and temperature, or the one that was chosen
    chosen_on: int  # validation rows that chose k and temperature; 0: none did
    left_out: tuple[int, ...]  # ks for which no query has enough neighbors
    unreachable: int  # queries whose class no possible neighbor has: wrong at every k
    bank_size: int  # rows that may be neighbors
    hubness: Hubness
    seed: int

    @property
    def baseline(self) -> Estimate:
        """The main metric of what is predicted without looking at a picture."""
        return baseline(self.scores[0].predictions)


def evaluate(
    vectors: NDArray[np.floating],
    labels: Sequence[Label],
    split: Split,
    settings: KnnSettings = KnnSettings(),
) -> Iterator[KnnEvaluation]:
    """Evaluate kNN on each label.

    Rows without the label take no part, neither as queries nor as neighbors. Of equally good
    settings the first temperature and the smallest k are chosen.

    Args:
        vectors: Unit vectors, shape (N, D).
        labels: Of N rows each.
        split: Rows of train and validation may be neighbors, those of test are queries; rows that
            share a group never are neighbors.
        settings: See there.

    Raises:
        EvaluationError: If a label has one class or too few rows, lengths differ, every k is too
            large, or vectors are not finite unit vectors.
    """
    if split.groups is not None and len(split.groups) != len(vectors):
        raise EvaluationError(f"groups has {len(split.groups)} values for {len(vectors)} vectors")
    ks = sorted(set(settings.ks))
    searched: dict[bytes, Neighbors] = {}  # by the rows that have a label

    def find(bank: Rows, queries: Rows) -> Neighbors:
        key = bank.tobytes() + b"|" + queries.tobytes()
        if key not in searched:
            searched[key] = _search(vectors, bank, queries, split, settings)
        return searched[key]

    for label in labels:
        if len(label) != len(vectors):
            raise EvaluationError(
                f"label {label.name!r} has {len(label)} values for {len(vectors)} vectors"
            )
        train, choosers, bank, queries = (
            np.sort(rows[label.known[rows]])
            for rows in (split.train, split.validation, split.learned, split.test)
        )
        _check_label(label, bank, queries, leave_one_out=split.is_leave_one_out)
        neighbors = find(bank, queries)
        possible = _check_ks(label.name, ks, neighbors)
        choices = [(k, t) for t in settings.temperatures for k in ks if k <= possible]
        chosen_on = len(choosers) if len(choices) > 1 else 0
        if chosen_on:
            tested = _unscored(label, train, choosers, None, settings.seed)
            choices = [_choose(find(train, choosers), label, tested, choices)]
        unscored = _unscored(label, bank, queries, split.resampled, settings.seed)
        yield KnnEvaluation(
            label=label.take(queries),
            query_rows=queries,
            neighbors=neighbors,
            scores=tuple(score_neighbors(neighbors, label, unscored, k, t) for k, t in choices),
            bank_size=len(bank),
            chosen_on=chosen_on,
            left_out=tuple(k for k in ks if k > possible),
            unreachable=_count_unreachable(label, bank, queries, split.groups),
            hubness=hubness(neighbors, bank),
            seed=settings.seed,
        )


def score_neighbors(
    neighbors: Neighbors,
    label: Label,
    unscored: Predictions,
    k: int,
    temperature: float | None = TEMPERATURE,
) -> KnnScore:
    """Predict queries by their k nearest neighbors.

    Args:
        neighbors: Of the queries, in the numbering of the label's rows, shape (Q, at least k).
        label: Of N rows.
        unscored: Truth of the Q queries, and what is learned from; predictions are filled in.
        k: Neighbors that vote.
        temperature: Of the vote, see `artsim.metrics.vote`.
    """
    votes: Votes | MultilabelVotes | None = None
    if label.kind == LabelKind.MULTICLASS:
        votes = vote(neighbors, label.strata, k, temperature=temperature)
        found = replace(unscored, ranked=votes.classes)
    elif label.kind == LabelKind.MULTILABEL:
        votes = vote_multilabel(neighbors, label, k, temperature=temperature)
        listed = (votes.queries, votes.classes, votes.shares)
        truth = unscored.truth
        shape = (len(truth), len(truth.classes))
        found = replace(unscored, ranking=Ranking.listed(truth.row_codes, *listed, shape))
    else:
        numbers = predict_numbers(neighbors, label.numbers, k, temperature=temperature)
        found = replace(unscored, numbers=numbers)
    return KnnScore(k=k, temperature=temperature, predictions=found, votes=votes)


def _unscored(
    label: Label, bank: Rows, queries: Rows, groups: NDArray[np.int64] | None, seed: int
) -> Predictions:
    return Predictions(
        truth=label.take(queries),
        learned=label.take(bank),
        groups=None if groups is None else groups[queries],
        seed=seed,
    )


def _choose(
    found: Neighbors,
    label: Label,
    unscored: Predictions,
    choices: Sequence[tuple[int, float | None]],
) -> tuple[int, float | None]:
    """Choose k and temperature by the score of validation rows."""
    possible = [each for each in choices if each[0] <= found.rows.shape[1]] or choices[:1]
    if len(possible) == 1:
        return possible[0]
    metric = main_metric(label.kind)

    def quality(choice: tuple[int, float | None]) -> float:
        value = metric.compute(score_neighbors(found, label, unscored, *choice).predictions)
        return float(np.nan_to_num(value if metric.higher_is_better else -value))

    return max(possible, key=quality)  # the first of equals


def _search(
    vectors: NDArray[np.floating], bank: Rows, queries: Rows, split: Split, settings: KnnSettings
) -> Neighbors:
    """Find the neighbors of some rows among others, in the numbering of all rows."""
    bank_vectors = vectors if len(bank) == len(vectors) else vectors[bank]
    alone = np.array_equal(bank, queries)
    groups = split.groups
    found = settings.search(
        bank_vectors if alone else vectors[queries],
        bank_vectors,
        min(max(settings.ks), len(bank)),
        exclude=np.arange(len(bank)) if alone else None,
        query_groups=None if groups is None else groups[queries],
        bank_groups=None if groups is None else groups[bank],
        device=settings.device,
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
    label: Label, bank: Rows, queries: Rows, groups: NDArray[np.int64] | None
) -> int:
    """Count the queries whose class no row has that may be their neighbor.

    Rows of a query's class are masked where they share a group in any column, or are itself. How
    many do is counted by inclusion and exclusion over the columns.
    """
    if label.kind != LabelKind.MULTICLASS:
        return 0
    codes = label.strata
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


def _check_label(label: Label, bank: Rows, queries: Rows, *, leave_one_out: bool) -> None:
    """Refuse a label that has nothing to predict."""
    name, several = label.name, label.kind != LabelKind.NUMBER
    kinds = [repr(each) for each in label.classes[:2]]
    if not several:
        kinds = [f"{number:g}" for number in np.unique(label.numbers[label.known])[:2]]
    noun, need = ("class", "classes") if several else ("value", "values")
    if len(kinds) < 2:
        had = f"one {noun}, {kinds[0]}" if kinds else "no values"
        raise EvaluationError(f"label {name!r} has {had}; at least two {need} are needed")
    for part, rows in (("train", bank), ("test", queries)):
        if not len(rows):
            row = "row that takes part" if leave_one_out else f"{part} row"
            raise EvaluationError(f"no {row} has a {name!r}; choose another split or label")
    if label.kind == LabelKind.MULTICLASS and len(np.unique(label.strata[bank])) < 2:
        only = label.classes[label.strata[bank[0]]]
        raise EvaluationError(
            f"all train rows have the {name!r} {only!r}; at least two classes are needed"
        )
