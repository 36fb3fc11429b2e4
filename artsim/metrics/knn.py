"""kNN for labels of one class a row: votes, and how often they are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.metrics import scores as metrics
from artsim.metrics.neighbors import Neighbors
from artsim.metrics.votes import Votes, vote

__all__ = ["KNN_KS", "KnnScore", "judge_classes"]

KNN_KS = (1, 5, 10, 20, 100, 200)

Rows = NDArray[np.int64]


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
    def value(self) -> float:
        """The score that the label's kind is measured by."""
        return self.top1

    @property
    def quality(self) -> float:
        """What validation chooses by: more is better."""
        return self.top1


def judge_classes(
    neighbors: Neighbors,
    codes: NDArray[np.int64],
    bank: Rows,
    queries: Rows,
    k: int,
    temperature: float | None,
    seed: int,
) -> KnnScore:
    """Let k neighbors vote, and measure how often they are right.

    Args:
        neighbors: Of the queries, shape (Q, at least k).
        codes: Class of each row, shape (N,).
        bank: Rows that may be neighbors; the majority is theirs.
        queries: Rows that are predicted, shape (Q,).
        k: Neighbors that vote.
        temperature: See `votes.vote`.
        seed: Of the bootstrap.
    """
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
