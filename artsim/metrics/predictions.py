"""Predictions for test rows, whatever model made them: the input of every metric."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from artsim.labels import Label, LabelKind
from artsim.metrics.ranking import Ranking

_TOP = 5  # classes that are kept of the most probable

_NO_RANKING = Ranking.of(np.zeros((0, 0), dtype=bool), np.zeros((0, 0)))

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Predictions for n test rows; the label's kind determines which arrays are set."""

    truth: Label  # of the n test rows, each with a value
    learned: Label  # of the training rows
    ranked: NDArray[np.int64] = field(  # multiclass: (n, m) codes, best first; -1 is none
        default_factory=lambda: np.zeros((0, 0), dtype=np.int64)
    )
    ranking: Ranking = _NO_RANKING  # multilabel: the n rows by their scores for each class
    numbers: NDArray[np.float64] = field(  # number: (n,); NaN counts as the training median
        default_factory=lambda: np.zeros(0)
    )
    # Multiclass, where there are probabilities: that of the predicted class, and the Brier score.
    confidence: NDArray[np.float64] | None = None  # (n,)
    brier: NDArray[np.float64] | None = None  # (n,)
    groups: NDArray[np.integer] | None = None  # (n,) that intervals resample; -1 is its own
    seed: int = 0  # of the resampling

    @classmethod
    def unfilled(
        cls, label: Label, learned: Rows, rows: Rows, resampled: NDArray[np.int64] | None, seed: int
    ) -> Predictions:
        """Make predictions for some rows of a label, whose values are still to be filled in.

        Args:
            label: Of N rows.
            learned: Rows to learn from.
            rows: Rows to predict.
            resampled: Groups of the N rows that intervals resample, shape (N,).
            seed: Of the resampling.
        """
        groups = None if resampled is None else resampled[rows]
        truth, learned_label = label.take(rows), label.take(learned)
        return cls(truth=truth, learned=learned_label, groups=groups, seed=seed)

    @property
    def learnable(self) -> NDArray[np.bool_]:
        """Which classes only some of the training rows have, shape (K,)."""
        counts = self.learned.counts
        return (counts > 0) & (counts < len(self.learned))

    @property
    def errors(self) -> NDArray[np.float64]:
        """How far each number is off, shape (n,): 0 within an interval, else to its nearer end."""
        middle = float(np.nanmedian(self.learned.numbers))
        numbers = np.where(np.isnan(self.numbers), middle, self.numbers)
        begin, end = self.truth.begin, self.truth.end
        return np.maximum(np.maximum(begin - numbers, numbers - end), 0.0)

    def with_scores(self, scores: NDArray[np.floating], classes: Rows | None = None) -> Predictions:
        """Fill in predictions of a multilabel label from the scores of its classes, (n, K).

        Of some classes only, shape (n, C), the others rank last, as equals.
        """
        if classes is None:
            return replace(self, ranking=Ranking.of(self.truth.matrix, scores))
        n, shape = len(self.truth), (len(self.truth), len(self.truth.classes))
        pairs = (np.repeat(np.arange(n), len(classes)), np.tile(classes, n))
        listed = Ranking.listed(self.truth.row_codes, *pairs, scores.ravel(), shape)
        return replace(self, ranking=listed)

    def with_probabilities(self, probabilities: NDArray[np.floating], classes: Rows) -> Predictions:
        """Fill in predictions of a multiclass label from probabilities, shape (n, C).

        ``classes`` are the codes of the C columns, rising. The Brier score of a row is the sum of
        the squared errors of its probabilities: 0 to 2. A class without a column has 0.
        """
        n, truth = len(self.truth), self.truth.strata
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :_TOP]
        ranked = np.full((n, _TOP), -1, dtype=np.int64)
        ranked[:, : order.shape[1]] = classes[order]
        column = np.minimum(np.searchsorted(classes, truth), len(classes) - 1)
        true = np.where(classes[column] == truth, probabilities[np.arange(n), column], 0.0)
        squares = np.einsum("nc,nc->n", probabilities, probabilities, dtype=np.float64)
        return replace(
            self,
            ranked=ranked,
            confidence=probabilities.max(axis=1).astype(np.float64),
            brier=squares - 2 * true + 1,
        )

    def constant(self) -> Predictions:
        """Fill in what is predicted without looking at a picture.

        That is the commonest training class, of equally common ones the lowest code; the same score
        for every row; or the training median.
        """
        n = len(self.truth)
        if self.learned.kind == LabelKind.MULTICLASS:
            ranked = np.full((n, 1), self.learned.counts.argmax())
            return replace(self, ranked=ranked, confidence=None, brier=None)
        if self.learned.kind == LabelKind.MULTILABEL:
            return self.with_scores(np.zeros((n, 0)), np.zeros(0, dtype=np.int64))
        return replace(self, numbers=np.full(n, np.nan))
