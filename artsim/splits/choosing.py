"""The split of a label: stored, a column of the catalog, or drawn."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from artsim.errors import EvaluationError
from artsim.labels import Label, LabelKind, codes_of, derived_labels
from artsim.splits.audit import refuse_leaks
from artsim.splits.copies import Copies, leave_out_copies, read_copies
from artsim.splits.drawing import split
from artsim.splits.parts import SAMPLE, TEST, TRAIN, VAL, Codes, Rows, Split
from artsim.splits.stored import StoredSplit, read_stored_split
from artsim.store import Store

FRACTIONS = (0.7, 0.1, 0.2)  # train, validation, test where no split is named
VALIDATION = 0.1  # of the train rows, where a split has none
_NAMED = 3  # classes that a note names


@dataclass(frozen=True, kw_only=True)
class SplitChoice:
    """Which split labels are evaluated on."""

    split: str | None = None  # stored, or a column with the values train, val and test; None: drawn
    no_leaks: bool = False  # refuse a split that has one file or picture in two parts
    keep_copies: bool = False  # train on copies of test pictures as well
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitSource:
    """What the splits of an index's labels are made of, read once."""

    choice: SplitChoice
    stored: StoredSplit | None
    group: str | None  # column whose values are in one part each
    groups: Codes | None  # (N,) its codes; -1 is no group
    resampled: Codes | None  # (N,) codes of that column or, without one, of the split's own
    copies: Copies

    @cached_property
    def whole(self) -> Split:
        """The rows of the split, whatever the label; without a split, leave-one-out of all rows.

        Folds and samples are leave-one-out too: no row of a fold is a neighbor within it.

        Raises:
            EvaluationError: If the split has no rows to train on or to test on.
        """
        stored = self.stored
        if stored is None:
            found = _leave_one_out(np.arange(len(self.copies.content)), "leave-one-out")
        elif stored.is_folds:
            found = _folds(stored)
        elif stored.is_sample:
            rows = stored.rows(SAMPLE)
            how = f"sample {stored.name!r}, leave-one-out among {len(rows):,}"
            found = _leave_one_out(rows, how)
        else:
            found = parts_of(stored)
        found = replace(found, resampled=self.resampled)
        return leave_out_copies(found, self.copies, keep=self.choice.keep_copies)


def read_source(store: Store, choice: SplitChoice, *, group: str | None = None) -> SplitSource:
    """Read a split, groups and copies.

    Args:
        store: The index.
        choice: The split.
        group: Column; rows that share its value are in one part of a split that is drawn.

    Raises:
        EvaluationError: If a split or column is not there, or the split leaks and must not.
    """
    if choice.no_leaks and choice.split is not None:
        refuse_leaks(store, choice.split)
    stored = None if choice.split is None else read_stored_split(store, choice.split)
    groups = None if group is None else codes_of(store, group)
    return SplitSource(
        choice=choice,
        stored=stored,
        group=group,
        groups=groups,
        resampled=_groups_of(store, stored) if groups is None else groups,
        copies=read_copies(store),
    )


def _groups_of(store: Store, stored: StoredSplit | None) -> Codes | None:
    """Return the groups that a stored split keeps whole, if their column is still there."""
    name = None if stored is None or stored.plan is None else stored.plan.group
    fields = {field.name for field in store.manifest.fields} | set(derived_labels(store))
    return codes_of(store, name) if name in fields and name is not None else None


def split_label(source: SplitSource, label: Label) -> Split:
    """Return the rows of a split that have a label, or draw 70/10/20 of them.

    A tenth of the training rows is drawn for validation where the split has none.

    Raises:
        EvaluationError: If a part has no row, a group is in two parts, or the split has folds.
    """
    return replace(_split_label(source, label), resampled=source.resampled)


def _split_label(source: SplitSource, label: Label) -> Split:
    choice, stored = source.choice, source.stored
    if stored is None or stored.is_sample:
        rows, among = label.labeled, ""
        if stored is not None:
            rows, among = (
                np.intersect1d(stored.rows(SAMPLE), rows),
                f" of the sample {stored.name!r}",
            )
        drawn = draw_split(rows, label, source, among)
        return _note_rare(leave_out_copies(drawn, source.copies, keep=choice.keep_copies), label)
    if stored.is_folds:
        raise EvaluationError(
            f"split {stored.name!r} has folds, expected train, val and test; draw one with "
            "'artsim split --name NAME --fractions 70/10/20'"
        )
    _refuse_shared(source.whole, source)
    found = of_label(source.whole, label)
    for part, rows in ((TRAIN, found.train), (TEST, found.test)):
        if not len(rows):
            raise EvaluationError(
                f"no row of {part!r} in split {stored.name!r} has a {label.name!r}; "
                "choose another --split or --label"
            )
    if not len(found.validation):
        train, validation = _divide(found.train, label, (1 - VALIDATION, VALIDATION), source)
        tenth = f", chosen on a tenth of train drawn with seed {choice.seed}"
        description = found.description.removesuffix(", chosen on val") + tenth
        found = replace(found, train=train, validation=validation, description=description)
    return _note_rare(found, label)


