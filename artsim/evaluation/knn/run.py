"""An index's labels judged by their neighbors, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.evaluation.knn.plan import Correction, KnnPlan, Protocol
from artsim.evaluation.knn.sides import Sides, read_groups, read_sides
from artsim.labels import Label, LabelKind, label_columns, read_label
from artsim.metrics.hubness import csls, mutual_proximity
from artsim.metrics.knn import KnnEvaluation, MemberEvaluation, ValueEvaluation, evaluate
from artsim.metrics.met import MetScore, evaluate_met
from artsim.metrics.neighbors import Neighbors, nearest
from artsim.metrics.vectors import to_unit
from artsim.splits.audit import Progress, refuse_leaks
from artsim.store import Store

__all__ = ["AnyEvaluation", "KnnRun", "MetEvaluation", "knn_eval"]

_SEARCHES: dict[Correction | None, Callable[..., Neighbors]] = {
    None: nearest,
    Correction.CSLS: csls,
    Correction.MUTUAL_PROXIMITY: mutual_proximity,
}

Vectors = NDArray[np.float32]
Groups = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class MetEvaluation:
    """Of a label of one class a row, by the protocol of The Met dataset."""

    label: str
    query_rows: NDArray[np.int64]  # (n,)
    classes: tuple[str, ...]  # what the class codes stand for
    truth: NDArray[np.int64]  # (n,) class codes; -1 for a class that train does not have
    chosen_on: int  # validation rows that chose k and t
    bank_size: int
    score: MetScore
    seed: int


AnyEvaluation = KnnEvaluation | MemberEvaluation | ValueEvaluation | MetEvaluation
Judge = Callable[[Mapping[str, Label]], Iterator[AnyEvaluation]]


@dataclass
class KnnRun:
    """An evaluation under way: iterated over once, it judges one label after the other."""

    evaluations: Iterator[AnyEvaluation] = field(default_factory=lambda: iter(()))
    not_labels: dict[str, str] = field(default_factory=dict)  # why not; whole when iterated over
    without_vector: int = 0  # rows whose vector is all zeros: they take no part

    def __iter__(self) -> Iterator[AnyEvaluation]:
        """Judge the labels."""
        return self.evaluations


def knn_eval(
    store: Store,
    plan: KnnPlan,
    *,
    device: str | torch.device = "cpu",
    workers: int = 2,
    progress: Progress = lambda done, total, failures: None,
) -> KnnRun:
    """Evaluate kNN on an index's labels, one after the other.

    Labels that the plan names must be possible to judge. Of all others, those that are not, say
    because the split's train rows have one class, are noted with the reason.

    Args:
        store: The index.
        plan: What is asked.
        device: Where similarities are computed.
        workers: Threads that decode pictures, where the plan compares their looks.
        progress: Called while they do.

    Raises:
        EvaluationError: If a column is not there or cannot be what it was named for; while
            iterated over, if a label that was named, or none at all, can be judged.

    Example:
        >>> for evaluation in knn_eval(store, KnnPlan(tap="embedding", labels=("artist",))):
        ...     print(evaluation.label, evaluation.scores[0].top1)
    """
    if not store.rows:
        raise EvaluationError(f"{str(store.path)!r} holds no picture; see 'artsim info'")
    run = KnnRun()
    targets = _read_targets(store, plan, run)
    sides = read_sides(store, plan.split)
    if plan.no_leaks and plan.split is not None:
        refuse_leaks(store, plan.split, workers=workers)
    groups = read_groups(store, plan.groups, workers=workers, progress=progress)
    if sides.folds is not None:
        groups = np.column_stack([groups, sides.folds])
    vectors, empty = to_unit(store.vectors(plan.tap), f"the vectors of {str(store.path)!r}")
    run.without_vector = len(empty)
    some = np.ones(store.rows, dtype=bool) if sides.takes_part is None else sides.takes_part
    some[empty] = False
    labels = {target.name: target.keep(some) for target in targets}
    way = _judge_by_met if plan.protocol == Protocol.MET else _judge_by_votes
    judge: Judge = partial(
        way, vectors, plan=plan, sides=sides, groups=groups if groups.size else None, device=device
    )
    run.evaluations = judge(labels) if plan.labels else _judge_what_can_be(judge, labels, run)
    return run


def _read_targets(store: Store, plan: KnnPlan, run: KnnRun) -> list[Label]:
    """Read the labels that are named, or those that can be; why others cannot is noted."""
    names = list(dict.fromkeys(plan.labels))
    if not names:
        possible, run.not_labels = label_columns(store)
        names = [name for name in possible if name not in (plan.split, *plan.groups)]
    targets = []
    for name in names:
        try:
            targets.append(read_label(store, name))
        except EvaluationError as error:
            if plan.labels:
                raise
            run.not_labels[name] = str(error)
    if not targets:
        raise EvaluationError(
            f"no column of {str(store.path)!r} can be a label; see 'artsim info', "
            "or name one with --label"
        )
    several = [target.name for target in targets if target.kind != LabelKind.MULTICLASS]
    if plan.protocol == Protocol.MET and several:
        raise EvaluationError(
            f"the protocol 'met' judges labels of one class a picture, which {several[0]!r} is "
            "not; take 'dino' or 'plain'"
        )
    return targets


def _judge_by_votes(
    vectors: Vectors,
    labels: Mapping[str, Label],
    *,
    plan: KnnPlan,
    sides: Sides,
    groups: Groups | None,
    device: str | torch.device,
) -> Iterator[AnyEvaluation]:
    return evaluate(
        vectors,
        labels,
        train=sides.train,
        validation=sides.validation,
        test=sides.test,
        groups=groups,
        ks=plan.numbers_of_neighbors,
        temperatures=plan.vote_temperatures,
        search=_SEARCHES[plan.correct],
        seed=plan.seed,
        device=device,
    )


def _judge_by_met(
    vectors: Vectors,
    labels: Mapping[str, Label],
    *,
    plan: KnnPlan,
    sides: Sides,
    groups: Groups | None,
    device: str | torch.device,
) -> Iterator[AnyEvaluation]:
    """Judge by GAP; pictures of a class that train does not have are distractors."""
    if sides.train is None or sides.validation is None or sides.test is None:
        raise EvaluationError(
            f"the protocol 'met' chooses on validation, and split {plan.split!r} has none beside "
            "train and test; draw one with 'artsim split --fractions 70/10/20'"
        )
    for name, values in labels.items():
        train, validation, test = (
            rows[values.strata[rows] >= 0] for rows in (sides.train, sides.validation, sides.test)
        )
        codes = np.where(np.isin(values.strata, values.strata[train]), values.strata, -1)
        score = evaluate_met(
            vectors,
            codes,
            train=train,
            validation=validation,
            test=test,
            groups=groups,
            ks=plan.numbers_of_neighbors,
            seed=plan.seed,
            device=device,
        )
        yield MetEvaluation(
            label=name,
            query_rows=test,
            classes=values.classes,
            truth=codes[test],
            chosen_on=len(validation),
            bank_size=len(train),
            score=score,
            seed=plan.seed,
        )


def _judge_what_can_be(
    judge: Judge, labels: Mapping[str, Label], run: KnnRun
) -> Iterator[AnyEvaluation]:
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
