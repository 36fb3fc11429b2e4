"""The rows of an index that a model is trained on, chosen by and tested on."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError

TRAIN, VAL, TEST = "train", "val", "test"  # the parts of a split
SAMPLE = "sample"  # drawn and not divided

Rows = NDArray[np.int64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Rows to train on, to choose settings by and to test on, each sorted.

    Where train and test are the same rows, each is tested with all others: leave-one-out, or by
    the other folds, which ``groups`` keep apart.
    """

    train: Rows
    validation: Rows  # empty where there is none
    test: Rows
    description: str  # of how it was made, in words
    groups: Codes | None = None  # (N, G); rows that share a code in a column are no neighbors
    resampled: Codes | None = None  # (N,) groups that intervals resample: those the user named
    notes: tuple[str, ...] = ()  # for readers of the scores
    copies_left_out: int = 0  # training rows that are copies of test rows

    def __post_init__(self) -> None:
        """Refuse a row that is in two parts."""
        if self.is_leave_one_out:
            return
        for (one, rows), (other, others) in itertools.combinations(self.parts.items(), 2):
            both = np.intersect1d(rows, others)
            if len(both):
                raise EvaluationError(
                    f"{self.description}: {len(both)} rows of {other} are also in {one}, the first "
                    f"is row {both[0]}; a row belongs to one part"
                )

    @property
    def parts(self) -> dict[str, Rows]:
        """The rows of each part by its name."""
        return {TRAIN: self.train, VAL: self.validation, TEST: self.test}

    @property
    def learned(self) -> Rows:
        """The rows of the last fit, and of the bank of test queries: train and validation."""
        return np.concatenate([self.train, self.validation])

    @property
    def is_leave_one_out(self) -> bool:
        """Whether each row is tested with all others."""
        return np.array_equal(self.train, self.test)

    def keep(self, mask: NDArray[np.bool_]) -> Split:
        """Keep the rows, of N, where a mask is true."""
        train, validation, test = (rows[mask[rows]] for rows in self.parts.values())
        return replace(self, train=train, validation=validation, test=test)

    def leave_out(self, rows: Rows) -> tuple[Split, int]:
        """Leave rows out of training and validation; return how many of them were there."""
        train, validation = (np.setdiff1d(each, rows) for each in (self.train, self.validation))
        left = replace(self, train=train, validation=validation)
        return left, len(self.learned) - len(left.learned)
