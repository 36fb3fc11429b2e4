"""Which embeddings predict a label best: every tap by kNN and by a probe, on one split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.evaluation.knn import knn_scores
from artsim.evaluation.probe.plan import LabelPlan, read_labels, split_labels
from artsim.evaluation.reading import unit_vectors
from artsim.labels import Label, LabelKind
from artsim.metrics import baseline, fit_probe
from artsim.splits import Split
from artsim.store import Store

_LEFT_OUT = "not every index has them, or a vector of theirs is all zeros"

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class LeaderboardPlan(LabelPlan):
    """Which taps are compared, by which labels, on which split."""

    taps: tuple[str, ...] = ()  # names; all if empty


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How well one tap predicts one label, by the metric of the label's kind."""

    index: str
    tap: str
    dims: int
    label: Label
    split: Split  # the same for every tap
    baseline: Estimate  # of the majority class, chance, or the median
    knn: Estimate  # with k chosen on validation
    k: int
    probe: Estimate
    strength: float

    @property
    def is_error(self) -> bool:
        """Whether lower is better."""
        return self.label.kind == LabelKind.NUMBER

    def score(self, method: str) -> float:
        """Return the score of a method: 'knn' or 'probe'."""
        return self.knn.value if method == "knn" else self.probe.value

    def to_json(self) -> dict[str, object]:
        """Return the scores as plain values."""
        return {
            "index": self.index,
            "tap": self.tap,
            "dims": self.dims,
            "label": self.label.name,
            "metric": self.label.kind.metric,
            "baseline": self.baseline.value,
            **self.knn.to_json("knn"),
            "k": self.k,
            **self.probe.to_json("probe"),
            "strength": self.strength,
            "n_train": len(self.split.learned),
            "n_test": len(self.split.test),
            **self.split.facts,
            "qualified_left_out": self.label.qualified,
        }


def leaderboard(
    stores: Sequence[Store], plan: LeaderboardPlan, *, device: str | torch.device = "cpu"
) -> Iterator[Standing]:
    """Compare the taps of an index, or of several indexes of one catalog, label by label.

    Labels, split and groups are those of the first index; rows of the others are found by id. The
    rows of a label are the same for every tap; only the vectors differ.

    Raises:
        EvaluationError: If there is no tap of a name, or an index shares no row with the first; and
            as `probe`.
    """
    first = stores[0]
    labels = read_labels(first, plan)
    entries = _entries(stores, plan.taps)
    places = {store.path: _find_rows(first, store) for store in stores}
    kept = np.all([rows >= 0 for rows in places.values()], axis=0)
    for store, tap in entries:
        kept &= unit_vectors(store, tap)[1][places[store.path]]
    splits = split_labels(first, plan, labels, kept, _LEFT_OUT)
    for store, tap in entries:
        vectors = unit_vectors(store, tap)[0][places[store.path]]
        for label, split in splits:
            found = fit_probe(vectors, label, split, seed=plan.seed, device=device)
            _, knn, k = knn_scores(vectors, label, split, seed=plan.seed)
            yield Standing(
                index=store.manifest.name,
                tap=tap,
                dims=vectors.shape[1],
                label=label,
                split=split,
                baseline=baseline(found.predictions),
                knn=knn,
                k=k,
                probe=found.estimate,
                strength=found.head.strength,
            )


def best(standings: Sequence[Standing], method: str) -> dict[str, float]:
    """Return the best score of each label by one method: 'knn' or 'probe'."""
    found: dict[str, float] = {}
    for each in standings:
        score = each.score(method)
        pick = min if each.is_error else max
        found[each.label.name] = pick(found.get(each.label.name, score), score)
    return found


def mean_score(standings: Sequence[Standing], method: str) -> float | None:
    """Average one tap's scores over the labels, except numbers, whose errors have units.

    None if all labels are numbers.
    """
    scores = [each.score(method) for each in standings if not each.is_error]
    return float(np.mean(scores)) if scores else None


def _entries(stores: Sequence[Store], taps: Sequence[str]) -> list[tuple[Store, str]]:
    every = [(store, tap.name) for store in stores for tap in store.manifest.passport.taps]
    known = dict.fromkeys(tap for _, tap in every)
    unknown = [tap for tap in taps if tap not in known]
    if unknown:
        raise EvaluationError(f"no index has a tap {unknown[0]!r}; choose from {', '.join(known)}")
    return [(store, tap) for store, tap in every if not taps or tap in taps]


def _find_rows(first: Store, other: Store) -> Rows:
    """Find the other index's row of each row of the first, -1 where it has none."""
    wanted, ids = (store.read(["id"]).column("id").to_pylist() for store in (first, other))
    row_of = {id_: row for row, id_ in enumerate(ids)}
    rows = np.array([row_of.get(id_, -1) for id_ in wanted], dtype=np.int64)
    if (rows < 0).all():
        raise EvaluationError(
            f"{str(other.path)!r} has none of the ids of {str(first.path)!r}; compare indexes of "
            "one catalog"
        )
    return rows
