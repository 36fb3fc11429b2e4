"""What is asked of an index: its labels, each with the rows that teach, choose and judge."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.evaluation.probe.sides import Sides, draw_sides
from artsim.labels import Label, codes_of, encode, label_columns, read_label
from artsim.splits.audit import refuse_leaks
from artsim.store import Store

__all__ = ["LabelPlan", "Question", "draw_questions", "label_names", "read_targets"]

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class LabelPlan:
    """Which labels are asked about, and on which split."""

    labels: tuple[str, ...] = ()  # columns, derived labels; all of one class a picture if empty
    split: str | None = None  # stored or column; else 70/10/20 is drawn for each label
    no_leaks: bool = False  # refuse a split whose sides share a file or a picture
    group: str | None = None  # column: rows that share its value are on one side
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Question:
    """A label and its rows."""

    target: Label
    sides: Sides


def label_names(store: Store, plan: LabelPlan, apart: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Name the labels of a plan, or all that there are but those that serve another end."""
    if plan.labels:
        return tuple(dict.fromkeys(plan.labels))
    others = (plan.split, plan.group, *apart)
    return tuple(name for name in label_columns(store)[0] if name not in others)


def read_targets(store: Store, plan: LabelPlan, apart: tuple[str, ...] = ()) -> list[Label]:
    """Read the labels of a plan, see `label_names`.

    Raises:
        EvaluationError: If there is no picture or no label, one cannot be a label, or it is what
            the rows are split or grouped by.
    """
    if not store.rows:
        raise EvaluationError(f"{str(store.path)!r} holds no picture; see 'artsim info'")
    names = label_names(store, plan, apart)
    if not names:
        raise EvaluationError(
            f"no column of {str(store.path)!r} can be a label; see 'artsim info', "
            "or name one with --label"
        )
    for name in names:
        if name in (plan.split, plan.group):
            role = "split" if name == plan.split else "group"
            raise EvaluationError(f"{name!r} cannot be both label and {role}; leave one out")
    return [read_label(store, name) for name in names]


def draw_questions(
    store: Store, plan: LabelPlan, targets: list[Label], left_out: Rows, why: str
) -> list[Question]:
    """Put each label's rows on their sides.

    Args:
        store: The index.
        plan: The split.
        targets: Its labels, see `read_targets`.
        left_out: Rows that take no part.
        why: Why they do not: "their vectors are all zeros".

    Raises:
        EvaluationError: If a side has no row, a group is on two sides, or sides leak where they
            must not.
    """
    if plan.no_leaks and plan.split is not None:
        refuse_leaks(store, plan.split)
    groups = None if plan.group is None else codes_of(store, plan.group)
    hashes = store.read(["content_hash"]).column("content_hash").to_pylist()
    content = encode([each or None for each in hashes])[0]
    questions = []
    for target in targets:
        strata = target.strata.copy()
        strata[left_out] = -1
        kept = replace(target, strata=strata)
        sides = draw_sides(
            store,
            kept,
            split_name=plan.split,
            group=plan.group,
            groups=groups,
            content=content,
            seed=plan.seed,
        )
        lost = len(target.labeled) - len(kept.labeled)
        if lost:
            note = f"{lost:,} pictures are left out, as {why}"
            sides = replace(sides, notes=(*sides.notes, note))
        questions.append(Question(target=kept, sides=sides))
    return questions
