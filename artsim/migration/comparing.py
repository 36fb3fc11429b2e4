"""Compare an index with its new version: the neighbors of each work, and kNN on its labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.evaluation import rows_of, unit_vectors
from artsim.evaluation.knn import knn_scores
from artsim.evaluation.probe import LabelPlan, label_names, split_labels
from artsim.labels import Label, read_label
from artsim.metrics import Difference, baseline, difference
from artsim.metrics.neighbors import nearest_among
from artsim.splits import Split
from artsim.store import Store

K = 10  # neighbors compared
_QUERIES = 10_000  # works whose neighbors are compared, at most

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class VersionPair:
    """The vectors of an index and of its version, in the order of the index's N rows."""

    store: Store
    version: Store
    taps: tuple[str, str]
    old: NDArray[np.float32]  # (N, D) unit vectors
    new: NDArray[np.float32]  # (N, E); of no meaning where there is none
    both: NDArray[np.bool_]  # (N,) whether both are of the same picture


def pair_versions(store: Store, version: Store, taps: tuple[str | None, str | None]) -> VersionPair:
    """Read the vectors of an index and of a version of it; each tap is the first if None.

    Raises:
        StoreError: If there is no such tap.
        EvaluationError: If they have no work in common.
    """
    names = store.tap(taps[0]).name, version.tap(taps[1]).name
    rows = rows_of(store, version)
    contents = (each.read(["content_hash"]).column(0).to_numpy() for each in (store, version))
    mine, theirs = contents
    old, has_old = unit_vectors(store, names[0])
    new, has_new = unit_vectors(version, names[1])
    both = (rows >= 0) & (mine == theirs[rows]) & has_old & has_new[rows]
    return VersionPair(store=store, version=version, taps=names, old=old, new=new[rows], both=both)


@dataclass(frozen=True, kw_only=True, eq=False)
class NeighborComparison:
    """How many of its k nearest works each of Q works keeps."""

    k: int
    rows: Rows  # (Q,) of the index
    old: Rows  # (Q, k) nearest works by the old vectors, best first
    new: Rows  # (Q, k) by the new
    closest: NDArray[np.float32]  # (Q,) the cosine of the nearest by the old vectors
    works: int  # that were compared

    @property
    def shared(self) -> Rows:
        """How many of the k are the same, (Q,)."""
        found: Rows = (self.old[:, :, None] == self.new[:, None, :]).any(axis=2).sum(axis=1)
        return found

    @property
    def overlap(self) -> float:
        """The mean share of neighbors that stay."""
        return float(self.shared.mean() / self.k)

    @property
    def histogram(self) -> list[int]:
        """How many works keep 0, 1, ..., k of their neighbors."""
        counts: list[int] = np.bincount(self.shared, minlength=self.k + 1).tolist()
        return counts

    @property
    def most_changed(self) -> Rows:
        """The Q works by how few neighbors they keep; of equals the closest to one before first."""
        order: Rows = np.lexsort((-self.closest, self.shared))
        return order


def compare_neighbors(
    pair: VersionPair, k: int = K, *, seed: int = 0, device: str | torch.device = "cpu"
) -> NeighborComparison:
    """Compare the exact nearest neighbors of each work by the two vectors.

    Only works that have both take part, as queries and as neighbors; of more than 10,000 so many
    are drawn as queries.

    Raises:
        EvaluationError: If fewer than two works have both.
    """
    rows = np.flatnonzero(pair.both)
    if len(rows) < 2:
        raise EvaluationError(
            f"{len(rows)} of the works of {str(pair.store)!r} have vectors of both models; "
            "at least 2 are needed to compare neighbors"
        )
    k, queries = min(k, len(rows) - 1), rows
    if len(rows) > _QUERIES:
        drawn = np.random.default_rng(seed).choice(len(rows), _QUERIES, replace=False)
        queries = rows[np.sort(drawn)]
    old, new = (
        nearest_among(vectors, queries, rows, k, device=device) for vectors in (pair.old, pair.new)
    )
    return NeighborComparison(
        k=k, rows=queries, old=old.rows, new=new.rows, closest=old.scores[:, 0], works=len(rows)
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelComparison:
    """How well neighbors by the old and by the new vectors predict a label, on one split."""

    label: Label
    split: Split
    baseline: Estimate  # of the majority class, chance, or the median
    old: Estimate  # with k chosen on validation, as the new
    new: Estimate
    difference: Difference  # of the new from the old

    def to_json(self) -> dict[str, object]:
        """Return the scores as plain values."""
        return {
            "label": self.label.name,
            "metric": self.label.kind.metric,
            "baseline": self.baseline.value,
            **self.old.to_json("old"),
            **self.new.to_json("new"),
            **self.difference.to_json("difference"),
            "n_train": len(self.split.train),
            "n_validation": len(self.split.validation),
            "n_test": len(self.split.test),
        }


def compare_labels(
    pair: VersionPair, plan: LabelPlan, skipped: dict[str, str]
) -> Iterator[LabelComparison]:
    """Evaluate kNN by the two vectors on the labels of a plan, each on one split.

    Args:
        pair: The vectors.
        plan: Labels, all that can be labels if it names none, and their split.
        skipped: Receives the labels that cannot be evaluated, and why, if the plan names none.

    Raises:
        EvaluationError: If a label that the plan names cannot be evaluated.
    """
    for name in label_names(pair.store, plan):
        try:
            read = [read_label(pair.store, name, keep_qualified=plan.keep_qualified)]
            why = "they have no vector by one of the models"
            ((label, split),) = split_labels(pair.store, plan, read, pair.both, why)
            old, new = (
                knn_scores(vectors, label, split, seed=plan.seed)
                for vectors in (pair.old, pair.new)
            )
        except EvaluationError as error:
            if plan.labels:
                raise
            skipped[name] = str(error)
            continue
        yield LabelComparison(
            label=label,
            split=split,
            baseline=baseline(old.best.predictions),
            old=old.best.estimate,
            new=new.best.estimate,
            difference=difference(old.best.predictions, new.best.predictions),
        )
