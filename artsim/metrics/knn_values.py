"""kNN for numbers and year ranges: neighbors' weighted mean, and how far off it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.labels import Label
from artsim.metrics.neighbors import NO_ROW, Neighbors
from artsim.metrics.scores import mean_interval
from artsim.metrics.votes import TEMPERATURE, vote_weights

__all__ = ["KnnValueScore", "ValueScore", "judge_values", "predict_values", "score_ranges"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ValueScore:
    """How far predictions are from the truth, in the values' own unit."""

    mae: float
    interval: tuple[float, float]  # 95 % bootstrap interval of mae
    median_mae: float  # of always answering with the bank's median
    inside: float  # share of predictions within their range
    n: int  # queries with a truth; one without a prediction gets the bank's median
    seed: int


@dataclass(frozen=True, kw_only=True)
class KnnValueScore:
    """How well k neighbors know a number or year range."""

    k: int
    temperature: float | None  # None: every neighbor counts the same
    score: ValueScore
    predicted: Floats  # (Q,); NaN where no neighbor has a value

    @property
    def value(self) -> float:
        """The score that the label's kind is measured by."""
        return self.score.mae

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the value."""
        return self.score.interval

    @property
    def quality(self) -> float:
        """What validation chooses by: more is better."""
        return -self.score.mae


def judge_values(
    neighbors: Neighbors,
    numbers: Floats,
    truth: Label,
    bank: Floats,
    k: int,
    temperature: float | None,
    *,
    seed: int = 0,
) -> KnnValueScore:
    """Predict by k neighbors, and measure how far off it is.

    Args:
        neighbors: Of the queries, shape (Q, at least k).
        numbers: Of each row that is a neighbor; NaN where there is none.
        truth: Of the Q queries.
        bank: All numbers to learn from, whose median is the baseline.
        k: Neighbors that count.
        temperature: See `predict_values`.
        seed: Of the bootstrap.
    """
    predicted = predict_values(neighbors, numbers, k, temperature=temperature)
    score = score_ranges(predicted, truth.begin, truth.end, bank, seed=seed)
    return KnnValueScore(k=k, temperature=temperature, score=score, predicted=predicted)


def predict_values(
    neighbors: Neighbors,
    values: NDArray[np.floating],
    k: int,
    *,
    temperature: float | None = TEMPERATURE,
) -> Floats:
    """Average the values of the k nearest neighbors of each query, shape (Q,).

    Args:
        neighbors: Best first, shape (Q, at least k).
        values: Of each bank row, shape (N,); rows of NaN do not count. For a year range, its
            middle.
        k: Neighbors that count; a query none of whose neighbors has a value gets NaN.
        temperature: Of the weighted mean; None: every neighbor counts the same.
    """
    nearest = neighbors.first(k)
    known = np.where(nearest.rows == NO_ROW, np.nan, values[nearest.rows].astype(np.float64))
    weights = np.where(np.isnan(known), 0.0, vote_weights(nearest, temperature))
    with np.errstate(invalid="ignore"):  # 0 / 0 where no neighbor has a value
        means: Floats = (weights * np.nan_to_num(known)).sum(axis=1) / weights.sum(axis=1)
    return means


def score_ranges(
    predicted: NDArray[np.floating],
    begin: NDArray[np.floating],
    end: NDArray[np.floating],
    bank: NDArray[np.floating],
    *,
    seed: int = 0,
) -> ValueScore:
    """Measure how far predictions are from ranges: 0 inside, else to the nearer end.

    A plain number is a range that begins where it ends.

    Args:
        predicted: Shape (Q,), NaN where there is no prediction.
        begin: First value of each range, shape (Q,); queries of NaN are not scored.
        end: Last value, shape (Q,).
        bank: Values to learn from, shape (N,), NaN where there is none.
        seed: Of the bootstrap.
    """
    known = ~np.isnan(begin) & ~np.isnan(end)
    if not known.any() or np.isnan(bank).all():
        raise EvaluationError("there is nothing to score: no query or no bank row has a value")
    if (begin[known] > end[known]).any():
        row = int(np.flatnonzero(known)[np.argmax(begin[known] > end[known])])
        raise EvaluationError(f"the range of query {row} ends before it begins")
    middle = float(np.nanmedian(bank))
    guess = np.where(np.isnan(predicted), middle, predicted)[known]
    off = np.maximum(np.maximum(begin[known] - guess, guess - end[known]), 0.0)
    blind = np.maximum(np.maximum(begin[known] - middle, middle - end[known]), 0.0)
    return ValueScore(
        mae=float(off.mean()),
        interval=mean_interval(off, seed=seed),
        median_mae=float(blind.mean()),
        inside=float((off == 0).mean()),
        n=int(known.sum()),
        seed=seed,
    )
