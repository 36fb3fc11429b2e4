"""Linear probes of an index's labels, compared with a constant, metadata and neighbors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import Estimate, finite
from artsim.errors import EvaluationError
from artsim.evaluation.hierarchy import HierarchyEvaluation, place_label, probe_hierarchy
from artsim.evaluation.knn import knn_scores
from artsim.evaluation.probe.plan import LabelPlan, label_names, read_labels, split_labels
from artsim.evaluation.reading import unit_vectors
from artsim.labels import (
    SHAPE,
    Columns,
    Label,
    LabelKind,
    Metadata,
    read_metadata,
    refuse_label,
    with_columns,
)
from artsim.metrics import (
    METRICS,
    Difference,
    FewShot,
    Predictions,
    Probe,
    baseline,
    class_scores,
    difference,
    few_shot,
    fit_probe,
    metadata_baseline,
    scores_to_json,
)
from artsim.splits import Split
from artsim.store import Store

Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class ProbePlan(LabelPlan):
    """Which labels are probed, on which split, and from what."""

    tap: str
    metadata: tuple[str, ...] = ()  # columns that the probe gets in addition to the vectors
    shots: tuple[int, ...] = ()  # rows of each class, for few-shot probes as well
    tries: int = 5  # draws of a few-shot probe


@dataclass(frozen=True, kw_only=True)
class LabelProbe:
    """The scores of one label: a constant, metadata alone, neighbors and the probe.

    All are the main metric of the label's kind, see `artsim.metrics.registry`.
    """

    label: Label
    split: Split
    baseline: Estimate  # of the majority class, chance, or the median
    metadata: Estimate | None  # of metadata alone; None if all training rows have the same
    metadata_names: tuple[str, ...]
    nearest: Estimate  # of the nearest neighbor
    knn: Estimate  # with k chosen on validation
    k: int
    probe: Estimate
    over_knn: Difference | None  # of the probe; None where k neighbors predict other test rows
    result: Probe  # its features are the vectors, then `features`
    hierarchy: HierarchyEvaluation | None  # of the probe
    features: Metadata  # given to the probe in addition to the vectors
    macro_f1: Mapping[str, float]  # of each method, but one of a label without single classes
    few: tuple[FewShot, ...]
    seed: int

    @property
    def metric(self) -> str:
        """The name of the main metric."""
        return self.label.kind.metric

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the probe learned, one for each of its columns; none of a number."""
        codes = self.result.head.classes if self.label.classes else ()
        return tuple(self.label.classes[code] for code in codes)

    def to_json(self) -> dict[str, object]:
        """Return the scores, and how they were measured, as plain values."""
        found: dict[str, object] = {
            "label": self.label.name,
            "kind": str(self.label.kind),
            "metric": self.metric,
            "classes": len(self.label.classes) or None,
            "k": self.k,
        }
        nothing = Estimate(nan, nan, nan, 0)
        for name, score in self.scores.items():
            found |= (score or nothing).to_json(name)
        metrics = self.result.metrics.items()
        found |= scores_to_json({name: each for name, each in metrics if name != self.metric})
        over = self.over_knn or Difference(nothing, None)
        found |= over.to_json("over_knn") | {"over_knn_noise": self.over_knn and over.is_noise}
        found |= {
            **{f"{name}_macro_f1": f1 for name, f1 in self.macro_f1.items() if name != "probe"},
            **({"hierarchy": self.hierarchy.to_json()} if self.hierarchy else {}),
            "strength": self.result.head.strength,
            "temperature": self.result.head.temperature,
            "metadata_columns": list(self.metadata_names),
            "with": list(self.features.names),
            "few": [
                {
                    "shots": few.shots,
                    **few.estimate.to_json("mean"),
                    "std": few.std,
                    "tries": len(few.top1),
                    "n_train": few.n_train,
                }
                for few in self.few
            ],
            "n_train": len(self.split.train),
            "n_validation": len(self.split.validation),
            "n_test": len(self.split.test),
            "split_description": self.split.description,
            **self.split.facts,
            "qualified_left_out": self.label.qualified,
            "notes": list(self.split.notes),
            "seed": self.seed,
        }
        return {name: finite(value) for name, value in found.items()}

    def class_rows(self) -> Iterator[dict[str, object]]:
        """Yield the scores of each class that is tested or predicted, as plain values."""
        for row in class_scores(self.result.predictions):
            yield {"label": self.label.name, **row}

    @property
    def scores(self) -> dict[str, Estimate | None]:
        """The main metric of each method."""
        return {
            "baseline": self.baseline,
            "metadata": self.metadata,
            "knn1": self.nearest,
            "knn": self.knn,
            "probe": self.probe,
        }


