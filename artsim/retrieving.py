"""How much of what shares a label a picture of the index brings up when it is asked for others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.annotations import values_of
from artsim.assess import label_columns
from artsim.datatypes import FieldType
from artsim.derive import is_derivation, parse_label
from artsim.errors import EvaluationError
from artsim.evaluation.labels import encode, why_not_label
from artsim.evaluation.neighbours import check_unit_vectors
from artsim.evaluation.retrieval import KS, RetrievalEvaluation, evaluate, pair_scores
from artsim.index import unit
from artsim.store import Store

__all__ = ["KS", "QUANTILES", "Retrieval", "RetrievalPlan", "retrieve"]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the scores of pairs that are reported

_PAIRS = 100_000  # of each sort


@dataclass(frozen=True, kw_only=True)
class RetrievalPlan:
    """What a retrieval evaluation is asked."""

    tap: str
    labels: tuple[str, ...] = ()  # columns, derived labels; all that can be labels if empty
    ks: tuple[int, ...] = ()  # ranks to cut at; of `KS` those that there are rows for if empty
    junk: str | None = None  # column: rows that share its value neither help nor hurt
    seed: int = 0  # of the pairs


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """One label's scores, and the cosines of pairs that share a class and of pairs that do not."""

    scores: RetrievalEvaluation
    true_pairs: NDArray[np.float32]  # sorted; empty where there is no such pair
    other_pairs: NDArray[np.float32]  # sorted

    @property
    def told_apart(self) -> float:
        """How often a pair of one class scores higher than a pair of two (area under the ROC)."""
        true, other = self.true_pairs, self.other_pairs
        if not len(true) or not len(other):
            return float("nan")
        below = np.searchsorted(other, true, side="left").mean()
        upto = np.searchsorted(other, true, side="right").mean()
        return float((below + upto) / 2 / len(other))


def retrieve(store: Store, plan: RetrievalPlan) -> Iterator[Retrieval]:
    """Ask an index with each of its pictures for the others of its class, label by label.

    Raises:
        EvaluationError: If a column is not there or cannot be what it was named for, a k is out
            of range, or a vector is not finite.
    """
    if not store.rows:
        raise EvaluationError(f"{str(store.path)!r} holds no picture; see 'artsim info'")
    names = plan.labels or tuple(name for name in label_columns(store)[0] if name != plan.junk)
    if not names:
        raise EvaluationError(
            f"no column of {str(store.path)!r} can be a label; see 'artsim info', "
            "or name one with --label"
        )
    labels = {_short_name(name): _read_label(store, name) for name in dict.fromkeys(names)}
    groups = values_of(store, plan.junk) if plan.junk else None
    if plan.junk in labels:
        raise EvaluationError(
            f"{plan.junk!r} cannot be both label and junk: nothing would be left to find"
        )
    vectors = unit(store.vectors(plan.tap))
    check_unit_vectors(vectors, f"the vectors of {str(store.path)!r}")
    for name, values in labels.items():
        labelled = sum(value is not None for value in values)
        ks = plan.ks or tuple(k for k in KS if k < labelled) or (1,)
        scores = evaluate(vectors, name, values, groups=groups, ks=ks)
        codes = _one_a_group(encode(values).codes, groups)
        true_pairs, other_pairs = _pairs(vectors, codes, plan.seed)
        yield Retrieval(scores=scores, true_pairs=true_pairs, other_pairs=other_pairs)


def _pairs(
    vectors: NDArray[np.float32], codes: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    try:
        return pair_scores(vectors, codes, _PAIRS, seed=seed)
    except EvaluationError:  # no class has two rows that are not junk to each other
        return np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.float32)


def _one_a_group(codes: NDArray[np.int64], groups: list[str | None] | None) -> NDArray[np.int64]:
    """Keep one labelled row of each group, so that no pair is of two views of one object."""
    if groups is None:
        return codes
    group = encode(groups).codes
    alone = np.where(group < 0, len(codes) + np.arange(len(codes)), group)
    rows = np.flatnonzero(codes >= 0)
    _, first = np.unique(alone[rows], return_index=True)
    kept = np.full_like(codes, -1)
    kept[rows[first]] = codes[rows[first]]
    return kept


def _read_label(store: Store, name: str) -> list[str | None]:
    type_ = {field.name: field.type for field in store.manifest.fields}.get(name)
    if type_ == FieldType.NUMBER:
        raise EvaluationError(
            f"{name!r} holds numbers, expected classes; derive some: "
            f"--label 'century = {name} // 100 + 1'"
        )
    values = values_of(store, name)
    reason = why_not_label(values)
    if reason is not None:
        known = ", ".join(label_columns(store)[0])
        others = f"choose from {known}" if known else "no other column can be one either"
        raise EvaluationError(f"{name!r} cannot be a label: {reason}; {others}")
    return values


def _short_name(label: str) -> str:
    return parse_label(label).name if is_derivation(label) else label
