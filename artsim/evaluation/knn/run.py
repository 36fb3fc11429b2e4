"""kNN evaluation of an index: labels, split and vectors read once, then label by label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import Progress, as_text, no_progress
from artsim.errors import EvaluationError
from artsim.evaluation.hierarchy import (
    place_label,
    score_hierarchy,
    sure_votes,
    with_back_off,
)
from artsim.evaluation.knn.evaluate import KnnEvaluation, KnnEvaluator
from artsim.evaluation.knn.plan import Correction, KnnPlan, Protocol
from artsim.evaluation.knn.series import read_titles
from artsim.evaluation.reading import choose_labels, read_among, unit_vectors
from artsim.labels import Label, LabelKind, derived_labels, group_codes, with_columns
from artsim.labels.trees import check_placed
from artsim.metrics import MetScore, csls, evaluate_met, mutual_proximity
from artsim.metrics.neighbors import Neighbors, nearest, nearest_among
from artsim.splits import Split, look_alikes, picture_hashes, read_source
from artsim.store import Store

NEAR_DUPLICATE = "near-duplicate"  # a group of pictures that look the same

_SEARCHES: dict[Correction | None, Callable[..., Neighbors]] = {
    None: nearest,
    Correction.CSLS: csls,
    Correction.MUTUAL_PROXIMITY: mutual_proximity,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class MetEvaluation:
    """The evaluation of a label by the protocol of The Met dataset."""

    label: Label  # of the n queries; without a value where train does not have the class
    split: Split  # the rows that have the label
    query_rows: NDArray[np.int64]  # (n,)
    chosen_on: int  # validation rows that k and t were chosen on
    bank_size: int
    score: MetScore


AnyEvaluation: TypeAlias = KnnEvaluation | MetEvaluation


@dataclass(frozen=True, kw_only=True)
class KnnRun:
    """An evaluation under way: iterate over it once to evaluate label after label."""

    split: Split
    evaluations: Iterator[AnyEvaluation]
    not_labels: dict[str, str]  # columns that cannot be evaluated, and why; complete at the end
    without_vector: int  # rows whose vector is all zeros: they take no part
    unassigned: int  # rows that were added to the index after the split was made

    def __iter__(self) -> Iterator[AnyEvaluation]:
        return self.evaluations


def knn_eval(
    store: Store,
    plan: KnnPlan,
    *,
    device: str | torch.device = "cpu",
    workers: int = 2,
    progress: Progress = no_progress,
    find: Callable[..., Neighbors] | None = None,
) -> KnnRun:
    """Evaluate kNN on an index's labels, one after the other.

    If the plan names no labels, columns that cannot be evaluated are skipped and noted with the
    reason, for example that the split's train rows have one class.

    Args:
        store: The index.
        plan: What to measure.
        device: Where similarities are computed.
        workers: Threads that hash pictures, where the plan keeps near-duplicates apart.
        progress: Called while they do.
        find: Finds neighbors as `nearest_among` does; that, exactly, if None.

    Raises:
        EvaluationError: If a column does not exist or cannot be used as named; during iteration, if
            a label of the plan, or every label, cannot be evaluated.

    Example:
        >>> for evaluation in knn_eval(store, KnnPlan(tap="embedding", labels=("artist",))):
        ...     print(evaluation.label.name, evaluation.scores[0].estimate)
    """
    plan = with_columns(store, plan)
    labels, not_labels = _read_labels(store, plan)
    among = plan.among
    source = read_source(store, plan)
    split = source.whole
    groups = _read_groups(store, plan.groups, workers, progress)
    if groups.size:
        columns = [groups] if split.groups is None else [groups, split.groups]
        resampled = [
            replace(split, resampled=codes, resampled_by=name)
            for codes, name in zip(groups.T, plan.groups, strict=True)
        ]
        fewest = min(resampled, key=lambda each: each.n_resampled or 0)
        split = replace(fewest, groups=np.column_stack(columns))
    if plan.protocol == Protocol.MET and not len(split.validation):
        raise EvaluationError(
            f"the protocol 'met' chooses on validation, and split {plan.split!r} has only "
            "train and test; draw one with 'artsim split --fractions 70/10/20'"
        )
    vectors, has_vector = unit_vectors(store, plan.tap)
    if (titles := read_titles(store)) is not None:
        split = titles.note(split)
    evaluator = KnnEvaluator(
        vectors=vectors,
        split=split.keep(has_vector),
        unlabeled=plan.unlabeled,
        ks=plan.numbers_of_neighbors,
        temperatures=plan.vote_temperatures,
        search=_SEARCHES[plan.correct],
        find=find or nearest_among,
        most=plan.queries,
        seed=plan.seed,
        device=device,
    )

    def evaluations() -> Iterator[AnyEvaluation]:
        failed = {}
        for label in labels:
            kept = label.keep(has_vector)
            try:
                if plan.protocol == Protocol.MET:
                    yield _evaluate_met(evaluator, kept)
                else:
                    _check_several_groups(store, kept, evaluator.split, groups, plan.groups)
                    yield _check_groups(_with_hierarchy(evaluator, kept, plan), plan.groups)
            except EvaluationError as error:
                if plan.labels:
                    raise
                failed[label.name] = not_labels[label.name] = str(error)
        if len(failed) == len(labels):
            raise EvaluationError(
                f"none of the labels {', '.join(failed)} can be evaluated; the reason for the "
                f"first: {next(iter(failed.values()))}"
            )

    return KnnRun(
        split=split,
        evaluations=evaluations(),
        not_labels=not_labels,
        without_vector=int((~has_vector if among is None else ~has_vector & among.rows).sum()),
        unassigned=source.stored.unassigned if source.stored else 0,
    )


def _read_labels(store: Store, plan: KnnPlan) -> tuple[list[Label], dict[str, str]]:
    """Read the labels of the plan, or all that can be labels; return why others cannot."""
    names, not_labels = choose_labels(store, plan.labels, (plan.split, *plan.groups), plan.among)
    labels = []
    for name in names:
        try:
            labels.append(read_among(store, name, plan.among, keep_qualified=plan.keep_qualified))
        except EvaluationError as error:
            if plan.labels:
                raise
            not_labels[name] = str(error)
    others = [label.name for label in labels if label.kind != LabelKind.MULTICLASS]
    if plan.protocol == Protocol.MET and others:
        raise EvaluationError(
            f"the protocol 'met' takes labels of one class a picture, which {others[0]!r} is "
            "not; take 'dino' or 'plain'"
        )
    if plan.hierarchy is not None:
        check_placed(plan.hierarchy, labels)
    return labels, not_labels


def _check_several_groups(
    store: Store, label: Label, split: Split, groups: NDArray[np.int64], names: Sequence[str]
) -> None:
    """Refuse a label whose pictures are all of one group: none has a neighbor of another."""
    part = split.keep(label.known)
    rows = np.concatenate([part.learned, part.test])
    for name, codes in zip(names, groups[rows].T, strict=True):
        if len(rows) and codes[0] >= 0 and (codes == codes[0]).all():
            is_column = name in {field.name for field in store.fields}
            value = store.take(rows[:1], [name]).column(0)[0].as_py() if is_column else None
            shown = f" ({as_text(value)!r})" if value is not None else ""
            raise EvaluationError(
                f"all pictures here that have a value of {label.name!r} share one of {name!r}"
                f"{shown}, so none has a neighbor outside its group; group by another column"
            )


def _check_groups(found: KnnEvaluation, groups: Sequence[str]) -> KnnEvaluation:
    """Refuse a label whose classes lie within one group each, such as the group itself."""
    if groups and found.unreachable == len(found.query_rows):
        raise EvaluationError(
            f"{found.label.name!r} cannot be predicted without neighbors of the same "
            f"{' or '.join(groups)}: no picture has a neighbor of its class then; group by another "
            "column or choose another label"
        )
    return found


def _read_groups(
    store: Store, names: Sequence[str], workers: int, progress: Progress
) -> NDArray[np.int64]:
    """Return the group codes of columns or labels, shape (N, G); -1 is no group.

    `NEAR_DUPLICATE`, unless there is such a column, joins pictures that look the same, in chains.
    """
    columns = {*(field.name for field in store.fields), *derived_labels(store)}
    groups = np.empty((store.rows, len(names)), dtype=np.int64)
    for place, name in enumerate(names):
        if name == NEAR_DUPLICATE and name not in columns:
            hashes = picture_hashes(store, workers=workers, progress=progress)
            groups[:, place] = look_alikes(hashes)
        else:
            groups[:, place] = group_codes(store, name)
    return groups


def _with_hierarchy(evaluator: KnnEvaluator, label: Label, plan: KnnPlan) -> KnnEvaluation:
    """Evaluate a label, and score it by the plan's hierarchy if that has any of its classes.

    Predictions are backed off where there are validation rows to choose the threshold on.
    """
    found = evaluator.evaluate(label)
    placed = place_label(plan.hierarchy, label)
    if placed is None:
        return found
    scores = []
    for each in found.scores:
        scored = score_hierarchy(placed, each.predictions)
        if label.kind == LabelKind.MULTICLASS and len(found.split.validation):
            rows, near = evaluator.validation_neighbors(label)
            test, validation = (
                sure_votes(placed, label, some, each.k, each.temperature)
                for some in (found.neighbors, near)
            )
            scored = with_back_off(scored, each.predictions, test, validation, label.take(rows))
        scores.append(replace(each, hierarchy=scored))
    return replace(found, scores=tuple(scores))


def _evaluate_met(evaluator: KnnEvaluator, label: Label) -> MetEvaluation:
    """Score by GAP; pictures of a class that train does not have are distractors."""
    split = evaluator.split.keep_labeled(label.known)
    known = label.keep(np.isin(label.strata, label.strata[split.train]))
    score = evaluate_met(
        evaluator.vectors,
        known.strata,
        split,
        ks=evaluator.ks,
        seed=evaluator.seed,
        device=evaluator.device,
    )
    return MetEvaluation(
        label=known.take(split.test),
        split=split,
        query_rows=split.test,
        chosen_on=len(split.validation),
        bank_size=len(split.train),
        score=score,
    )
