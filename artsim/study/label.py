"""One label of an index, told in every way and looked at from all sides."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from artsim.errors import EvaluationError
from artsim.evaluation.probe import LabelProbe, ProbePlan, probe
from artsim.evaluation.retrieval import QUANTILES, RetrievalPlan, retrieve
from artsim.labels import LabelKind
from artsim.metrics import scores as metrics
from artsim.metrics.knn import KS
from artsim.metrics.votes import vote
from artsim.splits.leaks import Evidence, LeakKind, find_leaks
from artsim.study.judge import Answers, Predictions, answers_of, judge
from artsim.study.material import Codes, Material
from artsim.study.outliers import find_outliers
from artsim.study.results import (
    Curve,
    Estimate,
    Grouped,
    LabelStudy,
    Outliers,
    Retrieved,
    SplitFacts,
    Way,
)

__all__ = ["Subject", "study_label"]

_BASELINES = {"top1": "majority", "mAP": "chance", "MAE": "median"}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What the study of a label is given."""

    material: Material
    columns: Mapping[str, Sequence[str | None]]  # of text, for the coverage
    hashes: Sequence[int | None]  # perceptual, of each row
    plan: ProbePlan  # that the label was probed by
    group: str | None  # column whose values are kept on one side as well
    groups: Codes | None  # its code for each row, (N,); -1 is none
    works: int  # shown in a gallery


def study_label(
    subject: Subject, found: LabelProbe, predictions: Predictions | None = None
) -> LabelStudy:
    """Study a label that was probed.

    Args:
        subject: The index, and how the label was probed.
        found: What the probe found.
        predictions: To be looked at in the place of the probe's.

    Raises:
        EvaluationError: If the predictions are not of the probe's test pictures.
    """
    target = found.target
    ways = _ways(found)
    judgment, outliers, retrieved = None, None, None
    counts: dict[str, int] = {}
    if target.kind == LabelKind.MULTICLASS:
        answers = _answers(subject, found, predictions)
        columns = {name: each for name, each in subject.columns.items() if name != target.name}
        judgment = judge(answers, subject.material, columns, mistakes=subject.works)
        if predictions is not None:
            ways = (*ways, Way(predictions.source, judgment.top1))
        outliers = _outliers(subject, found)
        retrieved = _retrieved(subject)
        sizes = Counter(target.strata[target.labeled].tolist())
        counts = {target.classes[code]: n for code, n in sizes.most_common()}
    elif target.kind == LabelKind.MULTILABEL:
        sizes = target.matrix.sum(axis=0)
        counts = {
            target.classes[code]: int(sizes[code]) for code in np.argsort(-sizes, kind="stable")
        }
    return LabelStudy(
        name=target.name,
        kind=str(target.kind),
        metric=found.metric,
        counts=counts,
        labeled=len(target.labeled),
        split=_split_facts(subject, found),
        ways=ways,
        metadata=found.metadata_names,
        k=found.k,
        strength=found.result.head.strength,
        curves=tuple(_curves(subject.material, found)),
        judgment=judgment,
        outliers=outliers,
        retrieved=retrieved,
        grouped=None if subject.group is None else _grouped(subject, found),
    )


def _ways(found: LabelProbe) -> tuple[Way, ...]:
    scores = {
        "metadata only": found.metadata,
        "1-NN": found.nearest,
        "kNN": found.knn,
        "probe": found.probe,
    }
    return (
        Way(_BASELINES[found.metric], _baseline(found)),
        *(Way(name, Estimate(score.value, *score.interval)) for name, score in scores.items()),
    )


def _baseline(found: LabelProbe) -> Estimate:
    """Return the baseline, with an interval where it is a share of the test pictures."""
    target, sides = found.target, found.sides
    if target.kind != LabelKind.MULTICLASS:
        return Estimate(found.baseline, math.nan, math.nan)
    usual = np.bincount(target.strata[sides.seen]).argmax()
    right = int((target.strata[sides.test] == usual).sum())
    interval = metrics.accuracy_interval(right, len(sides.test), seed=found.seed)
    return Estimate(found.baseline, *interval)


def _answers(subject: Subject, found: LabelProbe, predictions: Predictions | None) -> Answers:
    target, sides = found.target, found.sides
    material = subject.material
    if predictions is not None:
        answers = answers_of(predictions, material.ids, target.classes, target.strata)
        if not np.array_equal(np.sort(answers.tested), sides.test):
            raise EvaluationError(
                f"the predictions of {target.name!r} judge {len(answers.tested):,} pictures that "
                f"are not the {len(sides.test):,} test pictures of {sides.way}; name the split "
                "that they were made for"
            )
        return answers
    head = found.result.head
    probabilities = np.zeros((len(sides.test), len(target.classes)))
    probabilities[:, head.classes] = head.probabilities(material.vectors[sides.test])
    return Answers(
        source="the linear probe",
        classes=target.classes,
        codes=target.strata,
        learned=sides.seen,
        tested=sides.test,
        probabilities=probabilities,
    )


