"""Measure how well an index's vectors know the catalogue's labels."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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
from artsim.errors import EvaluationError, StoreError
from artsim.evaluation.knn import KS, KnnEvaluation, Protocol, evaluate
from artsim.evaluation.labels import why_not_label
from artsim.evaluation.neighbours import NO_ROW, check_unit_vectors
from artsim.index import unit
from artsim.store import Store

__all__ = ["KnnPlan", "KnnRun", "knn_eval", "label_columns", "predictions_writer"]


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


@dataclass
class KnnRun:
    """An evaluation under way: iterated over once, it judges one label after the other."""

    evaluations: Iterator[KnnEvaluation] = field(default_factory=lambda: iter(()))
    not_labels: dict[str, str] = field(default_factory=dict)  # why not; whole when iterated over
    without_vector: int = 0  # rows whose vector is all zeros: they take no part

    def __iter__(self) -> Iterator[KnnEvaluation]:
        """Judge the labels."""
        return self.evaluations


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


def knn_eval(store: Store, plan: KnnPlan) -> KnnRun:
    """Evaluate kNN on an index's labels, one after the other.

    Labels that the plan names must be possible to judge. Of all others, those that are not, say
    because the split's train rows have one class, are noted with the reason.

    Raises:
        EvaluationError: If a column is not there or cannot be what it was named for; while
            iterated over, if a label that was named, or none at all, can be judged.

    Example:
        >>> for evaluation in knn_eval(store, KnnPlan(tap="embedding")):
        ...     print(evaluation.label, evaluation.scores[0].top1)
    """
    if not store.rows:
        raise EvaluationError(f"{str(store.path)!r} holds no picture; see 'artsim info'")
    run = KnnRun()
    names: list[str] = list(plan.labels)
    if not names:
        possible, run.not_labels = label_columns(store)
        names = [name for name in possible if name not in (plan.split, plan.group)]
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
    vectors = unit(store.vectors(plan.tap))
    empty = np.flatnonzero(np.einsum("nd,nd->n", vectors, vectors) == 0)
    if len(empty):
        vectors[empty, 0] = 1.0  # any unit vector will do: no row without a label takes part
        labels = {name: _without(values, empty) for name, values in labels.items()}
        run.without_vector = len(empty)
    check_unit_vectors(vectors, f"the vectors of {str(store.path)!r}")

    def judge(labels: dict[str, list[str | None]]) -> Iterator[KnnEvaluation]:
        return evaluate(
            vectors,
            labels,
            train=train,
            test=test,
            groups=groups,
            ks=plan.ks,
            protocols=plan.protocols,
            seed=plan.seed,
        )

    run.evaluations = judge(labels) if plan.labels else _judge_what_can_be(judge, labels, run)
    return run


@contextmanager
def predictions_writer(store: Store, file: Path) -> Iterator[Callable[[KnnEvaluation], None]]:
    """Give a callable that writes an evaluation to a CSV file, opened here.

    A row for every picture, label, protocol and k, with the neighbours that voted.

    Raises:
        StoreError: If the file cannot be written.
    """
    ids = store.read(["id"]).column("id").to_pylist()
    try:
        stream = file.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"cannot write the predictions to {str(file)!r}: {error.strerror}; name another file"
        ) from error
    with stream:
        out = csv.writer(stream)
        out.writerow(
            ["id", "label", "protocol", "k", "true", "predicted", "share", "correct", "neighbours"]
        )
        yield lambda evaluation: out.writerows(_predictions(evaluation, ids))


def _predictions(evaluation: KnnEvaluation, ids: list[str]) -> Iterator[list[object]]:
    classes = (*evaluation.classes, "")  # the last for class -1: no vote
    for score in evaluation.scores:
        for i, row in enumerate(evaluation.query_rows):
            true = int(evaluation.truth[i])
            predicted = int(score.votes.classes[i, 0])
            voters = evaluation.neighbours.rows[i, : score.k]
            yield [
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


def _judge_what_can_be(
    judge: Callable[[dict[str, list[str | None]]], Iterator[KnnEvaluation]],
    labels: dict[str, list[str | None]],
    run: KnnRun,
) -> Iterator[KnnEvaluation]:
    """Judge labels that no one named: what is wrong with one is noted, and the next is asked."""
    left, reasons = dict(labels), {}
    while left:
        try:
            for evaluation in judge(dict(left)):
                del left[evaluation.label]
                yield evaluation
        except EvaluationError as error:  # split and vectors are sound: it is about this label
            name = next(iter(left))
            del left[name]
            reasons[name] = str(error)
            run.not_labels[name] = str(error)
    if len(reasons) == len(labels):
        raise EvaluationError(
            f"none of the labels {', '.join(labels)} can be judged; why not the first: "
            f"{next(iter(reasons.values()))}"
        )


def _short_name(label: str) -> str:
    return parse_label(label).name if is_derivation(label) else label


def _without(values: list[str | None], rows: NDArray[np.int64]) -> list[str | None]:
    left_out = set(rows.tolist())
    return [None if row in left_out else value for row, value in enumerate(values)]


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
