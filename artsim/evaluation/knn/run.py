"""kNN evaluation of an index: labels, split and vectors read once, then label by label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import Progress, no_progress
from artsim.errors import EvaluationError
from artsim.evaluation.knn.evaluate import KnnEvaluation, KnnSettings, evaluate
from artsim.evaluation.knn.groups import read_groups
from artsim.evaluation.knn.plan import Correction, KnnPlan, Protocol
from artsim.labels import Label, LabelKind, label_columns, read_label
from artsim.metrics import MetScore, csls, evaluate_met, mutual_proximity, to_unit
from artsim.metrics.neighbors import Neighbors, nearest
from artsim.splits import Split, read_source
from artsim.store import Store

_SEARCHES: dict[Correction | None, Callable[..., Neighbors]] = {
    None: nearest,
    Correction.CSLS: csls,
    Correction.MUTUAL_PROXIMITY: mutual_proximity,
}

Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class MetEvaluation:
    """What the protocol of The Met dataset found of a label of one class a row."""

    label: Label  # of the n queries; without a value where train does not have the class
    query_rows: NDArray[np.int64]  # (n,)
    chosen_on: int  # validation rows that chose k and t
    bank_size: int
    score: MetScore
    seed: int


AnyEvaluation = KnnEvaluation | MetEvaluation
Evaluate = Callable[[Sequence[Label]], Iterator[AnyEvaluation]]


@dataclass
class KnnRun:
    """An evaluation under way: iterated over once, it evaluates one label after the other."""

    split: Split
    evaluations: Iterator[AnyEvaluation] = field(default_factory=lambda: iter(()))
    not_labels: dict[str, str] = field(default_factory=dict)  # why not; whole when iterated over
    without_vector: int = 0  # rows whose vector is all zeros: they take no part
    unassigned: int = 0  # rows that came to the index after the split was made

    def __iter__(self) -> Iterator[AnyEvaluation]:
        """Evaluate the labels."""
        return self.evaluations


def knn_eval(
    store: Store,
    plan: KnnPlan,
    *,
    device: str | torch.device = "cpu",
    workers: int = 2,
    progress: Progress = no_progress,
) -> KnnRun:
    """Evaluate kNN on an index's labels, one after the other.

    Labels that the plan names must be such as can be evaluated. Of all others, those that cannot,
    say because the split's train rows have one class, are noted with the reason.

    Args:
        store: The index.
        plan: What to measure.
        device: Where similarities are computed.
        workers: Threads that decode pictures, where the plan compares their looks.
        progress: Called while they do.

    Raises:
        EvaluationError: If a column is not there or cannot be what it was named for; while
            iterated over, if a label that was named, or none at all, can be evaluated.

    Example:
        >>> for evaluation in knn_eval(store, KnnPlan(tap="embedding", labels=("artist",))):
        ...     print(evaluation.label.name, evaluation.scores[0].estimate)
    """
    if not store.rows:
        raise EvaluationError(f"{str(store.path)!r} holds no picture; see 'artsim info'")
    labels, not_labels = _read_labels(store, plan)
    source = read_source(store, plan)
    split = source.whole
    groups = read_groups(store, plan.groups, workers=workers, progress=progress)
    if groups.size:
        columns = [groups] if split.groups is None else [groups, split.groups]
        split = replace(split, groups=np.column_stack(columns), resampled=groups[:, 0])
    vectors, empty = to_unit(store.vectors(plan.tap), f"the vectors of {str(store.path)!r}")
    there = np.ones(store.rows, dtype=bool)
    there[empty] = False
    labels = [label.keep(there) for label in labels]
    protocol = _evaluate_met if plan.protocol == Protocol.MET else _evaluate_votes
    evaluate_all: Evaluate = partial(protocol, vectors, split=split, plan=plan, device=device)
    run = KnnRun(
        split=split,
        not_labels=not_labels,
        without_vector=len(empty),
        unassigned=source.stored.unassigned if source.stored else 0,
    )
    run.evaluations = (
        evaluate_all(labels) if plan.labels else _evaluate_possible(evaluate_all, labels, run)
    )
    return run


def _read_labels(store: Store, plan: KnnPlan) -> tuple[list[Label], dict[str, str]]:
    """Read the labels that are named, or those that can be, and why others cannot."""
    names = list(dict.fromkeys(plan.labels))
    not_labels: dict[str, str] = {}
    if not names:
        possible, not_labels = label_columns(store)
        names = [name for name in possible if name not in (plan.split, *plan.groups)]
    labels = []
    for name in names:
        try:
            labels.append(read_label(store, name))
        except EvaluationError as error:
            if plan.labels:
                raise
            not_labels[name] = str(error)
    if not labels:
        raise EvaluationError(
            f"no column of {str(store.path)!r} can be a label; see 'artsim info', "
            "or name one with --label"
        )
    others = [label.name for label in labels if label.kind != LabelKind.MULTICLASS]
    if plan.protocol == Protocol.MET and others:
        raise EvaluationError(
            f"the protocol 'met' takes labels of one class a picture, which {others[0]!r} is "
            "not; take 'dino' or 'plain'"
        )
    return labels, not_labels


def _evaluate_votes(
    vectors: Vectors,
    labels: Sequence[Label],
    *,
    split: Split,
    plan: KnnPlan,
    device: str | torch.device,
) -> Iterator[AnyEvaluation]:
    settings = KnnSettings(
        ks=plan.numbers_of_neighbors,
        temperatures=plan.vote_temperatures,
        search=_SEARCHES[plan.correct],
        seed=plan.seed,
        device=device,
    )
    return evaluate(vectors, labels, split, settings)


def _evaluate_met(
    vectors: Vectors,
    labels: Sequence[Label],
    *,
    split: Split,
    plan: KnnPlan,
    device: str | torch.device,
) -> Iterator[AnyEvaluation]:
    """Score by GAP; pictures of a class that train does not have are distractors."""
    if split.is_leave_one_out or not len(split.validation):
        raise EvaluationError(
            f"the protocol 'met' chooses on validation, and split {plan.split!r} has only "
            "train and test; draw one with 'artsim split --fractions 70/10/20'"
        )
    for label in labels:
        own = split.keep(label.known)
        known = label.keep(np.isin(label.strata, label.strata[own.train]))
        score = evaluate_met(
            vectors,
            known.strata,
            own,
            ks=plan.numbers_of_neighbors,
            seed=plan.seed,
            device=device,
        )
        yield MetEvaluation(
            label=known.take(own.test),
            query_rows=own.test,
            chosen_on=len(own.validation),
            bank_size=len(own.train),
            score=score,
            seed=plan.seed,
        )


def _evaluate_possible(
    evaluate_all: Evaluate, labels: Sequence[Label], run: KnnRun
) -> Iterator[AnyEvaluation]:
    """Evaluate labels that no one named: what is wrong with one is noted, and the next is tried."""
    left, reasons = list(labels), {}
    while left:
        try:
            for evaluation in evaluate_all(list(left)):
                left.pop(0)
                yield evaluation
        except EvaluationError as error:  # split and vectors are sound: it is about this label
            name = left.pop(0).name
            reasons[name] = str(error)
            run.not_labels[name] = str(error)
    if len(reasons) == len(labels):
        raise EvaluationError(
            f"none of the labels {', '.join(reasons)} can be evaluated; why not the first: "
            f"{next(iter(reasons.values()))}"
        )
