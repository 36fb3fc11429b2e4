"""Votes of the nearest neighbors for a picture's classes, and the mean of their numbers.

Each of the k nearest votes with weight exp(similarity / temperature), as in Wu et al. 2018
(https://arxiv.org/abs/1805.01978) and DINO (https://github.com/facebookresearch/dino,
eval_knn.py), or, without a temperature, with weight 1. A lower temperature gives the nearest more
weight. A tie goes to the class whose nearest member is nearest.

Neighbors have shape (Q, at least k), best first; the first k vote, row -1 does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.labels import Label
from artsim.metrics.neighbors import NO_ROW, Neighbors

KNN_KS: tuple[int, ...] = (1, 5, 10, 20, 100, 200)  # numbers of neighbors that evaluations try
TEMPERATURE = 0.07  # of Wu et al. 2018 and of DINO

_TOP = 5  # classes kept of each vote
_BLOCK_BYTES = 64 << 20  # for the votes of one block of queries


@dataclass(frozen=True)
class Votes:
    """The classes with the most votes for each query, best first."""

    classes: NDArray[np.int64]  # (Q, 5) class codes; -1 where fewer classes have votes
    shares: NDArray[np.float32]  # (Q, 5) share of all votes of the query, 0 to 1


@dataclass(frozen=True)
class MultilabelVotes:
    """The M pairs of query and class with votes, sorted; all other pairs have share 0."""

    queries: NDArray[np.int64]  # (M,)
    classes: NDArray[np.int64]  # (M,)
    shares: NDArray[np.float64]  # (M,) of the weight of the query's neighbors that have a class


def vote(
    neighbors: Neighbors,
    codes: NDArray[np.integer],
    k: int,
    *,
    temperature: float | None = TEMPERATURE,
    count_unlabeled: bool = False,
) -> Votes:
    """Let neighbors vote for their class.

    ``codes`` are the classes of the bank rows, shape (N,). Rows of class -1 do not vote or, where
    they count, vote together for class -1, which is wrong for every query.
    """
    unlabeled = codes.max(initial=0) + 1 if count_unlabeled else -1
    voters = neighbors.first(k)
    q = len(voters.rows)
    classes = np.full((q, _TOP), -1, dtype=np.int64)
    shares = np.zeros((q, _TOP), dtype=np.float32)
    step = max(1, _BLOCK_BYTES // (64 * k))
    for start in range(0, q, step):
        few = slice(start, start + step)
        block = Neighbors(voters.scores[few], voters.rows[few])  # (b, k)
        members = codes[block.rows].astype(np.int64)  # (b, k)
        members = np.where(members < 0, unlabeled, members)
        members = np.where(block.rows == NO_ROW, -1, members)
        classes[few], shares[few] = _most_voted(members, _weights(block, temperature))
    return Votes(np.where(classes == unlabeled, -1, classes), shares)


def vote_multilabel(
    neighbors: Neighbors,
    label: Label,
    k: int,
    *,
    temperature: float | None = TEMPERATURE,
    count_unlabeled: bool = False,
) -> MultilabelVotes:
    """Let neighbors vote for all their classes.

    Bank rows without a class do not vote or, where they count, take their share of the votes.
    """
    parts = []
    voters = neighbors.first(k)
    n_classes = max(1, len(label.classes))
    average = max(1, len(label.codes) // max(1, len(label.starts) - 1) + 1)
    step = max(1, _BLOCK_BYTES // (48 * k * average))
    for start in range(0, len(neighbors.rows), step):
        few = slice(start, start + step)
        block = Neighbors(voters.scores[few], voters.rows[few])  # (b, k)
        weights = _weights(block, temperature)  # (b, k)
        rows = np.where(block.rows == NO_ROW, 0, block.rows)
        counts = np.where(block.rows == NO_ROW, 0, label.starts[rows + 1] - label.starts[rows])
        voting = (counts > 0) | (count_unlabeled & (block.rows != NO_ROW))
        total = np.where(voting, weights, 0.0).sum(axis=1)  # (b,)
        total = np.maximum(total, np.finfo(np.float64).tiny)
        flat = counts.ravel()
        # the places of all classes of all neighbors, one neighbor after the other
        offsets = np.arange(flat.sum()) - np.repeat(np.cumsum(flat) - flat, flat)
        places = np.repeat(label.starts[rows].ravel(), flat) + offsets
        query = np.repeat(np.arange(len(rows)).repeat(rows.shape[1]), flat)
        keys = query * n_classes + label.codes[places]
        found, where = np.unique(keys, return_inverse=True)
        votes = np.bincount(where, weights=np.repeat(weights.ravel(), flat), minlength=len(found))
        of = found // n_classes
        parts.append((of + start, found % n_classes, votes / total[of]))
    queries, classes, shares = (np.concatenate(each) for each in zip(*parts, strict=True))
    return MultilabelVotes(queries, classes, shares)


def predict_numbers(
    neighbors: Neighbors,
    numbers: NDArray[np.floating],
    k: int,
    *,
    temperature: float | None = TEMPERATURE,
) -> NDArray[np.float64]:
    """Average the neighbors' numbers with the weights of their votes, shape (Q,).

    ``numbers`` are those of the bank rows, shape (N,), of an interval its middle; NaN does not
    count. A query none of whose neighbors has a number gets NaN.
    """
    nearest = neighbors.first(k)
    known = np.where(nearest.rows == NO_ROW, np.nan, numbers[nearest.rows].astype(np.float64))
    weights = np.where(np.isnan(known), 0.0, _weights(nearest, temperature))
    with np.errstate(invalid="ignore"):  # 0 / 0 where no neighbor has a number
        total: NDArray[np.float64] = weights.sum(axis=1)
        means: NDArray[np.float64] = (weights * np.nan_to_num(known)).sum(axis=1) / total
    return means


def _weights(neighbors: Neighbors, temperature: float | None) -> NDArray[np.float64]:
    """Compute the weight of each vote, shape (Q, k).

    The weights of a query are divided by that of its nearest, which changes no vote and avoids
    overflow.
    """
    some = neighbors.rows != NO_ROW
    if temperature is None:
        return np.where(some, 1.0, 0.0)
    if temperature <= 0:
        raise EvaluationError(f"temperature must be above 0, got {temperature:g}")
    scores = np.where(some, neighbors.scores, -np.inf).astype(np.float64)
    nearest_score = np.where(some[:, :1], scores[:, :1], 0.0)
    weights: NDArray[np.float64] = np.exp((scores - nearest_score) / temperature)
    return weights


def _most_voted(
    members: NDArray[np.int64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Sum the votes of each class and keep the classes with most, each of shape (b, 5).

    The neighbors of a query are sorted by class, so that each class is one run, and the sum of
    a run is written at the place of its nearest member: the first largest sum then wins, ties
    included, and no array needs a column for each class.
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
