"""What predicts a label without a picture: its most common class, or one other column.

**Majority**: predict the most common class. **Best column**: predict the most common class among
the rows with the same value of one other column or size of the picture. The column is chosen on the
training folds by leave-one-out, and scored on the fold left out; columns that number or name the
rows are never used. A network is worth what it adds to these. (The metadata baseline of a probe,
`artsim.metrics.metadata_baseline`, is a model of several columns.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.inspection.coding import Codes
from artsim.splits import k_fold

FOLDS = 5
BASELINE_ROWS = 100_000  # drawn at random where there are more

_BINS = 32  # of a number, each with as many rows


@dataclass(frozen=True, kw_only=True)
class BestColumn:
    """How often one other column predicts a class, on held-out rows."""

    accuracy: float
    column: str  # chosen in most folds; '' if none promises more than the most common class
    by_column: tuple[tuple[str, float], ...]  # accuracy with each column alone, best first
    n: int  # rows
    folds: int
    seed: int


def find_best_column(
    codes: Codes, known: Mapping[str, Codes], names: Sequence[str], *, seed: int
) -> BestColumn | None:
    """Measure how often one other column predicts the class, on held-out rows.

    Args:
        codes: The class of each row, shape (N,), -1 where it has none.
        known: What may predict it, each of shape (N,), -1 where it is missing.
        names: Which of them.
        seed: Of the folds, and of the draw where there are more than 100,000 rows.

    Returns:
        None if there are fewer rows than folds.
    """
    rows = np.flatnonzero(codes >= 0)
    if len(rows) > BASELINE_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, BASELINE_ROWS, replace=False))
    if len(rows) < FOLDS:
        return None
    truth = _renumbered(codes[rows])
    fold = np.empty(len(rows), dtype=np.int64)
    for number, held_out in enumerate(k_fold(truth, FOLDS, seed=seed)):
        fold[held_out] = number
    # missing is a value, too: 0
    predictors = (known[name][rows].astype(np.int64) + 1 for name in names)
    constant = np.zeros(len(rows), dtype=np.int64)
    scored = [_score(truth, each, fold) for each in (constant, *predictors)]
    right, promised = (np.array(each) for each in zip(*scored, strict=True))  # (columns, folds)
    chosen = promised.argmax(axis=0)  # (folds,)
    accuracy = right.sum(axis=1) / len(rows)  # (columns,)
    best = np.argsort(-accuracy, kind="stable")
    return BestColumn(
        accuracy=float(right[chosen, np.arange(FOLDS)].sum() / len(rows)),
        column=("", *names)[int(np.bincount(chosen).argmax())],
        by_column=tuple((names[i - 1], float(accuracy[i])) for i in best if i),
        n=len(rows),
        folds=FOLDS,
        seed=seed,
    )


def binned(values: NDArray[np.float64]) -> Codes:
    """Cut numbers into bins of equal size; NaN is -1."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.full(len(values), -1, dtype=np.int32)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, values, side="left")
    return np.where(np.isfinite(values), bins, -1).astype(np.int32)


def _renumbered(codes: Codes) -> NDArray[np.int64]:
    """Number the codes from 0, in the order in which they appear."""
    _, first, number = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[number]


def _score(
    truth: NDArray[np.int64], values: NDArray[np.int64], fold: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Answer with the most common class of each value, in each fold from the others.

    Returns:
        Right answers in each fold, and the share of right answers that leave-one-out promises
        in each fold's training rows; each of shape (folds,).
    """
    n_classes = int(truth.max()) + 1
    pairs, pair = np.unique(values * n_classes + truth, return_inverse=True)
    held_out = np.zeros((len(pairs), FOLDS), dtype=np.int64)  # (P, folds) rows
    np.add.at(held_out, (pair, fold), 1)
    train = held_out.sum(axis=1, keepdims=True) - held_out  # (P, folds)
    value, class_ = np.divmod(pairs, n_classes)
    starts = np.flatnonzero(np.diff(value, prepend=-1))  # of each value's pairs
    segment = np.cumsum(np.diff(value, prepend=-1) != 0) - 1  # (P,)

    most = np.maximum.reduceat(train, starts, axis=0)  # (V, folds)
    place = np.arange(len(pairs))[:, None]
    winner = np.minimum.reduceat(
        np.where(train == most[segment], place, len(pairs)), starts, axis=0
    )  # (V, folds): the pair with the class that a value predicts
    per_class = np.stack(
        [np.bincount(class_, weights=train[:, f], minlength=n_classes) for f in range(FOLDS)], 1
    )
    fallback = per_class.argmax(axis=0)  # (folds,): where a value was never met
    is_fallback = class_[:, None] == fallback  # (P, folds)
    answers = np.where(most[segment] > 0, place == winner[segment], is_fallback)
    right = (held_out * answers).sum(axis=0)

    others = np.where(place == winner[segment], -1, train)
    second = np.maximum.reduceat(others, starts, axis=0)
    alone = np.add.reduceat(train, starts, axis=0) == 1
    promised = np.where(most - 1 > second, most, 0) * ~alone
    lonely = (train * is_fallback * alone[segment]).sum(axis=0)
    return right, (promised.sum(axis=0) + lonely) / train.sum(axis=0)
