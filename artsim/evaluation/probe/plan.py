"""The labels of an evaluation, each with its split."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.evaluation.knn import read_titles
from artsim.evaluation.reading import choose_labels, read_among
from artsim.labels import Label
from artsim.labels.trees import Hierarchy, check_placed
from artsim.splits import Split, SplitChoice, read_source, split_label
from artsim.store import Store


@dataclass(frozen=True, kw_only=True)
class LabelPlan(SplitChoice):
    """Which labels are evaluated, and on which split."""

    labels: tuple[str, ...] = ()  # columns, derived labels; all with one class a picture if empty
    keep_qualified: bool = False  # values such as "after Rembrandt" are labels too
    hierarchy: Hierarchy | None = None  # of the classes: labels that it has are scored by it too
    group: str | None = None  # column: rows that share its value are in one part of the split


def label_names(store: Store, plan: LabelPlan, apart: tuple[str, ...] = ()) -> tuple[str, ...]:
    """List the labels of a plan, or all labels of an index except those in another role.

    Raises:
        EvaluationError: If there is no picture, no label, or a label is what the rows are split or
            grouped by.
    """
    taken = (plan.split, plan.group, *apart)
    names, _ = choose_labels(store, plan.labels, taken, plan.among)
    for name in names:
        if name in (plan.split, plan.group):
            role = "split" if name == plan.split else "group"
            raise EvaluationError(f"{name!r} cannot be both label and {role}; leave one out")
    return names


def read_labels(store: Store, plan: LabelPlan, apart: tuple[str, ...] = ()) -> list[Label]:
    """Read the labels of a plan, see `label_names`; its hierarchy must have one of them."""
    labels = [
        read_among(store, name, plan.among, keep_qualified=plan.keep_qualified)
        for name in label_names(store, plan, apart)
    ]
    if plan.hierarchy is not None:
        check_placed(plan.hierarchy, labels)
    return labels


def split_labels(
    store: Store, plan: LabelPlan, labels: list[Label], kept: NDArray[np.bool_], why: str
) -> list[tuple[Label, Split]]:
    """Split the rows of each label.

    Args:
        store: The index.
        plan: The split.
        labels: Its labels, see `read_labels`.
        kept: Rows that take part, shape (N,).
        why: Why others do not, such as "their vectors are all zeros".

    Raises:
        EvaluationError: If a part has no row, a group is in two parts, or a split leaks and must
            not.
    """
    source = read_source(store, plan, group=plan.group)
    titles = read_titles(store)
    found = []
    for label in labels:
        split = split_label(source, label, kept)
        if titles is not None and titles.column != label.name:
            split = titles.note(split)
        lost = int((label.known & ~kept).sum())
        if lost:
            note = f"{lost:,} picture{' is' if lost == 1 else 's are'} left out, as {why}"
            split = replace(split, notes=(*split.notes, note))
        found.append((label.keep(kept), split))
    return found