def _split_facts(subject: Subject, found: LabelProbe) -> SplitFacts:
    sides, material = found.sides, subject.material
    evidence = Evidence(ids=material.ids, files=material.files, hashes=subject.hashes)
    leaks = Counter(str(leak.kind) for leak in find_leaks(evidence, sides.seen, sides.test))
    compared = np.concatenate([sides.seen, sides.test])
    return SplitFacts(
        way=sides.way,
        train=len(sides.train),
        validation=len(sides.validation),
        test=len(sides.test),
        notes=sides.notes,
        leaks={kind: leaks[kind] for kind in (LeakKind.FILE, LeakKind.PICTURE)},
        unhashed=sum(subject.hashes[row] is None for row in compared),
    )


def _curves(material: Material, found: LabelProbe) -> Iterator[Curve]:
    """Yield what validation pictures say of k, and of the penalty."""
    target, sides = found.target, found.sides
    if target.kind == LabelKind.MULTICLASS:
        ks = [k for k in KS if k <= len(sides.train)]
        near = material.search(sides.validation, sides.train, ks[-1])
        truth = target.strata[sides.validation]
        right = [metrics.accuracy(truth, vote(near, target.strata, k).classes[:, 0]) for k in ks]
        yield Curve(setting="k", values=tuple(map(float, ks)), scores=tuple(right), chosen=found.k)
    result = found.result
    yield Curve(
        setting="C" if target.kind != LabelKind.NUMBER else "alpha",
        values=tuple(map(float, result.strengths)),
        scores=tuple(map(float, result.validation)),
        chosen=result.head.strength,
    )


def _outliers(subject: Subject, found: LabelProbe) -> Outliers | None:
    target = found.target
    try:
        return find_outliers(
            subject.material,
            target.classes,
            target.strata,
            found.result.head.strength,
            most=subject.works,
        )
    except EvaluationError:  # too few pictures for folds
        return None


def _retrieved(subject: Subject) -> Retrieved | None:
    plan = RetrievalPlan(tap=subject.plan.tap, labels=subject.plan.labels, seed=subject.plan.seed)
    try:
        (found,) = retrieve(subject.material.store, plan)
    except EvaluationError:  # no two pictures share a class
        return None
    apart = found.told_apart

    def quantiles(scores: np.ndarray) -> tuple[float, ...]:
        return tuple(map(float, np.quantile(scores, QUANTILES))) if len(scores) else ()

    return Retrieved(
        queries=len(found.scores.query_rows),
        scores=dict(found.scores.overall),
        told_apart=None if math.isnan(apart) else apart,
        true_pairs=quantiles(found.true_pairs),
        other_pairs=quantiles(found.other_pairs),
        quantiles=QUANTILES,
    )


def _grouped(subject: Subject, found: LabelProbe) -> Grouped:
    """Judge the label again with every group on one side."""
    assert subject.group is not None
    assert subject.groups is not None
    sides, groups = found.sides, subject.groups
    plan = ProbePlan(
        tap=subject.plan.tap,
        labels=subject.plan.labels,
        group=subject.group,
        seed=subject.plan.seed,
    )
    learned = groups[sides.seen]
    known = int(np.isin(groups[sides.test], learned[learned >= 0]).sum())
    tied = _tied(found.target.strata, groups) if found.target.kind == LabelKind.MULTICLASS else None
    try:
        (again,) = probe(subject.material.store, plan, device=subject.material.device)
    except EvaluationError as error:
        return Grouped(
            group=subject.group, split=None, ways=(), tied=tied, known=known, reason=str(error)
        )
    return Grouped(
        group=subject.group,
        split=_split_facts(subject, again),
        ways=_ways(again),
        tied=tied,
        known=known,
    )


def _tied(codes: Codes, groups: Codes) -> float | None:
    """Return the share of the rows whose class is the most common one of their group."""
    rows = np.flatnonzero((codes >= 0) & (groups >= 0))
    if not len(rows):
        return None
    pairs, counts = np.unique(np.stack([groups[rows], codes[rows]]), axis=1, return_counts=True)
    most = np.zeros(groups.max() + 1, dtype=np.int64)
    np.maximum.at(most, pairs[0], counts)
    return float(most.sum() / len(rows))
