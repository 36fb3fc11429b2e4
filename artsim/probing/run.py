"""A probe's run: each label told by the majority, by metadata, by neighbours and by a line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from artsim import __version__
from artsim.annotations import values_of
from artsim.assess import label_columns
from artsim.audit import refuse_leaks
from artsim.errors import EvaluationError
from artsim.evaluation import metrics
from artsim.evaluation.few_shot import FewShot, few_shot
from artsim.evaluation.labels import encode
from artsim.evaluation.logistic import STRENGTHS, fit_one_vs_rest
from artsim.evaluation.neighbours import check_unit_vectors
from artsim.evaluation.probe import (
    ClassProbe,
    MemberProbe,
    NumberProbe,
    calibrate,
    probe_classes,
    probe_members,
    probe_numbers,
)
from artsim.index import unit
from artsim.probing.features import SHAPE, Metadata, read_metadata, refuse_label
from artsim.probing.heads import Head, HeadTask, id_hashes
from artsim.probing.neighbours import KS, Score, score_neighbours
from artsim.probing.sides import Sides, draw_sides
from artsim.probing.targets import Kind, Target, read_target
from artsim.store import Store

__all__ = ["METRICS", "LabelProbe", "ProbePlan", "make_head", "means", "probe"]

METRICS = {Kind.CLASSES: "top1", Kind.MEMBERS: "mAP", Kind.NUMBER: "MAE"}

_FAINT = 0.05  # a temperature near the least that is looked for, 0.01

Vectors = NDArray[np.float32]
AnyProbe = ClassProbe | MemberProbe | NumberProbe


@dataclass(frozen=True, kw_only=True)
class ProbePlan:
    """What a probe is asked."""

    tap: str
    labels: tuple[str, ...] = ()  # columns, derived labels; all of one class a picture if empty
    split: str | None = None  # stored or column; else 70/10/20 is drawn for each label
    no_leaks: bool = False  # refuse a split whose sides share a file or a picture
    group: str | None = None  # column: rows that share its value are on one side
    metadata: tuple[str, ...] = ()  # columns that the probe is told besides the vectors
    shots: tuple[int, ...] = ()  # rows of each class, to learn from so few as well
    tries: int = 5  # draws of so few
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class LabelProbe:
    """One label, told in four ways; the metric follows from its kind, see `METRICS`.

    Intervals are bootstrapped over the test rows; those of a mean average precision over its
    classes.
    """

    target: Target
    sides: Sides
    baseline: float  # majority class, chance, or the median's mean absolute error
    metadata: Score  # by the metadata alone
    metadata_names: tuple[str, ...]
    nearest: Score  # by the nearest neighbour
    knn: Score  # by k neighbours, k chosen on validation
    k: int
    probe: Score
    result: AnyProbe  # all about the probe; its columns are of vectors, then of `features`
    features: Metadata  # that it was told besides the vectors
    temperature: float  # of its probabilities
    few: tuple[FewShot, ...]
    seed: int

    @property
    def metric(self) -> str:
        """The scores' name."""
        return METRICS[self.target.kind]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the probe learnt, one for each of its columns; none of a number."""
        if self.target.kind == Kind.NUMBER:
            return ()
        return tuple(self.target.classes[code] for code in self.result.head.classes)

    def to_json(self) -> dict[str, object]:
        """Return the scores, and how they were measured, as plain values."""
        found: dict[str, object] = {
            "label": self.target.name,
            "kind": str(self.target.kind),
            "metric": self.metric,
            "classes": len(self.target.classes) or None,
            "baseline": self.baseline,
            "metadata": self.metadata.value,
            "knn1": self.nearest.value,
            "knn": self.knn.value,
            "k": self.k,
            "probe": self.probe.value,
        }
        for name, score in self._scores.items():
            found[f"{name}_low"], found[f"{name}_high"] = score.interval
        result = self.result
        if isinstance(result, ClassProbe):
            found |= {
                "top5": result.top5,
                "macro_f1": result.macro_f1,
                "balanced_accuracy": result.balanced_accuracy,
                "kappa": result.kappa,
            }
        elif isinstance(result, NumberProbe):
            found["r2"] = result.r2
        found |= {
            "strength": result.head.strength,
            "temperature": self.temperature,
            "metadata_columns": list(self.metadata_names),
            "with": list(self.features.names),
            "few": [
                {
                    "shots": few.shots,
                    "mean": few.mean,
                    "std": few.std,
                    "tries": len(few.top1),
                    "n_train": few.n_train,
                }
                for few in self.few
            ],
            "n_train": len(self.sides.train),
            "n_validation": len(self.sides.validation),
            "n_test": len(self.sides.test),
            "split_way": self.sides.way,
            "notes": list(self.sides.notes),
            "seed": self.seed,
        }
        return {name: _finite(value) for name, value in found.items()}

    @property
    def _scores(self) -> dict[str, Score]:
        return {
            "metadata": self.metadata,
            "knn1": self.nearest,
            "knn": self.knn,
            "probe": self.probe,
        }


def probe(
    store: Store, plan: ProbePlan, *, device: str | torch.device = "cpu"
) -> Iterator[LabelProbe]:
    """Probe an index for labels, one after the other.

    Everything is chosen on validation rows and asked about the test rows once. The neighbours and
    the probe learn from the same rows, train and validation, and are judged by the same.

    Raises:
        EvaluationError: If a label or column is not there or cannot be what it was named for, a
            side of the split is empty, a group is on two sides, or a vector is not finite.
    """
    targets, groups, told = _read(store, plan)
    vectors = unit(store.vectors(plan.tap))
    check_unit_vectors(vectors, f"the vectors of {str(store.path)!r}")
    content = _content_codes(store)
    shape = read_metadata(store, SHAPE) if not plan.metadata else {}
    for target in targets:
        sides = draw_sides(
            store,
            target,
            split_name=plan.split,
            group=plan.group,
            groups=groups,
            content=content,
            seed=plan.seed,
        )
        # What is known of any picture is the least that the vectors must beat.
        alone = told or {name: column for name, column in shape.items() if name != target.name}
        metadata = Metadata.fit(alone, sides.train)
        beside = metadata.features(alone, store.rows)  # (N, M)
        features = np.concatenate([vectors, beside], axis=1) if told else vectors
        by_metadata = _probe(beside, target, sides, plan.seed, device)
        by_vectors = _probe(features, target, sides, plan.seed, device)
        nearest, knn, k = score_neighbours(vectors, target, sides, ks=KS, seed=plan.seed)
        yield LabelProbe(
            target=target,
            sides=sides,
            baseline=_baseline(by_vectors),
            metadata=_score(by_metadata, plan.seed),
            metadata_names=metadata.names,
            nearest=nearest,
            knn=knn,
            k=k,
            probe=_score(by_vectors, plan.seed),
            result=by_vectors,
            features=metadata if told else Metadata(),
            temperature=_temperature(features, target, sides, by_vectors, device),
            few=tuple(_few_shots(features, target, sides, plan, device)),
            seed=plan.seed,
        )


def means(probes: Sequence[LabelProbe]) -> list[dict[str, object]]:
    """Average the scores of labels that share a metric, each label counting alike.

    Returns:
        For each metric of two labels or more, but not for numbers, whose units differ: its name,
        how many labels, and the means of the four ways.
    """
    found: list[dict[str, object]] = []
    for metric in (METRICS[Kind.CLASSES], METRICS[Kind.MEMBERS]):
        some = [each for each in probes if each.metric == metric]
        if len(some) < 2:
            continue
        rows = [
            (
                each.baseline,
                each.metadata.value,
                each.nearest.value,
                each.knn.value,
                each.probe.value,
            )
            for each in some
        ]
        names = ("baseline", "metadata", "knn1", "knn", "probe")
        mean = (float(value) for value in np.mean(rows, axis=0))
        found.append({"metric": metric, "labels": len(some)} | dict(zip(names, mean, strict=True)))
    return found


def make_head(store: Store, plan: ProbePlan, probes: Sequence[LabelProbe], name: str) -> Head:
    """Put what was fitted together into a head that can be saved and asked."""
    ids = store.read(["id"]).column("id").to_pylist()
    return Head(
        name=name,
        index=store.manifest.name,
        fingerprint=store.fingerprint,
        passport=store.manifest.passport,
        tap=plan.tap,
        split=plan.split,
        group=plan.group,
        seed=plan.seed,
        version=__version__,
        tasks=tuple(
            HeadTask(
                label=each.target.name,
                source=source,
                kind=each.target.kind,
                classes=each.classes,
                weights=each.result.head.weights,
                bias=each.result.head.bias,
                temperature=each.temperature,
                metadata=each.features,
                scores=each.to_json(),
                trained=id_hashes(ids[row] for row in each.sides.seen),
            )
            for source, each in zip(_label_names(store, plan), probes, strict=True)
        ),
    )


def _read(
    store: Store, plan: ProbePlan
) -> tuple[list[Target], NDArray[np.int64] | None, dict[str, list[object]]]:
    """Read labels, groups and metadata, and refuse what cannot be any of them."""
    if not store.rows:
        raise EvaluationError(f"{str(store.path)!r} holds no picture; see 'artsim info'")
    names = _label_names(store, plan)
    if not names:
        raise EvaluationError(
            f"no column of {str(store.path)!r} can be a label; see 'artsim info', "
            "or name one with --label"
        )
    for name in names:
        if name in (plan.split, plan.group):
            role = "split" if name == plan.split else "group"
            raise EvaluationError(f"{name!r} cannot be both label and {role}; leave one out")
        refuse_label(store, name, plan.metadata)
    targets = [read_target(store, name) for name in names]
    if plan.shots and not any(target.kind == Kind.CLASSES for target in targets):
        raise EvaluationError("--shots needs a label of one class a picture; add one with --label")
    if plan.no_leaks and plan.split is not None:
        refuse_leaks(store, plan.split)
    groups = None if plan.group is None else encode(values_of(store, plan.group)).codes
    return targets, groups, read_metadata(store, plan.metadata)


def _label_names(store: Store, plan: ProbePlan) -> tuple[str, ...]:
    if plan.labels:
        return tuple(dict.fromkeys(plan.labels))
    apart = (plan.split, plan.group, *plan.metadata)
    return tuple(name for name in label_columns(store)[0] if name not in apart)


def _content_codes(store: Store) -> NDArray[np.int64]:
    """Number the files: rows of the same bytes share a code."""
    hashes = store.read(["content_hash"]).column("content_hash").to_pylist()
    return encode([each or None for each in hashes]).codes


def _probe(
    features: Vectors, target: Target, sides: Sides, seed: int, device: str | torch.device
) -> AnyProbe:
    """Fit a probe whose probabilities mean something.

    Where a label is so easy that many strengths are equally good on validation, the strongest
    penalty among them leaves scores so small that no temperature makes probabilities of them. The
    middle one of them is taken then.
    """
    found = _fit(features, target, sides, seed, device)
    if isinstance(found, NumberProbe):
        return found
    good = found.strengths[found.validation == found.validation.max()]
    faint = isinstance(found, MemberProbe) or found.head.temperature < _FAINT
    if len(good) < 2 or not faint:
        return found
    return _fit(features, target, sides, seed, device, (float(good[len(good) // 2]),))


def _fit(
    features: Vectors,
    target: Target,
    sides: Sides,
    seed: int,
    device: str | torch.device,
    strengths: Sequence[float] = STRENGTHS,
) -> AnyProbe:
    train, validation, test = sides.train, sides.validation, sides.test
    try:
        if target.kind == Kind.NUMBER:
            assert target.numbers is not None
            return probe_numbers(
                features,
                target.numbers,
                train=train,
                validation=validation,
                test=test,
                seed=seed,
            )
        if target.kind == Kind.MEMBERS:
            return probe_members(
                features,
                target.matrix,
                train=train,
                validation=validation,
                test=test,
                strengths=strengths,
                seed=seed,
                device=device,
            )
        return probe_classes(
            features,
            target.strata,
            train=train,
            validation=validation,
            test=test,
            strengths=strengths,
            seed=seed,
            device=device,
        )
    except EvaluationError as error:
        raise EvaluationError(f"label {target.name!r}, {sides.way}: {error}") from error


def _score(found: AnyProbe, seed: int) -> Score:
    if isinstance(found, ClassProbe):
        return Score(found.top1, found.interval)
    if isinstance(found, NumberProbe):
        return Score(found.mae, found.interval)
    each = found.average_precision[~np.isnan(found.average_precision)]
    return Score(found.mean_average_precision, metrics.mean_interval(each, seed=seed))


def _baseline(found: AnyProbe) -> float:
    if isinstance(found, ClassProbe):
        return found.majority
    return found.median_mae if isinstance(found, NumberProbe) else found.chance


def _temperature(
    features: Vectors,
    target: Target,
    sides: Sides,
    found: AnyProbe,
    device: str | torch.device,
) -> float:
    """Find what makes probabilities true on validation rows, by a model that has not seen them.

    Where the model is never wrong on n of them it would be endlessly sure; it is held to being
    right (n + 1) / (n + 2) of the time, by Laplace's rule of succession, which is all they show.
    """
    if isinstance(found, NumberProbe):
        return 1.0
    temperature = found.head.temperature
    if isinstance(found, MemberProbe):
        temperature = _calibrate_members(features, target, sides, found, device)
    scores = found.head.scores(features[sides.validation]).astype(np.float64)  # (n, K)
    if isinstance(found, MemberProbe):  # each against its absence, which scores 0
        scores = np.stack([scores.ravel(), np.zeros(scores.size)], axis=1)
    above = scores.max(axis=1, keepdims=True) - scores
    most = (len(sides.validation) + 1) / (len(sides.validation) + 2)
    while (1 / np.exp(-above / temperature).sum(axis=1)).mean() > most:
        temperature *= 1.05
    return temperature


def _calibrate_members(
    features: Vectors,
    target: Target,
    sides: Sides,
    found: MemberProbe,
    device: str | torch.device,
) -> float:
    members = target.matrix[:, found.head.classes]  # (N, K)
    train = members[sides.train]
    known = np.flatnonzero(train.any(axis=0) & ~train.all(axis=0))
    strength = found.head.strength
    path = fit_one_vs_rest(features[sides.train], train[:, known], [strength], device=device)
    scores = (features[sides.validation] @ path.weights[0] + path.bias[0]).ravel()
    two = np.stack([np.zeros_like(scores), scores], axis=1)  # of not having it, and having it
    return calibrate(two, members[sides.validation][:, known].ravel().astype(np.int64))


def _few_shots(
    features: Vectors,
    target: Target,
    sides: Sides,
    plan: ProbePlan,
    device: str | torch.device,
) -> Iterator[FewShot]:
    if target.kind != Kind.CLASSES:
        return
    for shots in plan.shots:
        try:
            yield few_shot(
                features,
                target.strata,
                shots,
                train=sides.train,
                validation=sides.validation,
                test=sides.test,
                tries=plan.tries,
                seed=plan.seed,
                device=device,
            )
        except EvaluationError as error:
            raise EvaluationError(f"label {target.name!r}: {error}") from error


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
