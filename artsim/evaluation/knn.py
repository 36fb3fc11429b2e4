"""k-nearest-neighbour classification of frozen vectors: how often neighbours know the label.

One search at the largest k serves every k. Two ways to vote:

* ``weighted``: each of the k neighbours votes with exp(similarity / temperature), as in Wu et al.
  2018 (https://arxiv.org/abs/1805.01978).
* ``plain``: each has one vote.

A tie goes to the class whose nearest member is nearest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.evaluation import metrics
from artsim.evaluation.labels import Labels, encode
from artsim.evaluation.neighbours import (
    BUDGET_BYTES,
    NO_ROW,
    Neighbours,
    check_unit_vectors,
    nearest,
)

__all__ = [
    "KS",
    "TEMPERATURE",
    "KnnEvaluation",
    "KnnScore",
    "Protocol",
    "Votes",
    "choose",
    "evaluate",
    "vote",
    "vote_weights",
]

KS = (1, 5, 10, 20, 100, 200)
TEMPERATURE = 0.07  # of Wu et al. 2018

_TOP = 5  # classes kept of each vote
_BLOCK_BYTES = 64 << 20  # for the votes of one block of queries

Rows = NDArray[np.int64]


class Protocol(StrEnum):
    """How neighbours vote."""

    WEIGHTED = "weighted"
    PLAIN = "plain"


@dataclass(frozen=True)
class Votes:
    """The classes with the most votes for each query, best first."""

    classes: NDArray[np.int64]  # (Q, 5) class codes; -1 where fewer classes have votes
    shares: NDArray[np.float32]  # (Q, 5) share of all votes of the query, 0 to 1


@dataclass(frozen=True, kw_only=True)
class KnnScore:
    """How well k neighbours know one label."""

    label: str
    protocol: Protocol
    k: int
    top1: float
    top5: float
    macro_f1: float
    balanced_accuracy: float
    majority: float  # top-1 of always answering with the bank's most common class
    n: int  # queries
    interval: tuple[float, float]  # 95 % bootstrap interval of top1
    votes: Votes


@dataclass(frozen=True, kw_only=True)
class KnnEvaluation:
    """All that one label's evaluation found; rows are those of the vectors it was given."""

    label: str
    classes: tuple[str, ...]  # what the class codes stand for
    query_rows: Rows  # (n,)
    truth: NDArray[np.int64]  # (n,) class codes
    neighbours: Neighbours  # (n, largest k); the first k of a row are those that vote
    scores: tuple[KnnScore, ...]  # one a protocol and k
    left_out: tuple[int, ...]  # ks for which no query has enough neighbours
    unreachable: int  # queries whose class no possible neighbour has: wrong at every k
    bank_size: int
    temperature: float
    seed: int


