"""Who is learned from, who chooses and who judges: a label's rows on three sides."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.labels import Label, LabelKind
from artsim.splits.drawing import split
from artsim.splits.stored import SAMPLE, TEST, TRAIN, VAL, read_split
from artsim.store import Store

__all__ = ["FRACTIONS", "Sides", "draw_sides"]

FRACTIONS = (0.7, 0.1, 0.2)  # train, validation, test where no split is named
_VALIDATION = 0.1  # of the train rows, where a split has none
_NAMED = 3  # classes that a note names

Rows = NDArray[np.int64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Sides:
    """The labeled rows of each side, sorted, and what should be known of them."""

    train: Rows
    validation: Rows
    test: Rows
    way: str  # how they were found, for people
    notes: tuple[str, ...] = ()

    @property
    def seen(self) -> Rows:
        """The rows that the last fit learns from: train and validation."""
        return np.concatenate([self.train, self.validation])


def draw_sides(
    store: Store,
    target: Label,
    *,
    split_name: str | None,
    group: str | None,
    groups: Codes | None,
    content: Codes,
    seed: int,
) -> Sides:
    """Put the rows that have a label on their sides.

    Args:
        store: The index.
        target: The label.
        split_name: A stored split or a column; 70/10/20 is drawn without one.
        group: Name of what must not be on two sides.
        groups: Its code for each row, shape (N,); -1 is no group.
        content: A code for each row's file, shape (N,): copies share one; -1 is unknown.
        seed: Of the draw.

    Raises:
        EvaluationError: If a side has no row, or a group is on two sides.
    """
    if split_name is None:
        sides = _draw(target.labeled, target, group, groups, seed)
        sides = _without_copies(sides, content)
    else:
        sides = _given(store, target, split_name, group, groups, seed)
        sides = _count_copies(sides, content)
    return _note_rare(sides, target)


def _draw(
    rows: Rows, target: Label, group: str | None, groups: Codes | None, seed: int, among: str = ""
) -> Sides:
    codes = target.strata[rows]
    try:
        inner = None if groups is None else groups[rows]
        parts = split(codes, FRACTIONS, groups=inner, seed=seed)
    except EvaluationError as error:
        raise EvaluationError(f"label {target.name!r} cannot be split: {error}") from error
    way = f"70/10/20{among} drawn with seed {seed}, stratified by {target.name}"
    return Sides(
        train=rows[parts[0]],
        validation=rows[parts[1]],
        test=rows[parts[2]],
        way=way + (f", each {group} on one side" if group else ""),
    )


def _given(
    store: Store,
    target: Label,
    name: str,
    group: str | None,
    groups: Codes | None,
    seed: int,
) -> Sides:
    """Take the sides of a split; a tenth of train is validation where it has none."""
    found = read_split(store, name)
    if found.is_folds:
        raise EvaluationError(
            f"split {name!r} has folds, expected train, val and test; draw one with "
            "'artsim split --name NAME --fractions 70/10/20'"
        )
    labeled = np.zeros(store.rows, dtype=bool)
    labeled[target.labeled] = True
    if list(found.counts) == [SAMPLE]:
        rows = found.rows(SAMPLE)
        return _draw(rows[labeled[rows]], target, group, groups, seed, f" of the sample {name!r}")
    judged = TEST if TEST in found.counts else VAL
    for side in (TRAIN, judged):
        if side not in found.counts:
            there = ", ".join(found.counts) or "none of them"
            raise EvaluationError(
                f"split {name!r} has no row of {side!r} (it has {there}); choose another --split"
            )
    train, test = found.rows(TRAIN), found.rows(judged)
    way = f"split {name!r}, tested on {judged}"
    has_own = judged == TEST and VAL in found.counts
    validation = found.rows(VAL) if has_own else train[:0]
    _refuse_shared(name, group, groups, {TRAIN: train, VAL: validation, judged: test})
    train, validation, test = (rows[labeled[rows]] for rows in (train, validation, test))
    for side, rows in ((TRAIN, train), (judged, test)):
        if not len(rows):
            raise EvaluationError(
                f"no row of {side!r} in split {name!r} has a {target.name!r}; "
                "choose another --split or --label"
            )
    if has_own and len(validation):
        return Sides(train=train, validation=validation, test=test, way=f"{way}, chosen on val")
    inner = None if groups is None else groups[train]
    parts = split(target.strata[train], (1 - _VALIDATION, _VALIDATION), groups=inner, seed=seed)
    return Sides(
        train=train[parts[0]],
        validation=train[parts[1]],
        test=test,
        way=f"{way}, chosen on a tenth of train drawn with seed {seed}",
    )


def _refuse_shared(
    name: str, group: str | None, groups: Codes | None, sides: dict[str, Rows]
) -> None:
    """Refuse a split that has one group on two sides."""
    if groups is None:
        return
    for a, b in itertools.combinations(sides, 2):
        shared = np.intersect1d(groups[sides[a]], groups[sides[b]])
        shared = shared[shared >= 0]
        if len(shared):
            raise EvaluationError(
                f"split {name!r} has {len(shared):,} values of {group!r} in {a} and in {b}; draw "
                f"one that keeps them whole: 'artsim split --name NAME --group {group}'"
            )


def _without_copies(sides: Sides, content: Codes) -> Sides:
    """Leave rows out of train and validation whose very file is among those that judge."""
    judged = content[sides.test]
    judged = judged[judged >= 0]
    train, validation = (
        rows[~np.isin(content[rows], judged)] for rows in (sides.train, sides.validation)
    )
    left = len(sides.seen) - len(train) - len(validation)
    if not left or not len(train) or not len(validation):
        return _count_copies(sides, content)
    told = "1 picture is" if left == 1 else f"{left:,} pictures are"
    note = f"{told} not learned from: the very file is in test"
    return replace(sides, train=train, validation=validation, notes=(*sides.notes, note))


def _count_copies(sides: Sides, content: Codes) -> Sides:
    """Note how many test rows are in train too, as copies of a file."""
    seen = content[sides.seen]
    copies = int(np.isin(content[sides.test], seen[seen >= 0]).sum())
    if not copies:
        return sides
    note = f"{copies:,} test pictures are in train too, byte for byte: the scores flatter"
    return replace(sides, notes=(*sides.notes, note))


def _note_rare(sides: Sides, target: Label) -> Sides:
    """Note the classes that can be learned or judged, but not both."""
    if target.kind != LabelKind.MULTICLASS:
        return sides
    counts = np.bincount(target.strata[target.labeled], minlength=len(target.classes))
    notes = list(sides.notes)
    single = [target.classes[code] for code in np.flatnonzero(counts == 1)]
    if single:
        notes.append(
            "classes of one picture cannot be learned and judged both: "
            f"{len(single):,} ({_some(single)})"
        )
    strange = np.setdiff1d(target.strata[sides.test], target.strata[sides.seen])
    if len(strange):
        rows = int(np.isin(target.strata[sides.test], strange).sum())
        notes.append(
            f"{rows:,} test pictures count as wrong, as train has none of their class "
            f"({_some([target.classes[code] for code in strange])})"
        )
    return replace(sides, notes=tuple(notes))


def _some(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:_NAMED]))
    return shown + (", ..." if len(names) > _NAMED else "")
