"""The split of a label: stored, a column of the catalog, or drawn."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from artsim.datatypes import plural, shell_word
from artsim.errors import EvaluationError
from artsim.labels import Label, LabelKind, derived_labels, group_codes
from artsim.splits.audit import refuse_leaks
from artsim.splits.copies import Copies, leave_out_copies, read_copies
from artsim.splits.drawing import split
from artsim.splits.parts import SAMPLE, TEST, TRAIN, VAL, Among, Codes, Mask, Rows, Split
from artsim.splits.stored import StoredSplit, read_stored_split
from artsim.store import Store

# Of train, validation and test, where no split is named.
FRACTIONS: tuple[float, float, float] = (0.7, 0.1, 0.2)
VALIDATION = 0.1  # of the train rows, where a split has none
_FEW = 5  # validation pictures: to choose by fewer is to guess
_NAMED = 3  # classes that a note names


@dataclass(frozen=True, kw_only=True)
class SplitChoice:
    """Which split labels are evaluated on."""

    split: str | None = None  # stored, or a column of train, val and test; None: drawn
    no_leaks: bool = False  # refuse a split that has one file or picture in two parts
    keep_copies: bool = False  # train on copies of test pictures as well
    seed: int = 0
    among: Among | None = None  # the part of the collection that takes part; None: all of it


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitSource:
    """Split, groups and copies of an index, read once for all its labels."""

    choice: SplitChoice
    stored: StoredSplit | None
    group: str | None  # column whose values are in one part each
    groups: Codes | None  # (N,) its codes; -1 is no group
    resampled: Codes | None  # (N,) codes of that column or, without one, of the split's own
    resampled_by: str | None  # which column that is
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
            number = {part: place for place, part in enumerate(stored.counts)}
            folds = np.array([-1 if part is None else number[part] for part in stored.parts])
            how = f"split {stored.name!r}, each of {len(number)} folds tested against the others"
            found = _leave_one_out(np.flatnonzero(folds >= 0), how, folds[:, None])
        elif stored.is_sample:
            rows = stored.rows(SAMPLE)
            how = f"sample {stored.name!r}, leave-one-out among {len(rows):,}"
            found = _leave_one_out(rows, how)
        else:
            found = parts_of(stored)
        return self.without_copies(self._within(found))

    def _within(self, found: Split) -> Split:
        """Keep the rows that take part, before copies are counted."""
        among = self.choice.among
        if among is None:
            return found
        kept = found.within(among)
        for part in (TRAIN, TEST):
            if not len(kept.parts[part]):
                raise EvaluationError(
                    f"{found.description}: no row of {part!r} meets the condition {among.where}; "
                    "choose another --split, or a wider --where"
                )
        return kept

    def without_copies(self, found: Split) -> Split:
        """Leave copies of test pictures out of training, unless they are to be kept."""
        found = replace(found, resampled=self.resampled, resampled_by=self.resampled_by)
        return leave_out_copies(found, self.copies, keep=self.choice.keep_copies)


def read_source(store: Store, choice: SplitChoice, *, group: str | None = None) -> SplitSource:
    """Read a split, copies, and groups: a column whose values are in one part each, if drawn.

    Raises:
        EvaluationError: If a split or column is not there, or the split leaks and must not.
    """
    if choice.no_leaks and choice.split is not None:
        refuse_leaks(store, choice.split)
    stored = None if choice.split is None else read_stored_split(store, choice.split)
    groups = None if group is None else group_codes(store, group)
    resampled_by = group or grouped_by(store, stored)
    return SplitSource(
        choice=choice,
        stored=stored,
        group=group,
        groups=groups,
        resampled=group_codes(store, resampled_by) if resampled_by else None,
        resampled_by=resampled_by,
        copies=read_copies(store),
    )


def grouped_by(store: Store, stored: StoredSplit | None) -> str | None:
    """Return the column whose groups a stored split keeps whole, if it is still there."""
    name = None if stored is None or stored.plan is None else stored.plan.group
    fields = {field.name for field in store.fields} | set(derived_labels(store))
    return name if name in fields else None


def split_label(source: SplitSource, label: Label, kept: Mask | None = None) -> Split:
    """Return the rows of a split that have a label, or draw 70/10/20 of them.

    A tenth of the training rows is drawn for validation where the split has none. Only rows that
    are ``kept``, shape (N,), take part.

    Raises:
        EvaluationError: If a part has no row, a group is in two parts, or the split has folds.
    """
    choice, stored = source.choice, source.stored
    kept = np.ones(len(label), dtype=bool) if kept is None else kept
    kept = kept if choice.among is None else kept & choice.among.rows
    label, unlabeled = label.keep(kept), kept & ~label.known
    if stored is None or stored.is_sample:
        among, rows = "", np.flatnonzero(kept)
        if stored is not None:
            among, rows = f" of the sample {stored.name!r}", stored.rows(SAMPLE)
        drawn = draw_split(np.intersect1d(rows, label.labeled), label, source, among)
        drawn = drawn if choice.among is None else drawn.within(choice.among)
        found = replace(source.without_copies(drawn), unlabeled=int(unlabeled[rows].sum()))
        return _with_notes(found, label)
    if stored.is_folds:
        raise EvaluationError(
            f"split {stored.name!r} has folds, expected train, val and test; draw one with "
            "'artsim split --name NAME --fractions 70/10/20'"
        )
    _refuse_shared(source)
    found = source.whole.keep(kept).keep_labeled(label.known)
    for part in (TRAIN, TEST):
        if not len(found.parts[part]):
            raise EvaluationError(
                f"no row of {part!r} in split {stored.name!r} has a {label.name!r}; "
                "choose another --split or --label"
            )
    if not len(found.validation):
        train, validation = _divide(found.train, label, (1 - VALIDATION, VALIDATION), source)
        tenth = f", chosen on a tenth of train drawn with seed {choice.seed}"
        description = found.description.removesuffix(", chosen on val") + tenth
        found = replace(found, train=train, validation=validation, description=description)
    return _with_notes(found, label)


def _leave_one_out(rows: Rows, description: str, groups: Codes | None = None) -> Split:
    none = rows[:0]
    return Split(train=rows, validation=none, test=rows, description=description, groups=groups)


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


def draw_split(
    rows: Rows,
    label: Label,
    source: SplitSource,
    among: str = "",
    *,
    fractions: Sequence[float] = FRACTIONS,
) -> Split:
    """Draw 70/10/20 of these rows, stratified by a label, each group in one part.

    Two ``fractions`` are of train and test; validation is a tenth of train.
    """
    seed = source.choice.seed
    shares = "/".join(f"{100 * share:g}" for share in fractions)
    description = f"{shares}{among} drawn with seed {seed}, stratified by {label.name}"
    if len(fractions) == 2:
        learned, tested = fractions
        fractions = (learned * (1 - VALIDATION), learned * VALIDATION, tested)
        description += ", chosen on a tenth of train"
    train, validation, test = _divide(rows, label, fractions, source)
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


def _refuse_shared(source: SplitSource) -> None:
    """Refuse a split that has one group in two parts."""
    groups = source.groups
    if groups is None:
        return
    for (a, rows), (b, others) in itertools.combinations(source.whole.parts.items(), 2):
        shared = np.intersect1d(groups[rows], groups[others])
        shared = shared[shared >= 0]
        if len(shared):
            raise EvaluationError(
                f"split {source.choice.split!r} has {len(shared):,} values of {source.group!r} in "
                f"{a} and in {b}; draw one that keeps them whole: 'artsim split --name NAME "
                f"--group {shell_word(source.group)}'"
            )


def _with_notes(found: Split, label: Label) -> Split:
    """Note the values that are left out, and classes that cannot be in both train and test."""
    notes = [*found.notes, *label.notes]
    single = missing = np.empty(0, dtype=np.int64)
    if label.kind == LabelKind.MULTICLASS:
        single = np.flatnonzero(label.counts == 1)
        missing = np.setdiff1d(label.strata[found.test], label.strata[found.learned])
    if 0 < len(found.validation) < _FEW:
        chosen = plural(len(found.validation), "validation picture")
        notes.append(f"all settings are chosen on {chosen}, which is far too few")
    if len(single):
        notes.append(
            "classes of one picture cannot be in both training and test: "
            f"{len(single):,} ({_some(label, single)})"
        )
    if len(missing):
        rows = int(np.isin(label.strata[found.test], missing).sum())
        notes.append(
            "test pictures of a class without training pictures count as wrong: "
            f"{rows:,} ({_some(label, missing)})"
        )
    return replace(found, notes=(*notes, *found.label_notes(label.name)))


def _some(label: Label, codes: Codes) -> str:
    shown = ", ".join(repr(label.classes[code]) for code in codes[:_NAMED])
    return shown + (", ..." if len(codes) > _NAMED else "")
