"""kNN for labels of which a row may have several: shares of the vote, and how well they rank.

The vote's shares are scores, and precision is measured on them as they are: nothing is rounded to
a yes or no. Only labels that got a vote are stored, never a column for each label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.labels import Label
from artsim.metrics.neighbors import NO_ROW, Neighbors
from artsim.metrics.scores import mean_interval
from artsim.metrics.votes import TEMPERATURE, vote_weights

__all__ = [
    "KnnMemberScore",
    "MemberScore",
    "MemberVotes",
    "judge_members",
    "score_members",
    "vote_members",
]

_BLOCK_BYTES = 64 << 20  # for the votes of one block of queries

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MemberVotes:
    """The labels that got votes: M of them, sorted by query and label; all others have share 0."""

    queries: Codes  # (M,)
    labels: Codes  # (M,)
    shares: Floats  # (M,) of the weight of the query's neighbors that have labels; above 0 to 1


@dataclass(frozen=True, kw_only=True)
class MemberScore:
    """How well the shares rank, by average precision; equal shares count together."""

    per_label: Floats  # (L,) of the queries by each label's share; NaN for a label no query has
    per_query: Floats  # (Q,) of the labels by each query's shares; NaN for a query without labels
    mean_average_precision: float  # over the labels (mAP)
    image_mean_average_precision: float  # over the queries (iMAP)


@dataclass(frozen=True, kw_only=True)
class KnnMemberScore:
    """How well k neighbors know a label of which a row may have several."""

    k: int
    temperature: float | None  # None: every neighbor has one vote
    ranking: MemberScore
    chance: float  # mAP of shares that are all the same: the mean share of queries with a class
    interval: tuple[float, float]  # 95 % bootstrap interval of mAP, over the classes
    n: int  # queries
    votes: MemberVotes

    @property
    def value(self) -> float:
        """The score that the label's kind is measured by."""
        return self.ranking.mean_average_precision

    @property
    def quality(self) -> float:
        """What validation chooses by: more is better."""
        return float(np.nan_to_num(self.ranking.mean_average_precision))


def judge_members(
    neighbors: Neighbors,
    members: Label,
    truth: Label,
    k: int,
    temperature: float | None,
    *,
    learnable: NDArray[np.bool_],
    seed: int = 0,
) -> KnnMemberScore:
    """Let k neighbors vote, and measure how well the votes rank.

    Args:
        neighbors: Of the queries, shape (Q, at least k).
        members: Labels of each row that is a neighbor.
        truth: Labels of the Q queries, with the same codes; each has one or more.
        k: Neighbors that vote.
        temperature: See `vote_members`.
        learnable: Classes that the mean is of, shape (L,): had by some, not all, that may vote.
        seed: Of the bootstrap.
    """
    votes = vote_members(neighbors, members, k, temperature=temperature)
    ranking = score_members(votes, truth, learnable)
    n, counts = len(truth), truth.counts[learnable]
    known = ranking.per_label[learnable & ~np.isnan(ranking.per_label)]
    return KnnMemberScore(
        k=k,
        temperature=temperature,
        ranking=ranking,
        chance=float(counts[counts > 0].mean() / n) if counts.any() else float("nan"),
        interval=mean_interval(known, seed=seed) if len(known) else (float("nan"),) * 2,
        n=n,
        votes=votes,
    )


