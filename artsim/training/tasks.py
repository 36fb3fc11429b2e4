"""What is told, and by which pictures it is learned, chosen and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError, TrainingError
from artsim.evaluation.probe.sides import Sides
from artsim.labels import Label, LabelKind, codes_of, encode, read_label
from artsim.splits.drawing import sample_per_class, split
from artsim.splits.stored import TEST, TRAIN, VAL, read_split
from artsim.store import Store

__all__ = [
    "FRACTIONS",
    "TrainingTask",
    "balanced_sides",
    "joint_sides",
    "keep_apart",
    "read_class_target",
]

FRACTIONS = (0.7, 0.1, 0.2)  # train, validation, test where no split is named

_VALIDATION = 0.1  # of the train rows, where a split has none

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """A label to learn."""

    target: Label
    sides: Sides
    label: str  # what the target was read from: a column, a derived label, NAME = EXPRESSION
    weight: float = 1.0  # of its loss in the sum of all tasks
    # What a picture of each class counts in the loss, (K,); 1 where it is not given.
    class_weights: NDArray[np.float32] | None = None
    smoothing: float = 0.0  # probability that a cross-entropy spreads over all classes
    refit: bool = False  # what has been chosen is fitted again, on train and validation together

    @property
    def name(self) -> str:
        """The label's name."""
        return self.target.name

    def rows(self, side: str) -> Rows:
        """Return the rows of train, val or test; what is fitted again learns from both of two."""
        train, validation, test = self.sides.train, self.sides.validation, self.sides.test
        if self.refit:
            train, validation = np.union1d(train, validation), validation[:0]
        return {TRAIN: train, VAL: validation, TEST: test}[side]

    def truth(self, side: str) -> NDArray[np.int64] | NDArray[np.float32]:
        """Return what each row of the index is told to be, for one side.

        Returns:
            Class codes, (N,), -1 for rows that are not of the side; or memberships of 0 and 1,
            (N, K), NaN for those rows.
        """
        rows = self.rows(side)
        if self.target.kind == LabelKind.MULTICLASS:
            codes = np.full(len(self.target.strata), -1, dtype=np.int64)
            codes[rows] = self.target.strata[rows]
            return codes
        matrix = self.target.matrix
        members = np.full(matrix.shape, np.nan, dtype=np.float32)
        members[rows] = matrix[rows]
        return members

    def balanced(self) -> TrainingTask:
        """Return it with each class counting alike in the loss, however many pictures it has."""
        counts = np.bincount(
            self.target.strata[self.rows(TRAIN)], minlength=len(self.target.classes)
        )
        weights = counts.sum() / (np.maximum(counts, 1) * max((counts > 0).sum(), 1))
        return replace(self, class_weights=weights.astype(np.float32))


def read_class_target(store: Store, label: str) -> Label:
    """Read a label of one class a picture.

    Raises:
        TrainingError: If it is a number or has several.
        EvaluationError: If it is not there or can be no label.
    """
    target = read_label(store, label)
    if target.kind != LabelKind.MULTICLASS:
        raise TrainingError(
            f"{target.name!r} is of kind {target.kind}, expected one class a picture; "
            f"derive one: '{target.name}_class = ...'"
        )
    return target


def joint_sides(
    store: Store,
    targets: Sequence[Label],
    *,
    splits: Sequence[str | None],
    group: str | None = None,
    seed: int,
) -> tuple[Sides, ...]:
    """Put the rows of every task on sides, none of them judged by what another task learns.

    Without a split 70/10/20 is drawn once for all tasks, the classes of the first divided alike.
    A split that has no test is judged on its validation rows, and a tenth of what all such tasks
    may learn from, drawn once, becomes their validation. What any task judges by is left out of
    what every task learns from and chooses by, and what any chooses by is left out of what every
    learns from: by file, so that copies go too.

    Args:
        store: The index.
        targets: The labels.
        splits: For each a stored split or a column that says train, val and test, or None.
        group: Column whose values stay on one side, where a split is drawn.
        seed: Of the draws.

    Raises:
        TrainingError: If a task has no picture to learn from or to be judged by, or is there twice.
        EvaluationError: If a split or column is not there.
    """
    names = [target.name for target in targets]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TrainingError(f"{twice!r} is asked for twice; name each label once")
    drawn = _draw(store, targets, group, seed)
    found = [_given(store, name, seed) if name else drawn for name in splits]
    sides = [
        replace(
            each,
            train=np.intersect1d(each.train, target.labeled),
            validation=np.intersect1d(each.validation, target.labeled),
            test=np.intersect1d(each.test, target.labeled),
        )
        for target, each in zip(targets, found, strict=True)
    ]
    return keep_apart(store, targets, sides, seed=seed)


