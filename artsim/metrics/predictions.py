"""What was predicted for test rows, whatever predicted it: what every metric takes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from artsim.labels import Label, LabelKind
from artsim.metrics.ranking import Ranking

_NO_RANKING = Ranking.of(np.zeros((0, 0), dtype=bool), np.zeros((0, 0)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Predictions of n test rows; the label's kind says which of the arrays are set."""

    truth: Label  # of the n test rows, each with a value
    learned: Label  # of the rows that were learned from
    ranked: NDArray[np.int64] = field(  # multiclass: (n, m) codes, best first; -1 is none
        default_factory=lambda: np.zeros((0, 0), dtype=np.int64)
    )
    ranking: Ranking = _NO_RANKING  # multilabel: the n rows by their scores for each class
    numbers: NDArray[np.float64] = field(  # number: (n,); NaN, none, counts as the median learned
        default_factory=lambda: np.zeros(0)
    )
    groups: NDArray[np.integer] | None = None  # (n,) that intervals resample; -1 is its own
    seed: int = 0  # of the resampling

    @property
    def n(self) -> int:
        """Count the test rows."""
        return len(self.truth)

    @property
    def learnable(self) -> NDArray[np.bool_]:
        """Which classes some of the rows learned from have and others have not, shape (K,)."""
        counts = self.learned.counts
        return (counts > 0) & (counts < len(self.learned))

    @property
    def errors(self) -> NDArray[np.float64]:
        """How far each number is off, shape (n,): 0 within an interval, else to its nearer end."""
        middle = float(np.nanmedian(self.learned.numbers))
        numbers = np.where(np.isnan(self.numbers), middle, self.numbers)
        begin, end = self.truth.begin, self.truth.end
        return np.maximum(np.maximum(begin - numbers, numbers - end), 0.0)


def constant_predictions(predictions: Predictions) -> Predictions:
    """Return what is predicted without looking at a picture.

    The commonest class, of equally common ones the lowest code; the same score for every row; or
    the median: each of the rows learned from.
    """
    n, learned = predictions.n, predictions.learned
    if learned.kind == LabelKind.MULTICLASS:
        return replace(predictions, ranked=np.full((n, 1), learned.counts.argmax()))
    if learned.kind == LabelKind.MULTILABEL:
        truth = predictions.truth.matrix
        return replace(predictions, ranking=Ranking.of(truth, np.zeros(truth.shape)))
    return replace(predictions, numbers=np.full(n, np.nan))
