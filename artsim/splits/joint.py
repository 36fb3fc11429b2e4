"""Splits of several labels that are learned together, and of as many rows of each class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from artsim.errors import EvaluationError
from artsim.labels import Label, group_codes
from artsim.splits.choosing import (
    FRACTIONS,
    VALIDATION,
    SplitChoice,
    SplitSource,
    draw_split,
    grouped_by,
    parts_of,
    read_source,
)
from artsim.splits.copies import leave_out_copies
from artsim.splits.drawing import sample_per_class
from artsim.splits.parts import TEST, TRAIN, VAL, Codes, Rows, Split
from artsim.splits.stored import read_stored_split
from artsim.store import Store

Apart = Literal["all", "task"]


@dataclass(frozen=True, kw_only=True)
class JointDraw:
    """How one split is drawn for several labels."""

    fractions: tuple[float, ...] = FRACTIONS  # train, validation, test; or train and test
    by_all: bool = False  # stratified by all labels, not only by the first


def joint_splits(
    store: Store,
    labels: Sequence[Label],
    *,
    splits: Sequence[str | None],
    group: str | None = None,
    keep_copies: bool = False,
    apart: Apart = "all",
    draw: JointDraw = JointDraw(),
    seed: int,
) -> tuple[Split, ...]:
    """Split several labels that are learned together: no test picture of one trains another.

    Without a split 70/10/20 is drawn once for all labels, stratified by the first. Splits without
    a test part are tested on their validation rows. Labels whose split has no validation share a
    tenth of what they may train on. Copies of any test picture are left out of all training and
    validation, and the validation pictures of any label out of all training.

    Args:
        store: The index.
        labels: The labels.
        splits: For each a stored split, a column with the values train, val and test, or None.
        group: Column whose values are never in two parts of a split that is drawn.
        keep_copies: Whether to train on copies of test pictures as well.
        apart: A picture that tests one label trains no label ("all"), or only not that one
            ("task").
        draw: How a split is drawn where none is named.
        seed: Of the draws.

    Raises:
        EvaluationError: If a label has no picture to train or test on, or is named twice; if there
            is no such split or column.
    """
    names = [label.name for label in labels]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise EvaluationError(f"label {twice!r} is named twice; name each label once")
    source = read_source(store, SplitChoice(keep_copies=keep_copies, seed=seed), group=group)
    every = np.unique(np.concatenate([label.labeled for label in labels]))
    strata = _strata_of_all(labels, draw) if draw.by_all else labels[0]
    drawn = draw_split(every, strata, source, fractions=draw.fractions)
    drawn = replace(drawn, resampled=source.resampled, resampled_by=group)
    found = []
    for name, label in zip(splits, labels, strict=True):
        whole = (_named(store, name) if name else drawn).keep_labeled(label.known)
        if name is None:
            whole = replace(whole, unlabeled=len(label) - len(label.labeled))
        found.append(whole)
    if apart == "all":
        kept = _keep_apart(found, source)
    else:
        kept = tuple(_keep_apart([each], source)[0] for each in found)
    return tuple(
        replace(each, notes=(*each.notes, *label.notes, *each.label_notes(label.name)))
        for each, label in zip(kept, labels, strict=True)
    )


def _strata_of_all(labels: Sequence[Label], draw: JointDraw) -> Label:
    """Divide the classes of the first label by those of the others, so that a draw balances all.

    Of each class it divides off the values that are common enough to be in every part; rarer ones
    stay together.
    """
    first = labels[0]
    enough = math.ceil(1 / min(draw.fractions))  # rows
    strata = first.strata.copy()
    for label in labels[1:]:
        for stratum in np.unique(strata[label.known]):
            inside = strata == stratum
            values, counts = np.unique(label.strata[inside & label.known], return_counts=True)
            for value in values[counts >= enough]:
                strata[inside & (label.strata == value)] = strata.max() + 1
    classes = tuple(map(str, range(int(strata.max()) + 1)))
    names = ", ".join(label.name for label in labels)
    return replace(first, name=names, strata=strata, classes=classes)


def _named(store: Store, name: str) -> Split:
    """Read a split, with the groups that it keeps whole."""
    stored = read_stored_split(store, name)
    group = grouped_by(store, stored)
    resampled = group_codes(store, group) if group else None
    return replace(parts_of(stored), resampled=resampled, resampled_by=group)


def balanced_split(
    store: Store,
    label: Label,
    *,
    per_class: tuple[int, int, int],
    first: bool = False,
    keep_copies: bool = False,
    seed: int,
) -> Split:
    """Draw as many rows of each class for training, validation and test: ``per_class`` of each.

    They are drawn at random, or are the ``first`` in the catalog's order. Copies of test pictures
    are left out of training and validation, unless they are to be kept.

    Raises:
        EvaluationError: If a class has too few.
    """
    counts, wanted = label.counts, sum(per_class)
    if counts.min() < wanted:
        scarce = label.classes[int(counts.argmin())]
        each = " + ".join(f"{n:,}" for n in per_class)
        raise EvaluationError(
            f"{scarce!r} has {counts.min():,} pictures, expected {each}; request fewer"
        )
    left, parts = label.strata.copy(), []
    for n in per_class:
        rows = _first_per_class(left, n) if first else sample_per_class(left, n, seed=seed)
        left[rows] = -1
        parts.append(rows)
    train, validation, test = parts
    how = "the first in the catalog" if first else f"drawn with seed {seed}"
    sizes = "/".join(f"{n:,}" for n in per_class)
    how = f"{sizes} of each class, {how}"
    found = Split(train=train, validation=validation, test=test, description=how, notes=label.notes)
    source = read_source(store, SplitChoice(keep_copies=keep_copies, seed=seed))
    return _keep_apart([found], source)[0]


def _keep_apart(splits: Sequence[Split], source: SplitSource) -> tuple[Split, ...]:
    """Leave out of training what any label is tested on or chosen by, and their copies."""
    copies, keep = source.copies, source.choice.keep_copies
    tests = np.unique(np.concatenate([each.test for each in splits]))
    kept = [_without(each, tests, "test") for each in splits]
    kept = [leave_out_copies(each, copies, of=tests, keep=keep) for each in kept]
    kept = _share_validation(kept, source.choice.seed)
    chosen = np.unique(np.concatenate([each.validation for each in kept]))
    if not keep:
        chosen = np.flatnonzero(copies.of(chosen))
    kept = [_without(each, np.setdiff1d(chosen, each.validation), "validation") for each in kept]
    for each in kept:
        for part, rows in each.parts.items():
            if not len(rows):
                what = {TRAIN: "train on", VAL: "choose by", TEST: "test on"}[part]
                raise EvaluationError(
                    f"{each.description}: there is no picture to {what}; choose another split"
                )
    return tuple(kept)


def _without(found: Split, rows: Rows, part: str) -> Split:
    """Leave out of training and validation rows in the test or validation set of a label."""
    left, count = found.leave_out(rows)
    if not count:
        return found
    pictures = "1 picture" if count == 1 else f"{count:,} pictures"
    note = f"{pictures} left out of training: {part} pictures of one of the labels, or their copies"
    return replace(left, notes=(*found.notes, note))


def _share_validation(splits: Sequence[Split], seed: int) -> list[Split]:
    """Draw a tenth of what is left for the validation of the splits that have none."""
    left = [each.train for each in splits if not len(each.validation)]
    if not left:
        return list(splits)
    rows = np.unique(np.concatenate(left))
    tenth = np.random.default_rng(seed).permutation(rows)[: max(round(VALIDATION * len(rows)), 1)]
    how = f", chosen on a tenth of train drawn with seed {seed}"
    drawn = []
    for each in splits:
        train, validation = np.setdiff1d(each.train, tenth), np.intersect1d(each.train, tenth)
        new = replace(each, train=train, validation=validation, description=each.description + how)
        drawn.append(each if len(each.validation) else new)
    return drawn


def _first_per_class(codes: Codes, n: int) -> Rows:
    rows = [np.flatnonzero(codes == code)[:n] for code in np.unique(codes[codes >= 0])]
    return np.sort(np.concatenate(rows))
