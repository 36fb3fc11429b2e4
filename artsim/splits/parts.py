"""The rows of an index that a model is trained on, chosen by and tested on."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import FEW_GROUPS
from artsim.errors import EvaluationError

TRAIN, VAL, TEST = "train", "val", "test"  # the parts of a split
SAMPLE = "sample"  # drawn and not divided

Rows = NDArray[np.int64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Among:
    """The part of a collection that an evaluation is limited to: nothing else takes part in it."""

    where: str  # the condition that its rows meet, in SQL
    rows: Mask  # (N,)


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
    resampled_by: str | None = None  # the column of these groups
    unlabeled: int = 0  # rows that have no value of the label, and take no part
    notes: tuple[str, ...] = ()  # for readers of the scores
    passed_over: int = 0  # test rows that were not drawn, where only some are evaluated
    copies_left_out: int = 0  # training rows that are copies of test rows
    where: str | None = None  # the condition that all rows meet, in SQL

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

    @property
    def n_resampled(self) -> int | None:
        """The groups of test rows that intervals resample; None where rows are resampled."""
        if self.resampled is None:
            return None
        codes = self.resampled[self.test]
        return len(np.unique(codes[codes >= 0])) + int((codes < 0).sum())

    def label_notes(self, name: str) -> tuple[str, ...]:
        """Note how many pictures lack the label, and which groups intervals resample."""
        notes: list[str] = []
        n, tested = self.n_resampled, len(self.test)
        if self.passed_over:
            drawn = f"{tested - self.passed_over:,} of {tested:,}"
            notes.append(f"test pictures drawn at random and evaluated: {drawn}")
        if self.unlabeled:
            notes.append(f"pictures without a usable {name} are left out: {self.unlabeled:,}")
        if n == 1:
            notes.append(f"no interval, as all test pictures share one {self.resampled_by}")
        elif n:
            few = f", fewer than {FEW_GROUPS}, so they are likely too narrow"
            groups = f"{n:,}{few if n < FEW_GROUPS else ''}"
            notes.append(f"intervals are drawn over groups by {self.resampled_by}: {groups}")
        return tuple(notes)

    @property
    def facts(self) -> dict[str, int | str | None]:
        """What JSON says of how scores were measured."""
        return {
            **({} if self.where is None else {"where": self.where}),
            "copies_left_out": self.copies_left_out,
            "unlabeled": self.unlabeled,
            "resampled": self.resampled_by,
            "resampled_groups": self.n_resampled,
        }

    def keep_labeled(self, known: Mask) -> Split:
        """Keep the rows, of N, with a value of a label, and count those without."""
        every = np.unique(np.concatenate([self.learned, self.test]))
        return replace(self.keep(known), unlabeled=int((~known[every]).sum()))

    def keep(self, mask: Mask) -> Split:
        """Keep the rows, of N, where a mask is true."""
        train, validation, test = (rows[mask[rows]] for rows in self.parts.values())
        return replace(self, train=train, validation=validation, test=test)

    def within(self, among: Among) -> Split:
        """Keep the rows of a part of the collection."""
        return replace(self.keep(among.rows), where=among.where)

    def leave_out(self, rows: Rows) -> tuple[Split, int]:
        """Leave rows out of training and validation; return how many of them were there."""
        train, validation = (np.setdiff1d(each, rows) for each in (self.train, self.validation))
        left = replace(self, train=train, validation=validation)
        return left, len(self.learned) - len(left.learned)