@dataclass(frozen=True, kw_only=True)
class ProbeData:
    """What the probes of a plan are made of, on whatever split."""

    labels: list[Label]
    vectors: Vectors  # (N, D), unit
    has_vector: NDArray[np.bool_]  # (N,)
    given: Columns  # metadata that the probe gets in addition
    shape: Columns  # of the pictures, for the metadata baseline if none is given


def probe(
    store: Store, plan: ProbePlan, *, device: str | torch.device = "cpu"
) -> Iterator[LabelProbe]:
    """Train a linear probe for each label and compare it with baselines, one label at a time.

    Settings are chosen on validation rows, and the test rows are predicted once. The neighbors and
    the probe have the same training rows, train and validation, and the same test rows.

    Raises:
        EvaluationError: If a label or column does not exist or cannot be used as named, a part of
            the split is empty, a group is in two parts, or a vector is not finite.
    """
    plan = with_columns(store, plan)
    yield from probe_data(store, plan, read_data(store, plan), device=device)


def read_data(store: Store, plan: ProbePlan) -> ProbeData:
    """Read the labels, vectors and metadata of a plan; see `probe` for what is refused."""
    plan = with_columns(store, plan)
    labels = read_labels(store, plan, plan.metadata)
    for name in label_names(store, plan, plan.metadata):
        refuse_label(store, name, plan.metadata)
    given = read_metadata(store, plan.metadata)
    if plan.shots and not any(label.kind == LabelKind.MULTICLASS for label in labels):
        raise EvaluationError("--shots needs a label of one class a picture; add one with --label")
    vectors, has_vector = unit_vectors(store, plan.tap)
    shape = read_metadata(store, SHAPE) if not plan.metadata else {}
    return ProbeData(
        labels=labels, vectors=vectors, has_vector=has_vector, given=given, shape=shape
    )


def probe_data(
    store: Store, plan: ProbePlan, data: ProbeData, *, device: str | torch.device = "cpu"
) -> Iterator[LabelProbe]:
    """Probe what was read on the split of a plan, as `probe`."""
    why = "their vectors are all zeros"
    for label, split in split_labels(store, plan, data.labels, data.has_vector, why):
        yield _probe_label(data.vectors, label, split, plan, data.given, data.shape, device)


def probe_on(
    store: Store,
    label: Label,
    split: Split,
    plan: ProbePlan,
    *,
    device: str | torch.device = "cpu",
) -> LabelProbe:
    """Probe an index for the given label and split instead of those of the plan.

    Raises:
        EvaluationError: If a part of the split is empty, or a vector is not finite.
    """
    vectors, has_vector = unit_vectors(store, plan.tap)
    shape = read_metadata(store, SHAPE)
    return _probe_label(vectors, label, split.keep(has_vector), plan, {}, shape, device)


def ungrouped(store: Store, plan: ProbePlan) -> ProbePlan | None:
    """Return the plan for the same labels with groups in all parts of the split.

    The difference from whole groups shows how much the probe predicts from the group, such as a
    style from its artists. None if the split is given, or there is no group.
    """
    if plan.group is None or plan.split is not None:
        return None
    plan = with_columns(store, plan)
    return replace(plan, group=None, labels=label_names(store, plan, plan.metadata), shots=())


def means(probes: Sequence[LabelProbe]) -> list[dict[str, object]]:
    """Average the scores of labels that share a metric.

    Returns:
        For each metric of at least two labels, except numbers, whose units differ: its name, the
        number of labels, and the mean of each method, None if a label lacks it.
    """
    found: list[dict[str, object]] = []
    for metric in (LabelKind.MULTICLASS.metric, LabelKind.MULTILABEL.metric):
        some = [each.scores for each in probes if each.metric == metric]
        if len(some) > 1:
            means = {name: _mean([scores[name] for scores in some]) for name in some[0]}
            found.append({"metric": metric, "labels": len(some)} | means)
    return found


