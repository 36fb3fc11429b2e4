"""Measure how well an index's vectors know the catalogue's labels."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import FieldType
from artsim.errors import EvaluationError
from artsim.evaluation.knn import KS, KnnEvaluation, Protocol, evaluate
from artsim.evaluation.labels import why_not_label
from artsim.evaluation.neighbours import NO_ROW
from artsim.index import unit
from artsim.store import Store

__all__ = ["KnnPlan", "knn_eval", "label_columns", "write_predictions"]

# How splits call the side that may be looked at, and the side that is judged.
_TRAIN = ("train", "training")
_TEST = ("test", "testing", "val", "valid", "validation")


@dataclass(frozen=True, kw_only=True)
class KnnPlan:
    """What a kNN evaluation is asked."""

    tap: str
    labels: tuple[str, ...] = ()  # columns; all that can be labels if empty
    split: str | None = None  # column: its train rows are the bank; leave-one-out if None
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
        reason = why_not_label(_values(store, column.name))
        if reason is None:
            labels.append(column.name)
        else:
            others[column.name] = reason
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
    labels = {name: _label_values(store, name) for name in names}
    train, test = _split(store, plan.split) if plan.split else (None, None)
    yield from evaluate(
        unit(store.vectors(plan.tap)),
        labels,
        train=train,
        test=test,
        groups=_values(store, plan.group) if plan.group else None,
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


def _label_values(store: Store, name: str) -> list[str | None]:
    field = next((field for field in store.manifest.fields if field.name == name), None)
    if field is not None and field.type in (FieldType.LIST, FieldType.YEARS):
        raise EvaluationError(
            f"{name!r} is of type {field.type}; knn-eval judges labels of one value a picture"
        )
    return _values(store, name)


def _values(store: Store, name: str) -> list[str | None]:
    """Return a column as text; null stays None."""
    known = [field.name for field in store.manifest.fields]
    if name not in known:
        raise EvaluationError(f"no column {name!r}; choose from {', '.join(known)}")
    values = store.read([name]).column(name).to_pylist()
    return [None if value is None else str(value) for value in values]


def _split(store: Store, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of train and of test."""
    values = [(value or "").lower() for value in _values(store, name)]
    train = [row for row, value in enumerate(values) if value in _TRAIN]
    tests = sorted({value for value in values if value in _TEST})
    if not train or not tests:
        found = ", ".join(repr(value) for value in sorted(set(values))[:6])
        raise EvaluationError(
            f"split column {name!r} needs rows of 'train' and of 'test' (or 'val'); it has {found}"
        )
    judged = next((each for each in ("test", "testing") if each in tests), tests[0])
    test = [row for row, value in enumerate(values) if value == judged]
    return np.array(train, dtype=np.int64), np.array(test, dtype=np.int64)