def vote_members(
    neighbors: Neighbors,
    members: Label,
    k: int,
    *,
    temperature: float | None = TEMPERATURE,
) -> MemberVotes:
    """Let the k nearest neighbors of each query vote for all their labels.

    Args:
        neighbors: Best first, shape (Q, at least k).
        members: Labels of each bank row; rows that have none do not vote.
        k: Neighbors that vote.
        temperature: Of the weighted vote; None: every neighbor has one, see `votes.vote`.
    """
    parts = []
    voters = neighbors.first(k)
    n_labels = max(1, len(members.classes))
    average = max(1, len(members.codes) // max(1, len(members.starts) - 1) + 1)
    step = max(1, _BLOCK_BYTES // (48 * k * average))
    for start in range(0, len(neighbors.rows), step):
        few = slice(start, start + step)
        block = Neighbors(voters.scores[few], voters.rows[few])  # (b, k)
        weights = vote_weights(block, temperature)  # (b, k)
        rows = np.where(block.rows == NO_ROW, 0, block.rows)
        counts = np.where(block.rows == NO_ROW, 0, members.starts[rows + 1] - members.starts[rows])
        total = np.where(counts > 0, weights, 0.0).sum(axis=1)  # (b,)
        total = np.maximum(total, np.finfo(np.float64).tiny)
        flat = counts.ravel()
        # the places of all labels of all neighbors, one neighbor after the other
        offsets = np.arange(flat.sum()) - np.repeat(np.cumsum(flat) - flat, flat)
        places = np.repeat(members.starts[rows].ravel(), flat) + offsets
        query = np.repeat(np.arange(len(rows)).repeat(rows.shape[1]), flat)
        keys = query * n_labels + members.codes[places]
        found, where = np.unique(keys, return_inverse=True)
        votes = np.bincount(where, weights=np.repeat(weights.ravel(), flat), minlength=len(found))
        of = found // n_labels
        parts.append((of + start, found % n_labels, votes / total[of]))
    queries, labels, shares = (np.concatenate(each) for each in zip(*parts, strict=True))
    return MemberVotes(queries, labels, shares)


def score_members(
    votes: MemberVotes, truth: Label, learnable: NDArray[np.bool_] | None = None
) -> MemberScore:
    """Measure how well the shares rank the queries of each label, and the labels of each query.

    Args:
        votes: Of Q queries.
        truth: Labels of the Q queries, with the bank's codes.
        learnable: Classes that the mean is of, shape (L,); all if None.
    """
    n, n_labels = len(truth.starts) - 1, len(truth.classes)
    queries = np.repeat(np.arange(n), np.diff(truth.starts))
    true_keys = queries * n_labels + truth.codes
    hits = np.isin(votes.queries * n_labels + votes.labels, true_keys)
    by_label = np.bincount(truth.codes, minlength=n_labels)
    per_label = _average_precisions(votes.labels, votes.shares, hits, by_label, n)
    per_query = _average_precisions(
        votes.queries, votes.shares, hits, np.diff(truth.starts), n_labels
    )
    return MemberScore(
        per_label=per_label,
        per_query=per_query,
        mean_average_precision=_mean(per_label if learnable is None else per_label[learnable]),
        image_mean_average_precision=_mean(per_query),
    )


def _average_precisions(
    groups: Codes, shares: Floats, hits: NDArray[np.bool_], relevant: Codes, size: int
) -> Floats:
    """Compute the average precision of many rankings at once, shape (G,).

    Args:
        groups: Ranking that each share belongs to, shape (M,).
        shares: Shape (M,); what a ranking does not list has share 0.
        hits: Which are relevant, shape (M,).
        relevant: How many are in each ranking, listed or not, shape (G,).
        size: Length of each ranking, listed or not.
    """
    order = np.lexsort((-shares, groups))
    groups, shares, hits = groups[order], shares[order], hits[order]
    # where the listed part of each ranking begins
    begin = np.searchsorted(groups, np.arange(len(relevant)))  # (G,)
    running = np.append(0, np.cumsum(hits))  # hits before each place
    ends = np.append((groups[1:] != groups[:-1]) | (shares[1:] != shares[:-1]), True)
    last = np.flatnonzero(ends[: len(groups)])  # of the places of equal share
    group = groups[last]
    found = running[last + 1] - running[begin[group]]  # hits down to here
    precision = found / (last + 1 - begin[group])
    before = np.append(0, found[:-1])
    new = found - np.where(np.append(True, group[1:] != group[:-1])[: len(group)], 0, before)
    sums = np.bincount(group, weights=new * precision, minlength=len(relevant))
    listed = np.bincount(groups, weights=hits, minlength=len(relevant))
    with np.errstate(invalid="ignore"):  # 0 / 0 where nothing is relevant
        averages: Floats = (sums + (relevant - listed) * relevant / size) / relevant
    return averages


def _mean(values: Floats) -> float:
    some = values[~np.isnan(values)]
    return float(some.mean()) if len(some) else float("nan")
