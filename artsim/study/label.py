"""The study of one label of an index: the score of each method, errors, outliers, retrieval."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.evaluation.hierarchy import place_label, probe_hierarchy
from artsim.evaluation.probe import LabelProbe, ProbePlan, probe
from artsim.evaluation.retrieval import QUANTILES, RetrievalPlan, retrieve
from artsim.labels import LabelKind
from artsim.labels.trees import Hierarchy
from artsim.metrics import KNN_KS, accuracy, separate_difference, vote
from artsim.splits import Evidence, LeakKind, find_leaks
from artsim.study.data import Codes, Rows, StudyData
from artsim.study.errors import study_predictions
from artsim.study.outliers import find_outliers
from artsim.study.predictions import AlignedPredictions, ModelPredictions, align
from artsim.study.results import (
    Curve,
    Grouped,
    HierarchyStudy,
    LabelStudy,
    MethodScore,
    Retrieved,
    SplitFacts,
)


@dataclass(frozen=True, kw_only=True)
class StudyContext:
    """What all labels of a study share, and how this one is probed."""

    data: StudyData
    columns: Mapping[str, Sequence[str | None]]  # of text, for the slices
    hashes: Sequence[int | None]  # perceptual, of each row
    plan: ProbePlan  # of the label
    group: str | None  # column whose values are kept in one set for a second evaluation
    groups: Codes | None  # its code for each row, (N,); -1 is none
    works: int  # pictures in a gallery
    hierarchy: Hierarchy | None = None  # of the classes


def study_label(
    context: StudyContext, found: LabelProbe, predictions: ModelPredictions | None = None
) -> LabelStudy:
    """Study a label that was probed, by the predictions given or else by the probe's.

    Raises:
        EvaluationError: If the predictions are not for the probe's test pictures.
    """
    target = found.label
    methods = _methods(found)
    studied, outliers, retrieved = None, None, None
    if target.kind == LabelKind.MULTICLASS:
        aligned = _aligned(context, found, predictions)
        columns = {name: each for name, each in context.columns.items() if name != target.name}
        studied = study_predictions(aligned, context.data, columns, errors=context.works)
        if predictions is not None:
            given = MethodScore(predictions.source, studied.accuracy, studied.macro_f1)
            methods = (*methods, given)
        with suppress(EvaluationError):  # too few pictures for folds
            strength = found.result.head.strength
            codes, most = target.strata, context.works
            outliers = find_outliers(context.data, target.classes, codes, strength, most=most)
        retrieved = _retrieved(context)
    sizes = target.counts
    return LabelStudy(
        name=target.name,
        kind=str(target.kind),
        metric=found.metric,
        counts={target.classes[i]: int(sizes[i]) for i in np.argsort(-sizes, kind="stable")},
        labeled=len(target.labeled),
        split=_split_facts(context, found),
        methods=methods,
        metadata=found.metadata_names,
        k=found.k,
        strength=found.result.head.strength,
        curves=tuple(_curves(context.data, found)),
        predictions=studied,
        outliers=outliers,
        retrieved=retrieved,
        grouped=_grouped(context, found),
        hierarchy=_hierarchy(context, found),
    )


def _hierarchy(context: StudyContext, found: LabelProbe) -> HierarchyStudy | None:
    placed = place_label(context.hierarchy, found.label)
    if placed is None:
        return None
    scored = probe_hierarchy(placed, found.label, context.data.vectors, found.result)
    return HierarchyStudy(
        source=placed.source,
        notes=placed.notes,
        scores=scored.scores,
        backed_off=scored.backed_off,
    )


def _methods(found: LabelProbe) -> tuple[MethodScore, ...]:
    names = {"baseline": found.label.kind.baseline, "metadata": "metadata only"}
    names |= {"knn1": "1-NN", "knn": "kNN", "probe": "probe"}
    # Not a number where no picture's metadata differs from another's.
    nothing = Estimate(math.nan, math.nan, math.nan, n=0)
    return tuple(
        MethodScore(names[name], score or nothing, found.macro_f1.get(name))
        for name, score in found.scores.items()
    )


def _aligned(
    context: StudyContext, found: LabelProbe, predictions: ModelPredictions | None
) -> AlignedPredictions:
    target, split = found.label, found.split
    data = context.data
    if predictions is not None:
        aligned = align(predictions, data.ids, target.classes, target.strata)
        if not np.array_equal(np.sort(aligned.test), split.test):
            raise EvaluationError(
                f"the predictions of {target.name!r} have other test pictures "
                f"({len(aligned.test):,}, not {len(split.test):,}) than {split.description}; "
                "name the split of the predictions"
            )
        return replace(aligned, groups=_groups(found, aligned.test))
    head = found.result.head
    probabilities = np.zeros((len(split.test), len(target.classes)))
    probabilities[:, head.classes] = head.probabilities(data.vectors[split.test])
    return AlignedPredictions(
        source="the linear probe",
        classes=target.classes,
        codes=target.strata,
        train=split.train,
        validation=split.validation,
        test=split.test,
        probabilities=probabilities,
        groups=_groups(found, split.test),
    )


def _groups(found: LabelProbe, test: Rows) -> Codes | None:
    """Return the groups of test rows that intervals resample."""
    codes = found.split.resampled
    return None if codes is None else codes[test]


def _split_facts(context: StudyContext, found: LabelProbe) -> SplitFacts:
    split, data = found.split, context.data
    evidence = Evidence(ids=data.ids, files=data.files, hashes=context.hashes)
    leaks = Counter(str(leak.kind) for leak in find_leaks(evidence, split.learned, split.test))
    compared = np.concatenate([split.learned, split.test])
    return SplitFacts(
        name=context.plan.split or "ordinary",
        description=split.description,
        train=len(split.train),
        validation=len(split.validation),
        test=len(split.test),
        notes=split.notes,
        leaks={kind: leaks[kind] for kind in (LeakKind.FILE, LeakKind.PICTURE)},
        unhashed=sum(context.hashes[row] is None for row in compared),
    )


def _curves(data: StudyData, found: LabelProbe) -> Iterator[Curve]:
    """Yield the validation scores for each k, and for each penalty."""
    target, split = found.label, found.split
    if target.kind == LabelKind.MULTICLASS:
        ks = [k for k in KNN_KS if k <= len(split.train)]
        near = data.search(split.validation, split.train, ks[-1])
        truth = target.strata[split.validation]
        right = [accuracy(truth, vote(near, target.strata, k).classes[:, 0]) for k in ks]
        yield Curve(setting="k", values=tuple(map(float, ks)), scores=tuple(right), chosen=found.k)
    result = found.result
    yield Curve(
        setting="C" if target.kind != LabelKind.NUMBER else "alpha",
        values=tuple(map(float, result.strengths)),
        scores=tuple(map(float, result.validation)),
        chosen=result.head.strength,
    )


def _retrieved(context: StudyContext) -> Retrieved | None:
    plan = RetrievalPlan(
        tap=context.plan.tap,
        labels=context.plan.labels,
        keep_copies=context.plan.keep_copies,
        seed=context.plan.seed,
    )
    try:
        (found,) = retrieve(context.data.store, plan)
    except EvaluationError:  # no two pictures share a class
        return None
    auc = found.auc

    def quantiles(scores: np.ndarray) -> tuple[float, ...]:
        return tuple(map(float, np.quantile(scores, QUANTILES))) if len(scores) else ()

    return Retrieved(
        queries=len(found.scores.query_rows),
        scores=dict(found.scores.overall),
        auc=None if math.isnan(auc) else auc,
        same_pairs=quantiles(found.true_pairs),
        other_pairs=quantiles(found.other_pairs),
        quantiles=QUANTILES,
    )


def _grouped(context: StudyContext, found: LabelProbe) -> Grouped | None:
    """Evaluate the label again with each group in one set."""
    group, groups = context.group, context.groups
    if group is None or groups is None:
        return None
    train = groups[found.split.learned]
    seen = int(np.isin(groups[found.split.test], train[train >= 0]).sum())
    is_multiclass = found.label.kind == LabelKind.MULTICLASS
    purity = _purity(found.label.strata, groups) if is_multiclass else None
    plan = replace(context.plan, split=None, group=group)
    try:
        (again,) = probe(context.data.store, plan, device=context.data.device)
    except EvaluationError as error:
        return Grouped(group, None, (), purity, seen, reason=str(error))
    change = separate_difference(found.probe, again.probe)
    return Grouped(group, _split_facts(context, again), _methods(again), purity, seen, change)


def _purity(codes: Codes, groups: Codes) -> float | None:
    """Return the share of the rows whose class is the most common one of their group."""
    rows = np.flatnonzero((codes >= 0) & (groups >= 0))
    if not len(rows):
        return None
    pairs, counts = np.unique(np.stack([groups[rows], codes[rows]]), axis=1, return_counts=True)
    most = np.zeros(groups.max() + 1, dtype=np.int64)
    np.maximum.at(most, pairs[0], counts)
    return float(most.sum() / len(rows))
