"""Which embeddings predict a label best: every tap by kNN and by a probe, on one split.

The best is chosen on validation rows: the best of many on the test rows is partly the luckiest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.evaluation.knn import knn_scores
from artsim.evaluation.probe.plan import LabelPlan, read_labels, split_labels
from artsim.evaluation.reading import rows_of, unit_vectors
from artsim.labels import Label, LabelKind, with_columns
from artsim.metrics import METRICS, Difference, Predictions, baseline, difference, fit_probe
from artsim.splits import Split
from artsim.store import Store

_LEFT_OUT = "not every index has them, or a vector of theirs is all zeros"

Method = Literal["probe", "knn"]
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
    validation: Mapping[Method, float]  # at that k and strength
    predictions: Mapping[Method, Predictions]  # of the test rows

    @property
    def is_error(self) -> bool:
        """Whether lower is better."""
        return self.label.kind == LabelKind.NUMBER

    def score(self, method: Method) -> float:
        """Return the score of a method on the test rows."""
        return self.knn.value if method == "knn" else self.probe.value

    def macro_f1(self, method: Method) -> float | None:
        """Return the mean F1 of the classes on the test rows; None of other kinds of labels."""
        if self.label.kind != LabelKind.MULTICLASS:
            return None
        return METRICS["macro_f1"].compute(self.predictions[method])

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
            "knn_macro_f1": self.macro_f1("knn"),
            "knn_validation": self.validation["knn"],
            "k": self.k,
            **self.probe.to_json("probe"),
            "probe_macro_f1": self.macro_f1("probe"),
            "probe_validation": self.validation["probe"],
            "strength": self.strength,
            "n_train": len(self.split.train),
            "n_validation": len(self.split.validation),
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
    plan = with_columns(first, plan)
    labels = read_labels(first, plan)
    entries = _entries(stores, plan.taps)
    places = {store.path: rows_of(first, store) for store in stores}
    kept = np.all([rows >= 0 for rows in places.values()], axis=0)
    for store, tap in entries:
        kept &= unit_vectors(store, tap)[1][places[store.path]]
    splits = split_labels(first, plan, labels, kept, _LEFT_OUT)
    for store, tap in entries:
        vectors = unit_vectors(store, tap)[0][places[store.path]]
        for label, split in splits:
            found = fit_probe(vectors, label, split, seed=plan.seed, device=device)
            knn = knn_scores(vectors, label, split, seed=plan.seed)
            yield Standing(
                index=store.manifest.name,
                tap=tap,
                dims=vectors.shape[1],
                label=label,
                split=split,
                baseline=baseline(found.predictions),
                knn=knn.best.estimate,
                k=knn.best.k,
                probe=found.estimate,
                strength=found.head.strength,
                validation={"probe": found.validation_score, "knn": knn.validation},
                predictions={"probe": found.predictions, "knn": knn.best.predictions},
            )


@dataclass(frozen=True, kw_only=True)
class Best:
    """The tap that predicts a label best on validation, compared with the next best.

    Or any tap, compared with one that was named (`against`).
    """

    method: Method
    standing: Standing
    runner_up: Standing | None  # or the one that was named
    difference: Difference | None  # on test, from the runner-up

    def to_json(self) -> dict[str, object]:
        """Return what the row of this standing says in addition."""
        found = Difference(Estimate(nan, nan, nan, 0), None)
        name = f"{self.method}_difference"
        values = (self.difference or found).to_json(name)
        if self.difference is None:
            values[f"{name}_noise"] = None
        other = self.runner_up
        return {
            f"{self.method}_runner_up": other.tap if other else None,
            f"{self.method}_runner_up_index": other.index if other else None,
            **values,
        }


def best(standings: Sequence[Standing], method: Method) -> dict[str, Best]:
    """Choose the best tap of each label by one method on validation; the first of equals."""
    found = {}
    for name in dict.fromkeys(each.label.name for each in standings):
        some = [each for each in standings if each.label.name == name]
        sign = 1 if some[0].is_error else -1
        first, *others = sorted(some, key=lambda each: sign * each.validation[method])
        second = others[0] if others else None
        found[name] = Best(
            method=method,
            standing=first,
            runner_up=second,
            difference=None
            if second is None
            else difference(second.predictions[method], first.predictions[method]),
        )
    return found


def against(standings: Sequence[Standing], name: str, method: Method) -> list[Best]:
    """Compare every tap with that of a name, or with the same tap of an index of that name.

    An index of one tap is compared by that one with all taps of the others.

    Raises:
        EvaluationError: If there is neither such an index nor such a tap, or nothing to compare.
    """
    named = [each for each in standings if name in (each.index, each.tap)]
    if not named:
        known = dict.fromkeys(name for each in standings for name in (each.index, each.tap))
        raise EvaluationError(
            f"no index or tap {name!r} is compared; choose from {', '.join(known)}"
        )
    found = []
    for each in standings:
        own = [other for other in named if other.label.name == each.label.name]
        others = [other for other in own if name == other.tap and other.index == each.index]
        others = others or [other for other in own if other.tap == each.tap] or own
        if each in own or len(others) != 1:
            continue
        (other,) = others
        found.append(
            Best(
                method=method,
                standing=each,
                runner_up=other,
                difference=difference(other.predictions[method], each.predictions[method]),
            )
        )
    if not found:
        raise EvaluationError(f"there is nothing to compare {name!r} with; name another index")
    return found


def mean_score(
    standings: Sequence[Standing], method: Method, *, validation: bool = False
) -> float | None:
    """Average one tap's scores over the labels, except numbers, whose errors have units.

    None if all labels are numbers.
    """
    some = [each for each in standings if not each.is_error]
    scores = [each.validation[method] if validation else each.score(method) for each in some]
    return float(np.mean(scores)) if scores else None


def _entries(stores: Sequence[Store], taps: Sequence[str]) -> list[tuple[Store, str]]:
    every = [(store, tap.name) for store in stores for tap in store.manifest.passport.taps]
    known = dict.fromkeys(tap for _, tap in every)
    unknown = [tap for tap in taps if tap not in known]
    if unknown:
        raise EvaluationError(f"no index has a tap {unknown[0]!r}; choose from {', '.join(known)}")
    return [(store, tap) for store, tap in every if not taps or tap in taps]
