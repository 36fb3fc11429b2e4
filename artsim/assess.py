"""Measure how well an index's vectors know the catalogue's labels."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artsim.annotations import (
    SAMPLE,
    TEST,
    TRAIN,
    VAL,
    Split,
    derived_labels,
    read_split,
    values_of,
)
from artsim.audit import refuse_leaks
from artsim.datatypes import FieldType
from artsim.derive import is_derivation, parse_label
from artsim.errors import EvaluationError
from artsim.evaluation.knn import KS, KnnEvaluation, Protocol, evaluate
from artsim.evaluation.labels import why_not_label
from artsim.evaluation.neighbours import NO_ROW
from artsim.index import unit
from artsim.store import Store

__all__ = ["KnnPlan", "knn_eval", "label_columns", "write_predictions"]


@dataclass(frozen=True, kw_only=True)
class KnnPlan:
    """What a kNN evaluation is asked."""

    tap: str
    labels: tuple[str, ...] = ()  # columns, derived labels; all that can be labels if empty
    split: str | None = None  # stored or column: its train rows are the bank; else leave-one-out
    no_leaks: bool = False  # refuse a split whose sides share a file or a picture
    group: str | None = None  # column: rows that share its value are never neighbours
    ks: tuple[int, ...] = KS
    protocols: tuple[Protocol, ...] = (Protocol.WEIGHTED,)
    seed: int = 0


def label_columns(store: Store) -> tuple[list[str], dict[str, str]]:
    """Find the columns that can be labels.

    Returns:
        Their names, and for every other column why not.
    """
    labels, others = [], {}
    for column in store.manifest.fields:
        if column.type in (FieldType.NUMBER, FieldType.YEARS):
            others[column.name] = f"it is of type {column.type}"
            continue
        if column.type == FieldType.LIST:
            others[column.name] = "it has several values a picture"
            continue
        reason = why_not_label(values_of(store, column.name))
        if reason is None:
            labels.append(column.name)
        else:
            others[column.name] = reason
    labels += derived_labels(store)  # whoever derived one means it
    return labels, others


def knn_eval(store: Store, plan: KnnPlan) -> Iterator[KnnEvaluation]:
    """Evaluate kNN on an index's labels, one after the other.

    Raises:
        EvaluationError: If a column is not there or cannot be what it was named for.
    """
    if not store.rows:
        raise EvaluationError(f"{str(store.path)!r} holds no picture; see 'artsim info'")
    names = plan.labels or tuple(label_columns(store)[0])
    names = tuple(name for name in names if plan.labels or name not in (plan.split, plan.group))
    if not names:
        raise EvaluationError(
            f"no column of {str(store.path)!r} can be a label; see 'artsim info', "
            "or name one with --label"
        )
    labels = {_short_name(name): values_of(store, name) for name in names}
    groups = values_of(store, plan.group) if plan.group else None
    train = test = None
    if plan.split is not None:
        split = read_split(store, plan.split)
        train, test, groups = _sides(split, groups, plan.group)
        if train is None:  # rows on no side take no part: they have no label
            labels = {name: _on_a_side(values, split) for name, values in labels.items()}
        if plan.no_leaks:
            refuse_leaks(store, plan.split)
    yield from evaluate(
        unit(store.vectors(plan.tap)),
        labels,
        train=train,
        test=test,
        groups=groups,
        ks=plan.ks,
        protocols=plan.protocols,
        seed=plan.seed,
    )


def write_predictions(store: Store, evaluations: Sequence[KnnEvaluation], file: Path) -> None:
    """Write a CSV row for every picture, label, protocol and k, with the neighbours that voted."""
    ids = store.read(["id"]).column("id").to_pylist()
    with file.open("w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream)
        out.writerow(
            ["id", "label", "protocol", "k", "true", "predicted", "share", "correct", "neighbours"]
        )
        for evaluation in evaluations:
            classes = (*evaluation.classes, "")  # the last for class -1: no vote
            for score in evaluation.scores:
                for i, row in enumerate(evaluation.query_rows):
                    true = int(evaluation.truth[i])
                    predicted = int(score.votes.classes[i, 0])
                    voters = evaluation.neighbours.rows[i, : score.k]
                    out.writerow(
                        [
                            ids[row],
                            evaluation.label,
                            score.protocol,
                            score.k,
                            classes[true],
                            classes[predicted],
                            f"{score.votes.shares[i, 0]:.4f}",
                            int(true == predicted),
                            "|".join(ids[voter] for voter in voters if voter != NO_ROW),
                        ]
                    )


def _short_name(label: str) -> str:
    return parse_label(label).name if is_derivation(label) else label


def _on_a_side(values: list[str | None], split: Split) -> list[str | None]:
    pairs = zip(values, split.sides, strict=True)
    return [value if side is not None else None for value, side in pairs]


def _sides(
    split: Split, groups: list[str | None] | None, group: str | None
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None, list[str | None] | None]:
    """Return the rows of train and of test, or none where each row asks all others; the groups."""
    if split.is_folds:
        if group is not None and (split.plan is None or split.plan.group != group):
            raise EvaluationError(
                f"the folds of {split.name!r} do not keep {group!r} whole; draw folds with "
                f"'artsim split --folds N --group {group}'"
            )
        # Neighbours from the other folds only: every row is judged by what its fold has not seen.
        return None, None, list(split.sides)
    if list(split.counts) == [SAMPLE]:
        return None, None, groups
    judged = next((side for side in (TEST, VAL) if side in split.counts), None)
    if TRAIN not in split.counts or judged is None:
        found = ", ".join(split.counts) or "none of them"
        kind = "split" if split.plan else "split column"
        raise EvaluationError(
            f"{kind} {split.name!r} needs rows of 'train' and of 'test' (or 'val'); it has {found}"
        )
    return split.rows(TRAIN), split.rows(judged), groups