def vote(
    neighbours: Neighbours,
    codes: NDArray[np.integer],
    k: int,
    *,
    protocol: Protocol | str = Protocol.WEIGHTED,
    temperature: float = TEMPERATURE,
) -> Votes:
    """Let the k nearest neighbours of each query vote for their class.

    Args:
        neighbours: Best first, shape (Q, at least k). Row -1 does not vote.
        codes: Class of each bank row, shape (N,); rows of class -1 do not vote.
        k: Neighbours that vote.
        protocol: ``weighted`` or ``plain``.
        temperature: Of the weighted vote; lower makes the nearest count for more.
    """
    protocol = _protocol(protocol)
    if temperature <= 0:
        raise EvaluationError(f"temperature must be above 0, got {temperature:g}")
    voters = neighbours.first(k)
    q = len(voters.rows)
    classes = np.full((q, _TOP), -1, dtype=np.int64)
    shares = np.zeros((q, _TOP), dtype=np.float32)
    step = max(1, _BLOCK_BYTES // (64 * k))
    for start in range(0, q, step):
        block = slice(start, start + step)
        few = Neighbours(voters.scores[block], voters.rows[block])  # (b, k)
        members = np.where(few.rows == NO_ROW, -1, codes[few.rows])  # (b, k)
        weights = vote_weights(few, protocol, temperature)
        classes[block], shares[block] = _most_voted(members, weights)
    return Votes(classes, shares)


def vote_weights(
    neighbours: Neighbours, protocol: Protocol | str, temperature: float
) -> NDArray[np.float64]:
    """Weigh the neighbours of each query, shape (Q, k); row -1 weighs nothing.

    All weights of a query are divided by that of its nearest: it changes no vote and cannot
    overflow.
    """
    some = neighbours.rows != NO_ROW
    if _protocol(protocol) is Protocol.PLAIN:
        return np.where(some, 1.0, 0.0)
    scores = np.where(some, neighbours.scores, -np.inf).astype(np.float64)
    nearest_score = np.where(some[:, :1], scores[:, :1], 0.0)
    weights: NDArray[np.float64] = np.exp((scores - nearest_score) / temperature)
    return weights


def choose(
    neighbours: Neighbours,
    codes: NDArray[np.integer],
    truth: NDArray[np.integer],
    *,
    ks: Sequence[int] = (10, 20, 100, 200),
    temperatures: Sequence[float] = (TEMPERATURE,),
) -> tuple[int, float]:
    """Choose k and the temperature of the weighted vote that know validation rows best.

    Args:
        neighbours: Of the validation rows among those of train, shape (Q, at least the largest k
            that there are rows for). The ks of the DINO protocol are 10, 20, 100 and 200
            (https://github.com/facebookresearch/dino, eval_knn.py).
        codes: Class of each bank row, shape (N,).
        truth: Class of each validation row, shape (Q,).
        ks: To choose from; those beyond the neighbours found are left out.
        temperatures: To choose from.

    Returns:
        The k and the temperature of the best top-1; of equally good ones the smallest k, then the
        temperature named first.
    """
    possible = [k for k in sorted(set(ks)) if k <= neighbours.rows.shape[1]]
    if not possible:
        raise EvaluationError(
            f"none of the ks {list(ks)} is at most {neighbours.rows.shape[1]}, the neighbours found"
        )
    best, chosen = -1.0, (possible[0], temperatures[0])
    for k in possible:
        for temperature in temperatures:
            votes = vote(neighbours, codes, k, temperature=temperature)
            right = metrics.accuracy(truth, votes.classes[:, 0])
            if right > best:
                best, chosen = right, (k, temperature)
    return chosen


def evaluate(
    vectors: NDArray[np.floating],
    labels: Mapping[str, Sequence[str | None]],
    *,
    train: NDArray[np.integer] | None = None,
    test: NDArray[np.integer] | None = None,
    groups: Sequence[str | None] | None = None,
    ks: Sequence[int] = KS,
    protocols: Sequence[Protocol | str] = tuple(Protocol),
    temperature: float = TEMPERATURE,
    seed: int = 0,
    budget_bytes: int = BUDGET_BYTES,
    device: str | torch.device = "cpu",
) -> Iterator[KnnEvaluation]:
    """Evaluate kNN on each label, leave-one-out or from train to test.

    Rows without the label take no part, neither as queries nor as neighbours. Labels that the
    same rows have share one search.

    Args:
        vectors: Unit vectors, shape (N, D).
        labels: For each label name its N values; None where a row has none.
        train: Rows that may be neighbours. Without train and test every row asks all others.
        test: Rows that ask, none of them in ``train``.
        groups: N values, say artists; rows that share one are never neighbours. None is no group.
        ks: Numbers of neighbours. Those that no query has are left out.
        protocols: Ways to vote.
        temperature: Of the weighted vote.
        seed: Of the bootstrap intervals.
        budget_bytes: Memory for similarities, see `nearest`.
        device: Where they are computed.

    Raises:
        EvaluationError: If a label has one class or too few rows, a side of the split is empty,
            test rows are in train, lengths differ, or vectors are not finite unit vectors.
    """
    ks = sorted(set(ks))
    if not ks or ks[0] < 1:
        raise EvaluationError(f"ks must be numbers of neighbours, at least 1, got {list(ks)}")
    chosen = [_protocol(protocol) for protocol in protocols]
    check_unit_vectors(vectors, "the vectors")
    sides = _sides(len(vectors), train, test)
    group_codes = None if groups is None else _encode(groups, "groups", len(vectors)).codes
    searched: dict[bytes, Neighbours] = {}  # by the rows that have a label
    for name, values in labels.items():
        label = _encode(values, f"label {name!r}", len(vectors))
        bank, queries = (rows[label.codes[rows] >= 0] for rows in sides)
        _check_label(name, label, bank, queries, leave_one_out=train is None)
        key = bank.tobytes() + b"|" + queries.tobytes()
        if key not in searched:
            searched[key] = _search(
                vectors, bank, queries, group_codes, ks[-1], budget_bytes, device
            )
        neighbours = searched[key]
        possible = int((neighbours.rows != NO_ROW).sum(axis=1).max())
        if possible == 0:
            raise EvaluationError(
                f"no row with a {name!r} has a neighbour outside its own group; "
                "group by another column"
            )
        truth = label.codes[queries]
        scores = [
            _score(name, protocol, k, neighbours, label.codes, bank, truth, temperature, seed)
            for protocol in chosen
            for k in ks
            if k <= possible
        ]
        yield KnnEvaluation(
            label=name,
            classes=label.classes,
            query_rows=queries,
            truth=truth,
            neighbours=neighbours,
            scores=tuple(scores),
            left_out=tuple(k for k in ks if k > possible),
            unreachable=_unreachable(label.codes, bank, queries, group_codes),
            bank_size=len(bank),
            temperature=temperature,
            seed=seed,
        )


def _most_voted(
    members: NDArray[np.int64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Sum the votes of each class and keep the classes with most, each of shape (b, 5).

    The neighbours of a query are sorted by class, so that each class is one run, and the sum of
    a run is written where its nearest member stood: the first largest sum is then the winner, ties
    and all, and no array has a column a class.
    """
    b, k = members.shape
    bits = max(1, (k - 1).bit_length())
    keys = np.sort((members << bits) | np.arange(k), axis=1)  # (b, k), by class, then by rank
    rank = keys & ((1 << bits) - 1)  # (b, k)
    member = keys >> bits  # (b, k)
    weights = np.where(member < 0, 0.0, np.take_along_axis(weights, rank, axis=1))
    first = np.ones((b, k), dtype=bool)
    first[:, 1:] = member[:, 1:] != member[:, :-1]
    starts = np.flatnonzero(first)
    sums = np.full((b, k), -1.0)  # -1: no class has its nearest member here
    places = starts // k * k + rank.ravel()[starts]
    votes = np.add.reduceat(weights.ravel(), starts)
    some = member.ravel()[starts] >= 0
    sums.ravel()[places[some]] = votes[some]

    total = np.maximum(weights.sum(axis=1), np.finfo(np.float64).tiny)  # (b,)
    classes = np.full((b, _TOP), -1, dtype=np.int64)
    shares = np.zeros((b, _TOP), dtype=np.float32)
    every = np.arange(b)
    for i in range(min(_TOP, k)):
        best = sums.argmax(axis=1)  # (b,)
        found = sums[every, best] >= 0
        classes[found, i] = members[every, best][found]
        shares[found, i] = (sums[every, best][found] / total[found]).astype(np.float32)
        sums[every, best] = -1.0
    return classes, shares


def _score(
    label: str,
    protocol: Protocol,
    k: int,
    neighbours: Neighbours,
    codes: NDArray[np.int64],
    bank: Rows,
    truth: NDArray[np.int64],
    temperature: float,
    seed: int,
) -> KnnScore:
    votes = vote(neighbours, codes, k, protocol=protocol, temperature=temperature)
    predicted = votes.classes[:, 0]
    right = int((predicted == truth).sum())
    return KnnScore(
        label=label,
        protocol=protocol,
        k=k,
        top1=metrics.accuracy(truth, predicted),
        top5=metrics.top_accuracy(truth, votes.classes),
        macro_f1=metrics.macro_f1(truth, predicted),
        balanced_accuracy=metrics.balanced_accuracy(truth, predicted),
        majority=metrics.majority_share(codes[bank], truth),
        n=len(truth),
        interval=metrics.accuracy_interval(right, len(truth), seed=seed),
        votes=votes,
    )


def _search(
    vectors: NDArray[np.floating],
    bank: Rows,
    queries: Rows,
    groups: NDArray[np.int64] | None,
    k: int,
    budget_bytes: int,
    device: str | torch.device,
) -> Neighbours:
    """Find the neighbours of some rows among others, in the numbering of all rows."""
    whole = len(bank) == len(vectors)
    bank_vectors = vectors if whole else vectors[bank]
    alone = np.array_equal(bank, queries)
    found = nearest(
        bank_vectors if alone else vectors[queries],
        bank_vectors,
        min(k, len(bank)),
        exclude=np.arange(len(bank)) if alone else None,
        query_groups=None if groups is None else groups[queries],
        bank_groups=None if groups is None else groups[bank],
        budget_bytes=budget_bytes,
        device=device,
    )
    return Neighbours(found.scores, np.where(found.rows == NO_ROW, NO_ROW, bank[found.rows]))


def _unreachable(
    codes: NDArray[np.int64], bank: Rows, queries: Rows, groups: NDArray[np.int64] | None
) -> int:
    """Count the queries whose class no row has that may be their neighbour."""
    # a row without a group is alone in a group of its own
    alone = np.arange(len(codes)) + len(codes)
    group = alone if groups is None else np.where(groups < 0, alone, groups)
    pairs = codes * (2 * len(codes)) + group  # class and group as one number
    known, counts = np.unique(pairs[bank], return_counts=True)
    at = np.minimum(np.searchsorted(known, pairs[queries]), len(known) - 1)
    masked = np.where(known[at] == pairs[queries], counts[at], 0)  # of its class and group
    return int(
        (np.bincount(codes[bank], minlength=codes.max() + 1)[codes[queries]] == masked).sum()
    )


def _sides(
    n: int, train: NDArray[np.integer] | None, test: NDArray[np.integer] | None
) -> tuple[Rows, Rows]:
    """Settle which rows may be neighbours and which ask."""
    if (train is None) != (test is None):
        raise EvaluationError("a split needs both its train and its test rows")
    if train is None or test is None:
        return np.arange(n), np.arange(n)
    for name, rows in (("train", train), ("test", test)):
        if not len(rows):
            raise EvaluationError(f"the split has no {name} rows")
        if rows.min() < 0 or rows.max() >= n:
            odd = rows[(rows < 0) | (rows >= n)][0]
            raise EvaluationError(f"{name} rows must be between 0 and {n - 1}, got {odd}")
    both = np.intersect1d(train, test)
    if len(both):
        raise EvaluationError(
            f"{len(both)} test rows are in train too, the first is row {both[0]}; "
            "a row belongs to one side"
        )
    return np.unique(train).astype(np.int64), np.unique(test).astype(np.int64)


def _check_label(name: str, label: Labels, bank: Rows, queries: Rows, leave_one_out: bool) -> None:
    if len(label.classes) < 2:
        had = f"one class, {label.classes[0]!r}" if label.classes else "no values"
        raise EvaluationError(f"label {name!r} has {had}; at least two classes are needed")
    for side, rows in (("train", bank), ("test", queries)):
        if not len(rows) and not leave_one_out:
            raise EvaluationError(f"no {side} row has a {name!r}; choose another split or label")
    if len(np.unique(label.codes[bank])) < 2:
        only = label.classes[label.codes[bank[0]]]
        raise EvaluationError(
            f"all train rows have the {name!r} {only!r}; at least two classes are needed"
        )


def _encode(values: Sequence[str | None], name: str, n: int) -> Labels:
    if len(values) != n:
        raise EvaluationError(f"{name} has {len(values)} values for {n} vectors")
    return encode(values)


def _protocol(name: Protocol | str) -> Protocol:
    if name not in list(Protocol):
        raise EvaluationError(f"no protocol named {name!r}; choose from {', '.join(Protocol)}")
    return Protocol(name)