def balanced_sides(
    store: Store,
    target: Label,
    *,
    train: int,
    validation: int,
    test: int,
    first: bool = False,
    seed: int,
) -> Sides:
    """Draw as many pictures of each class for each side.

    Args:
        store: The index.
        target: The label, of one class a picture.
        train: TrainingData of each class to learn from.
        validation: TrainingData of each class to look at while it learns.
        test: TrainingData of each class to judge by.
        first: Take the first in the catalog's order, not a random sample.
        seed: Of the draw.

    Raises:
        TrainingError: If a class has too few.
    """
    counts = np.bincount(target.strata[target.labeled], minlength=len(target.classes))
    wanted = train + validation + test
    if counts.min() < wanted:
        scarce = target.classes[int(counts.argmin())]
        raise TrainingError(
            f"{scarce!r} has {counts.min():,} pictures, expected {train:,} + {validation:,} + "
            f"{test:,}; ask for fewer with --set train_per_class=... and the like"
        )
    left = target.strata.copy()
    parts = []
    for n in (train, validation, test):
        rows = _first_per_class(left, n) if first else sample_per_class(left, n, seed=seed)
        left[rows] = -1
        parts.append(rows)
    way = "the first in the catalog" if first else f"drawn with seed {seed}"
    way = f"{train:,}/{validation:,}/{test:,} of each class, {way}"
    sides = Sides(train=parts[0], validation=parts[1], test=parts[2], way=way)
    return keep_apart(store, [target], [sides], seed=seed)[0]


def keep_apart(
    store: Store, targets: Sequence[Label], sides: Sequence[Sides], *, seed: int
) -> tuple[Sides, ...]:
    """Leave out of train and validation whatever file any task judges by, and say how many.

    Tasks that have no validation get a tenth of what is left, the same pictures for all of them.
    """
    hashes = store.read(["content_hash"]).column("content_hash").to_pylist()
    content = encode(hashes)[0]

    def without(rows: Rows, held: Sequence[Rows]) -> Rows:
        return rows[~np.isin(content[rows], content[np.concatenate(held)])]

    tests = [each.test for each in sides]
    trains = [without(each.train, tests) for each in sides]
    has_none = [not len(each.validation) for each in sides]
    left = [train for train, none in zip(trains, has_none, strict=True) if none]
    tenth = _tenth(np.unique(np.concatenate(left)), seed) if left else np.empty(0, dtype=np.int64)
    validations = [
        np.intersect1d(train, tenth) if none else without(each.validation, tests)
        for train, none, each in zip(trains, has_none, sides, strict=True)
    ]
    apart = []
    for target, each, train, validation in zip(targets, sides, trains, validations, strict=True):
        train = without(train, validations)
        dropped = len(np.union1d(each.train, each.validation)) - len(train) - len(validation)
        notes = each.notes
        if dropped:
            told = "1 picture is" if dropped == 1 else f"{dropped:,} pictures are"
            notes += (f"{told} not learned from: a task judges or chooses by them",)
        for what, rows in (("learn from", train), ("choose by", validation), ("test", each.test)):
            if not len(rows):
                raise TrainingError(
                    f"{target.name!r} has no picture to {what} ({each.way}); choose another split"
                )
        apart.append(replace(each, train=train, validation=validation, notes=notes))
    return tuple(apart)


def _draw(store: Store, targets: Sequence[Label], group: str | None, seed: int) -> Sides:
    labeled = np.unique(np.concatenate([target.labeled for target in targets]))
    groups = None if group is None else codes_of(store, group)[labeled]
    try:
        parts = split(targets[0].strata[labeled], FRACTIONS, groups=groups, seed=seed)
    except EvaluationError as error:
        raise TrainingError(f"{targets[0].name!r} cannot be split: {error}") from error
    train, validation, test = (labeled[part] for part in parts)
    way = f"70/10/20 drawn with seed {seed}, stratified by {targets[0].name}"
    way += f", each {group} on one side" if group else ""
    return Sides(train=train, validation=validation, test=test, way=way)


def _given(store: Store, name: str, seed: int) -> Sides:
    """Take the sides of a split; without a test of its own it is judged by its validation."""
    found = read_split(store, name)
    has_test = TEST in found.counts
    way = f"split {name!r}, tested on {TEST if has_test else VAL}"
    chosen = has_test and VAL in found.counts
    way += ", chosen on val" if chosen else f", chosen on a tenth of train drawn with seed {seed}"
    return Sides(
        train=found.rows(TRAIN),
        validation=found.rows(VAL) if has_test else found.rows(),
        test=found.rows(TEST if has_test else VAL),
        way=way,
    )


def _tenth(rows: Rows, seed: int) -> Rows:
    n = max(round(_VALIDATION * len(rows)), 1)
    return np.random.default_rng(seed).permutation(rows)[:n]


def _first_per_class(codes: NDArray[np.int64], n: int) -> Rows:
    rows = [np.flatnonzero(codes == code)[:n] for code in np.unique(codes[codes >= 0])]
    return np.sort(np.concatenate(rows))