def _leave_one_out(rows: Rows, description: str) -> Split:
    return Split(train=rows, validation=rows[:0], test=rows, description=description)


def _folds(stored: StoredSplit) -> Split:
    number = {part: place for place, part in enumerate(stored.counts)}
    folds = np.array([-1 if part is None else number[part] for part in stored.parts])
    how = f"split {stored.name!r}, each of {len(number)} folds tested by the others"
    return replace(_leave_one_out(np.flatnonzero(folds >= 0), how), groups=folds[:, None])


def parts_of(stored: StoredSplit) -> Split:
    """Return the parts of a split; without a test part it is tested on its validation rows."""
    tested = next((part for part in (TEST, VAL) if part in stored.counts), None)
    if TRAIN not in stored.counts or tested is None:
        found = ", ".join(stored.counts) or "none of them"
        kind = "split" if stored.plan else "split column"
        raise EvaluationError(
            f"{kind} {stored.name!r} needs rows of 'train' and of 'test' (or 'val'); it has {found}"
        )
    validation = stored.rows(VAL) if tested == TEST else np.empty(0, dtype=np.int64)
    chosen = ", chosen on val" if len(validation) else ""
    return Split(
        train=stored.rows(TRAIN),
        validation=validation,
        test=stored.rows(tested),
        description=f"split {stored.name!r}, tested on {tested}{chosen}",
    )


def draw_split(rows: Rows, label: Label, source: SplitSource, among: str = "") -> Split:
    """Draw 70/10/20 of these rows, stratified by a label, each group in one part."""
    train, validation, test = _divide(rows, label, FRACTIONS, source)
    seed = source.choice.seed
    description = f"70/10/20{among} drawn with seed {seed}, stratified by {label.name}"
    if source.group:
        description += f", each {source.group} in one set"
    return Split(train=train, validation=validation, test=test, description=description)


def _divide(
    rows: Rows, label: Label, fractions: Sequence[float], source: SplitSource
) -> tuple[Rows, ...]:
    groups = None if source.groups is None else source.groups[rows]
    try:
        parts = split(label.strata[rows], fractions, groups=groups, seed=source.choice.seed)
    except EvaluationError as error:
        raise EvaluationError(f"label {label.name!r} cannot be split: {error}") from error
    return tuple(rows[part] for part in parts)


def of_label(whole: Split, label: Label) -> Split:
    """Keep the rows that have a label."""
    known = label.known
    return replace(
        whole,
        train=whole.train[known[whole.train]],
        validation=whole.validation[known[whole.validation]],
        test=whole.test[known[whole.test]],
    )


def _refuse_shared(whole: Split, source: SplitSource) -> None:
    """Refuse a split that has one group in two parts."""
    groups, name = source.groups, source.choice.split
    if groups is None:
        return
    parts = {TRAIN: whole.train, VAL: whole.validation, TEST: whole.test}
    for a, b in itertools.combinations(parts, 2):
        shared = np.intersect1d(groups[parts[a]], groups[parts[b]])
        shared = shared[shared >= 0]
        if len(shared):
            raise EvaluationError(
                f"split {name!r} has {len(shared):,} values of {source.group!r} in {a} and in {b}; "
                f"draw one that keeps them whole: 'artsim split --name NAME --group {source.group}'"
            )


def _note_rare(found: Split, label: Label) -> Split:
    """Note the values that are left out, and classes that cannot be in train and in test."""
    if label.qualified:
        note = (
            f"{label.qualified:,} qualified values of {label.name} are left out "
            '(such as "after" and "workshop of")'
        )
        found = replace(found, notes=(*found.notes, note))
    if label.kind != LabelKind.MULTICLASS:
        return found
    notes = list(found.notes)
    single = [label.classes[code] for code in np.flatnonzero(label.counts == 1)]
    if single:
        notes.append(
            "classes of one picture cannot be in both training and test: "
            f"{len(single):,} ({_some(single)})"
        )
    strange = np.setdiff1d(label.strata[found.test], label.strata[found.learned])
    if len(strange):
        rows = int(np.isin(label.strata[found.test], strange).sum())
        notes.append(
            f"{rows:,} test pictures count as wrong, as no training picture is of their class "
            f"({_some([label.classes[code] for code in strange])})"
        )
    return replace(found, notes=tuple(notes))


def _some(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:_NAMED]))
    return shown + (", ..." if len(names) > _NAMED else "")
