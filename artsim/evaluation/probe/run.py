"""Each label predicted by a constant, by metadata, by neighbors and by a linear probe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import Estimate, finite
from artsim.errors import EvaluationError
from artsim.evaluation.probe.neighbors import knn_scores
from artsim.evaluation.probe.plan import LabelPlan, label_names, read_labels, split_labels
from artsim.labels import SHAPE, Columns, Label, LabelKind, Metadata, read_metadata, refuse_label
from artsim.metrics import (
    FewShot,
    Probe,
    baseline,
    few_shot,
    fit_probe,
    metadata_baseline,
    scores_to_json,
    to_unit,
)
from artsim.splits import Split
from artsim.store import Store

Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class ProbePlan(LabelPlan):
    """What a probe measures."""

    tap: str
    metadata: tuple[str, ...] = ()  # columns that the probe gets in addition to the vectors
    shots: tuple[int, ...] = ()  # rows of each class, to learn from so few as well
    tries: int = 5  # draws of so few


@dataclass(frozen=True, kw_only=True)
class LabelProbe:
    """The scores of one label: a constant, metadata alone, neighbors and the probe.

    All are of the main metric of the label's kind, see `artsim.metrics.registry`.
    """

    label: Label
    split: Split
    baseline: Estimate  # of the majority class, chance, or the median
    metadata: Estimate | None  # alone; None where it is the same of all training rows
    metadata_names: tuple[str, ...]
    nearest: Estimate  # by the nearest neighbor
    knn: Estimate  # by k neighbors, k chosen on validation
    k: int
    probe: Estimate
    result: Probe  # all about the probe; its columns are of vectors, then of `features`
    features: Metadata  # that it got in addition to the vectors
    few: tuple[FewShot, ...]
    seed: int

    @property
    def metric(self) -> str:
        """The scores' name."""
        return self.label.kind.metric

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the probe learned, one for each of its columns; none of a number."""
        if self.label.kind == LabelKind.NUMBER:
            return ()
        return tuple(self.label.classes[code] for code in self.result.head.classes)

    def to_json(self) -> dict[str, object]:
        """Return the scores, and how they were measured, as plain values."""
        found: dict[str, object] = {
            "label": self.label.name,
            "kind": str(self.label.kind),
            "metric": self.metric,
            "classes": len(self.label.classes) or None,
            "k": self.k,
        }
        for name, score in self._scores.items():
            none = dict.fromkeys((name, f"{name}_low", f"{name}_high"))
            found |= none if score is None else score.to_json(name)
        result = self.result
        found |= scores_to_json(
            {name: each for name, each in result.metrics.items() if name != self.metric}
        )
        found |= {
            "strength": result.head.strength,
            "temperature": result.head.temperature,
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
            "n_train": len(self.split.train),
            "n_validation": len(self.split.validation),
            "n_test": len(self.split.test),
            "split_description": self.split.description,
            "copies_left_out": self.split.copies_left_out,
            "qualified_left_out": self.label.qualified,
            "notes": list(self.split.notes),
            "seed": self.seed,
        }
        return {name: finite(value) for name, value in found.items()}

    @property
    def _scores(self) -> dict[str, Estimate | None]:
        return {
            "baseline": self.baseline,
            "metadata": self.metadata,
            "knn1": self.nearest,
            "knn": self.knn,
            "probe": self.probe,
        }


def probe(
    store: Store, plan: ProbePlan, *, device: str | torch.device = "cpu"
) -> Iterator[LabelProbe]:
    """Probe an index for labels, one after the other.

    Settings are chosen on validation rows, and the test rows are predicted once. The neighbors and
    the probe have the same training rows, train and validation, and the same test rows.

    Raises:
        EvaluationError: If a label or column is not there or cannot be what it was named for, a
            part of the split is empty, a group is in two parts, or a vector is not finite.
    """
    labels = read_labels(store, plan, plan.metadata)
    given = _read_metadata(store, plan)
    if plan.shots and not any(label.kind == LabelKind.MULTICLASS for label in labels):
        raise EvaluationError("--shots needs a label of one class a picture; add one with --label")
    vectors, empty = to_unit(store.vectors(plan.tap), f"the vectors of {str(store.path)!r}")
    shape = read_metadata(store, SHAPE) if not plan.metadata else {}
    for label, split in split_labels(store, plan, labels, empty, "their vectors are all zeros"):
        yield _probe_label(vectors, label, split, plan, given, shape, device)


def probe_on(
    store: Store,
    label: Label,
    split: Split,
    plan: ProbePlan,
    *,
    device: str | torch.device = "cpu",
) -> LabelProbe:
    """Probe an index for one label on a given split, whatever the plan says of both.

    Raises:
        EvaluationError: If a part cannot be trained on, or a vector is not finite.
    """
    vectors, empty = to_unit(store.vectors(plan.tap), f"the vectors of {str(store.path)!r}")
    split = replace(
        split,
        train=np.setdiff1d(split.train, empty),
        validation=np.setdiff1d(split.validation, empty),
        test=np.setdiff1d(split.test, empty),
    )
    return _probe_label(vectors, label, split, plan, {}, read_metadata(store, SHAPE), device)


def ungrouped(store: Store, plan: ProbePlan) -> ProbePlan | None:
    """Return the plan for the same labels with groups in all parts of the split.

    The difference from whole groups is how much of a label a probe predicts by the group: a style
    by its artists. None where the split is given, or there is no group.
    """
    if plan.group is None or plan.split is not None:
        return None
    return replace(plan, group=None, labels=label_names(store, plan, plan.metadata), shots=())


def means(probes: Sequence[LabelProbe]) -> list[dict[str, object]]:
    """Average the scores of labels that share a metric, each label counting equally.

    Returns:
        For each metric of two labels or more, but not for numbers, whose units differ: its name,
        how many labels, and the means of the four methods.
    """
    found: list[dict[str, object]] = []
    for metric in (LabelKind.MULTICLASS.metric, LabelKind.MULTILABEL.metric):
        some = [each for each in probes if each.metric == metric]
        if len(some) < 2:
            continue
        names = ("baseline", "metadata", "knn1", "knn", "probe")
        means = {name: _mean([each._scores[name] for each in some]) for name in names}
        found.append({"metric": metric, "labels": len(some)} | means)
    return found


def _mean(scores: Sequence[Estimate | None]) -> float | None:
    known = [score.value for score in scores if score is not None]
    return float(np.mean(known)) if len(known) == len(scores) else None


def _read_metadata(store: Store, plan: ProbePlan) -> dict[str, list[object]]:
    for name in label_names(store, plan, plan.metadata):
        refuse_label(store, name, plan.metadata)
    return read_metadata(store, plan.metadata)


def _probe_label(
    vectors: Vectors,
    label: Label,
    split: Split,
    plan: ProbePlan,
    given: Columns,
    shape: Columns,
    device: str | torch.device,
) -> LabelProbe:
    """Predict one label by four methods.

    Args:
        vectors: Of the index, (N, D).
        label: The label.
        split: Its rows.
        plan: Seed and shots.
        given: Columns that the probe gets in addition to the vectors.
        shape: Columns of the metadata baseline where the probe gets none.
        device: Where the probes are fitted.
    """
    # What is known of any picture is the least that the vectors must beat.
    alone = given or {name: column for name, column in shape.items() if name != label.name}
    metadata = Metadata.fit(alone, split.train)
    metadata_features = metadata.features(alone, len(vectors))  # (N, M)
    features = np.concatenate([vectors, metadata_features], axis=1) if given else vectors
    by_metadata = metadata_baseline(
        metadata_features,
        label,
        split,
        seed=plan.seed,
    )
    by_vectors = fit_probe(features, label, split, seed=plan.seed, device=device)
    nearest, knn, k = knn_scores(vectors, label, split, seed=plan.seed)
    return LabelProbe(
        label=label,
        split=split,
        baseline=baseline(by_vectors.predictions),
        metadata=by_metadata.estimate if by_metadata else None,
        metadata_names=metadata.names,
        nearest=nearest,
        knn=knn,
        k=k,
        probe=by_vectors.estimate,
        result=by_vectors,
        features=metadata if given else Metadata(),
        few=tuple(_few_shots(features, label, split, plan, device)),
        seed=plan.seed,
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
