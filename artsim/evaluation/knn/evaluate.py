"""kNN evaluation of labels on a split: one search, every k and temperature.

One search at the largest k serves every k and temperature. If there are validation rows, k and
temperature are chosen on them, with neighbors in train; the test rows are then predicted once, by
their neighbors in train and validation. Otherwise the scores of every k are returned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.evaluation.hierarchy import HierarchyEvaluation
from artsim.evaluation.knn.plan import Unlabeled
from artsim.evaluation.knn.reachable import count_unreachable
from artsim.labels import Label, LabelKind
from artsim.metrics import (
    KNN_KS,
    METRICS,
    TEMPERATURE,
    Hubness,
    MultilabelVotes,
    Predictions,
    Ranking,
    Votes,
    baseline,
    best_of,
    estimate_main,
    hubness,
    main_metric,
    predict_numbers,
    score,
    vote,
    vote_multilabel,
)
from artsim.metrics.neighbors import NO_ROW, Neighbors, nearest, nearest_among
from artsim.splits import Split

COMPARED = 20_000  # test rows whose neighbors are the baseline of a probe; of more, drawn

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class KnnScore:
    """What k neighbors predict, and how well."""

    k: int
    temperature: float | None  # None: every neighbor has one vote
    predictions: Predictions
    votes: Votes | MultilabelVotes | None  # None: a number
    hierarchy: HierarchyEvaluation | None = None  # of the classes, where there is one

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
    """The kNN evaluation of a label; rows are those of the index."""

    label: Label  # of the n queries
    split: Split  # the rows that have the label
    query_rows: Rows  # (n,)
    neighbors: Neighbors  # (n, largest k); the first k of a row are those that vote
    scores: tuple[KnnScore, ...]  # one a k and temperature, or the one that was chosen
    chosen_on: int  # validation rows that k and temperature were chosen on, if any
    left_out: tuple[int, ...]  # ks for which no query has enough neighbors
    unreachable: int  # queries whose class no possible neighbor has: wrong at every k
    bank_size: int  # rows that may be neighbors
    unlabeled_neighbors: int  # of these the rows without a value, which vote for no class
    hubness: Hubness

    @property
    def baseline(self) -> Estimate:
        """The main metric of what is predicted without looking at a picture."""
        return baseline(self.scores[0].predictions)

    @property
    def baseline_macro_f1(self) -> float | None:
        """Macro F1 of the majority class; None of a label without single classes."""
        if self.label.kind != LabelKind.MULTICLASS:
            return None
        return METRICS["macro_f1"].compute(self.scores[0].predictions.constant())

    @cached_property
    def best(self) -> tuple[int, list[float]] | None:
        """The place of the best score, and how likely each differs from it by chance alone.

        None where that is not known, see `artsim.metrics.best_of`.
        """
        return best_of([each.predictions for each in self.scores])

    def short(self, k: int) -> int:
        """Count the queries with fewer than k possible neighbors: those they have vote."""
        return int((self.neighbors.rows[:, :k] == NO_ROW).any(axis=1).sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class ChosenKnn:
    """The scores of one neighbor and of k, chosen on validation rows."""

    nearest: KnnScore
    best: KnnScore
    validation: float  # the main metric on validation at that k


@dataclass(frozen=True, kw_only=True, eq=False)
class KnnEvaluator:
    """kNN on a split; labels of the same rows share one search.

    Raises:
        EvaluationError: If a k is below 1, or groups are not of as many rows as vectors.
    """

    vectors: NDArray[np.floating]  # (N, D) unit vectors
    split: Split  # train and validation rows are searched; rows that share a group never match
    ks: Sequence[int] = KNN_KS  # numbers of neighbors; those that no query has are left out
    temperatures: Sequence[float | None] = (TEMPERATURE,)  # None: every neighbor has one vote
    unlabeled: Unlabeled = Unlabeled.LEAVE_OUT
    search: Callable[..., Neighbors] = nearest  # or a search that corrects for hubs
    find: Callable[..., Neighbors] = nearest_among  # or one by a published index
    most: int | None = None  # queries of a label; of more so many are drawn
    seed: int = 0  # of the bootstrap intervals and of that draw
    device: str | torch.device = "cpu"  # where similarities are computed
    _searches: dict[bytes, Neighbors] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if not self.ks or min(self.ks) < 1:
            raise EvaluationError(
                f"ks must be numbers of neighbors, at least 1, got {sorted(self.ks)}"
            )
        groups, n = self.split.groups, len(self.vectors)
        if groups is not None and len(groups) != n:
            raise EvaluationError(f"groups has {len(groups)} values for {n} vectors")

    def evaluate(self, label: Label) -> KnnEvaluation:
        """Evaluate kNN on a label of N rows; rows without a value are no queries.

        Of equally good settings the first temperature and the smallest k are chosen.

        Raises:
            EvaluationError: If the label has one class or too few rows, its length differs, every
                k is too large, or vectors are not finite unit vectors.
        """
        if len(label) != len(self.vectors):
            raise EvaluationError(
                f"label {label.name!r} has {len(label)} values for {len(self.vectors)} vectors"
            )
        known = self.split.keep_labeled(label.known)
        train, choosers, bank, queries = map(
            np.sort, (known.train, known.validation, known.learned, known.test)
        )
        _check_label(label, bank, queries, leave_one_out=self.split.is_leave_one_out)
        known = replace(known, passed_over=max(len(queries) - (self.most or len(queries)), 0))
        queries, choosers = self._draw(queries), self._draw(choosers)
        counted = self.split if self.unlabeled == Unlabeled.COUNT else known
        neighbors = self._find(counted.learned, queries)
        ks = sorted(set(self.ks))
        possible = _check_ks(label.name, ks, neighbors)
        choices = [(k, t) for t in self.temperatures for k in ks if k <= possible]
        chosen_on = len(choosers) if len(choices) > 1 else 0
        if chosen_on:
            unscored = Predictions.unfilled(label, train, choosers, None, self.seed)
            found = self._find(counted.train, choosers)
            choices = [_choose(found, label, unscored, choices, self.unlabeled)]
        unscored = Predictions.unfilled(label, bank, queries, self.split.resampled, self.seed)
        return KnnEvaluation(
            label=unscored.truth,
            split=known,
            query_rows=queries,
            neighbors=neighbors,
            scores=tuple(
                score_neighbors(neighbors, label, unscored, k, t, self.unlabeled)
                for k, t in choices
            ),
            bank_size=len(np.unique(counted.learned)),
            unlabeled_neighbors=len(counted.learned) - len(bank),
            chosen_on=chosen_on,
            left_out=tuple(k for k in ks if k > possible),
            unreachable=count_unreachable(label.strata, bank, queries, self.split.groups)
            if label.kind == LabelKind.MULTICLASS
            else 0,
            hubness=hubness(neighbors, np.sort(counted.learned)),
        )

    def validation_score(self, label: Label, chosen: KnnScore) -> float:
        """Compute the main metric on validation rows, with neighbors from train alone."""
        train = np.sort(self.split.keep(label.known).train)
        choosers, neighbors = self.validation_neighbors(label)
        unscored = Predictions.unfilled(label, train, choosers, None, self.seed)
        k = min(chosen.k, neighbors.rows.shape[1])
        found = score_neighbors(neighbors, label, unscored, k, chosen.temperature)
        return main_metric(label.kind).compute(found.predictions)

    def validation_neighbors(self, label: Label) -> tuple[Rows, Neighbors]:
        """Return the validation rows with a label, or those drawn of many, and their neighbors.

        These are in train alone.
        """
        known = self.split.keep(label.known)
        choosers = self._draw(known.validation)
        return choosers, self._find(known.train, choosers)

    def _draw(self, rows: Rows) -> Rows:
        """Draw the most rows that may be queries, in order."""
        return np.sort(np.random.default_rng(self.seed).permutation(np.sort(rows))[: self.most])

    def _find(self, bank: Rows, queries: Rows) -> Neighbors:
        """Find the neighbors of some rows among others, in the numbering of all rows."""
        bank = np.sort(bank)
        key = bank.tobytes() + b"|" + queries.tobytes()
        if key not in self._searches:
            self._searches[key] = self.find(
                self.vectors,
                queries,
                bank,
                max(self.ks),
                groups=self.split.groups,
                search=self.search,
                device=self.device,
            )
        return self._searches[key]


def knn_scores(
    vectors: NDArray[np.floating],
    label: Label,
    split: Split,
    *,
    ks: Sequence[int] = KNN_KS,
    seed: int = 0,
) -> ChosenKnn:
    """Score the nearest neighbor, and k neighbors, on a split of unit vectors (N, D).

    Of more than 20,000 test or validation rows so many are drawn: each is compared with all train
    rows, and so many give a share to within 0.007.
    """
    evaluator = KnnEvaluator(vectors=vectors, split=split, ks=ks, most=COMPARED, seed=seed)
    found = evaluator.evaluate(label)
    best = found.scores[0]
    return ChosenKnn(
        nearest=score_neighbors(found.neighbors, label, best.predictions, k=1),
        best=best,
        validation=evaluator.validation_score(label, best),
    )


def score_neighbors(
    neighbors: Neighbors,
    label: Label,
    unscored: Predictions,
    k: int,
    temperature: float | None = TEMPERATURE,
    unlabeled: Unlabeled = Unlabeled.LEAVE_OUT,
) -> KnnScore:
    """Predict queries by their k nearest neighbors, with votes as in `artsim.metrics.vote`.

    The neighbors are numbered as the label's rows; predictions are filled into ``unscored``.
    """
    wrong = unlabeled == Unlabeled.COUNT
    votes: Votes | MultilabelVotes | None = None
    if label.kind == LabelKind.MULTICLASS:
        votes = vote(neighbors, label.strata, k, temperature=temperature, count_unlabeled=wrong)
        found = replace(unscored, ranked=votes.classes)
    elif label.kind == LabelKind.MULTILABEL:
        votes = vote_multilabel(neighbors, label, k, temperature=temperature, count_unlabeled=wrong)
        listed = (votes.queries, votes.classes, votes.shares)
        truth = unscored.truth
        shape = (len(truth), len(truth.classes))
        found = replace(unscored, ranking=Ranking.listed(truth.row_codes, *listed, shape))
    else:
        numbers = predict_numbers(neighbors, label.numbers, k, temperature=temperature)
        found = replace(unscored, numbers=numbers)
    return KnnScore(k=k, temperature=temperature, predictions=found, votes=votes)


def _choose(
    found: Neighbors,
    label: Label,
    unscored: Predictions,
    choices: Sequence[tuple[int, float | None]],
    unlabeled: Unlabeled,
) -> tuple[int, float | None]:
    """Choose k and temperature by the score of the validation rows."""
    possible = [each for each in choices if each[0] <= found.rows.shape[1]] or choices[:1]
    if len(possible) == 1:
        return possible[0]
    metric = main_metric(label.kind)

    def quality(choice: tuple[int, float | None]) -> float:
        scored = score_neighbors(found, label, unscored, *choice, unlabeled)
        value = metric.compute(scored.predictions)
        return float(np.nan_to_num(value if metric.higher_is_better else -value))

    return max(possible, key=quality)  # the first of equals


def _check_ks(name: str, ks: Sequence[int], neighbors: Neighbors) -> int:
    """Return the most neighbors that any query has; refuse ks that are all larger."""
    possible = int((neighbors.rows != NO_ROW).sum(axis=1).max())
    if possible == 0:
        raise EvaluationError(
            f"no row with a value of {name!r} has a neighbor outside its group; "
            "group by another column"
        )
    if ks[0] > possible:
        raise EvaluationError(
            f"k = {', '.join(map(str, ks))} is more than the {possible} neighbors that a row with "
            f"a value of {name!r} can have; choose a smaller k"
        )
    return possible


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
            raise EvaluationError(
                f"no {row} has a value of {name!r}; choose another split or label"
            )
    if label.kind == LabelKind.MULTICLASS and len(np.unique(label.strata[bank])) < 2:
        only = label.classes[label.strata[bank[0]]]
        raise EvaluationError(
            f"all train rows have the class {only!r} of {name!r}; at least two classes are needed"
        )