def _mean(scores: Sequence[Estimate | None]) -> float | None:
    known = [score.value for score in scores if score is not None]
    return float(np.mean(known)) if len(known) == len(scores) else None


def _probe_label(
    vectors: Vectors,
    label: Label,
    split: Split,
    plan: ProbePlan,
    given: Columns,
    shape: Columns,
    device: str | torch.device,
) -> LabelProbe:
    """Predict one label with the probe and its baselines.

    The probe gets the columns ``given`` in addition to vectors (N, D). The metadata baseline gets
    the same columns, or those of the picture's shape if there are none.
    """
    alone = given or {name: column for name, column in shape.items() if name != label.name}
    metadata = Metadata.fit(alone, split.train)
    metadata_features = metadata.features(alone, len(vectors))  # (N, M)
    features = np.concatenate([vectors, metadata_features], axis=1) if given else vectors
    by_metadata = metadata_baseline(metadata_features, label, split, seed=plan.seed)
    by_vectors = fit_probe(features, label, split, seed=plan.seed, device=device)
    knn = knn_scores(vectors, label, split, seed=plan.seed)
    placed = place_label(plan.hierarchy, label)
    notes = (*split.notes, *_notes(by_vectors, knn.best.predictions))
    methods = {
        "baseline": by_vectors.predictions.constant(),
        **({"metadata": by_metadata.predictions} if by_metadata else {}),
        "knn1": knn.nearest.predictions,
        "knn": knn.best.predictions,
        "probe": by_vectors.predictions,
    }
    macro_f1 = {}
    if label.kind == LabelKind.MULTICLASS:
        compute = METRICS["macro_f1"].compute
        macro_f1 = {name: compute(predictions) for name, predictions in methods.items()}
    return LabelProbe(
        label=label,
        split=replace(split, notes=notes),
        baseline=baseline(by_vectors.predictions),
        metadata=by_metadata.estimate if by_metadata else None,
        metadata_names=metadata.names if by_metadata else (),
        nearest=knn.nearest.estimate,
        knn=knn.best.estimate,
        k=knn.best.k,
        probe=by_vectors.estimate,
        over_knn=_over(knn.best.predictions, by_vectors.predictions),
        result=by_vectors,
        hierarchy=probe_hierarchy(placed, label, features, by_vectors) if placed else None,
        features=metadata if given else Metadata(),
        macro_f1=macro_f1,
        few=tuple(_few_shots(features, label, split, plan, device)),
        seed=plan.seed,
    )


def _over(neighbors: Predictions, probe: Predictions) -> Difference | None:
    same = len(neighbors.truth) == len(probe.truth)  # else some of the test rows were drawn
    return difference(neighbors, probe) if same else None


def _notes(probe: Probe, by_neighbors: Predictions) -> Iterator[str]:
    """Note what was left out of much: test pictures of the neighbors, and rare classes."""
    tested, compared = len(probe.test_rows), len(by_neighbors.truth)
    if compared < tested:
        yield f"neighbors are those of {compared:,} of {tested:,} test pictures, drawn at random"
    n_classes = int(probe.predictions.learnable.sum())
    if len(probe.head.classes) < n_classes:
        yield (
            f"the probe learned the {len(probe.head.classes):,} commonest of {n_classes:,} "
            "classes, and is wrong for the others; group them with 'artsim label'"
        )


def _few_shots(
    features: Vectors,
    label: Label,
    split: Split,
    plan: ProbePlan,
    device: str | torch.device,
) -> Iterator[FewShot]:
    if label.kind != LabelKind.MULTICLASS:
        return
    for shots in plan.shots:
        try:
            yield few_shot(
                features, label, split, shots, tries=plan.tries, seed=plan.seed, device=device
            )
        except EvaluationError as error:
            raise EvaluationError(f"label {label.name!r}: {error}") from error
