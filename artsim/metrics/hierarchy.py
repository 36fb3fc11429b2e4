"""Hierarchical scores: a predicted class counts by what it shares with the true one.

Precision, recall and F compare sets of nodes, each class with all nodes above it (Kiritchenko et
al. 2005, "Functional annotation of genes using hierarchical text categorization"; recommended by
Silla and Freitas 2011, doi:10.1007/s10618-010-0175-9): over all rows, the shared nodes among those
predicted and among the true ones.

The nodes of n rows are a sparse boolean array of shape (n, M). Depths are from 1, shape (M,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from artsim.datatypes import Estimate
from artsim.metrics.intervals import estimate_share

LEAST_SURE = 0.5  # below, two branches could be sure enough at once
RIGHT = 0.9  # share of the answers on validation rows: what is sure enough

_THRESHOLDS = (*(round(LEAST_SURE + 0.05 * step, 2) for step in range(10)), 0.99)  # that are tried
_ROUNDING = 1e-6  # by which a sum of probabilities may be off

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
NodeSets = Any  # scipy's sparse arrays have no types


@dataclass(frozen=True, kw_only=True)
class HierarchyScores:
    """How much of the true paths is predicted."""

    precision: float  # NaN if nothing is predicted
    recall: float
    f1: float
    on_path: Estimate  # share of the rows with a prediction whose every predicted node is true
    near: Estimate  # share of wrong predictions that miss no true node but the class itself
    depths: tuple[
        Estimate, ...
    ]  # at each depth: the share that shares a node, of rows that have one
    mean_depth: float  # of the predictions; 0 of none

    def to_json(self) -> dict[str, object]:
        """Return the scores as plain values."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            **self.on_path.to_json("on_path"),
            **self.near.to_json("near"),
            "mean_depth": self.mean_depth,
            "depths": [
                {"depth": depth, **each.to_json("accuracy"), "n": each.n}
                for depth, each in enumerate(self.depths, start=1)
            ],
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class SureNodes:
    """Pairs of a row and a node whose probability is at least `LEAST_SURE`."""

    n: int  # rows
    rows: Codes  # (P,)
    nodes: Codes  # (P,)
    probabilities: Floats  # (P,)


def node_sets(rows: Codes, nodes: Codes, above: NodeSets, n: int) -> NodeSets:
    """Return the nodes of n rows, given as pairs of row and node, with all nodes above them."""
    pairs = csr_array((np.ones(len(rows), dtype=bool), (rows, nodes)), shape=(n, above.shape[0]))
    return (pairs @ above).astype(bool)


def hierarchy_scores(
    truth: NodeSets,
    predicted: NodeSets,
    depths: Codes,
    groups: NDArray[np.integer] | None = None,
    seed: int = 0,
) -> HierarchyScores:
    """Score predicted nodes against true ones, both with all nodes above them, shape (n, M).

    Args:
        truth: Of each row; at least one.
        predicted: Of each row; may be none.
        depths: Of each node, shape (M,).
        groups: That intervals resample, shape (n,).
        seed: Of the resampling.
    """
    both = truth.multiply(predicted)
    shared, n_true, n_predicted = (_count(each) for each in (both, truth, predicted))
    total = int(shared.sum())
    answered, right = n_predicted > 0, (shared == n_true) & (shared == n_predicted)
    wrong = answered & ~right
    near = (shared >= n_true - 1) & (n_true > 1)

    def share(of: NDArray[np.bool_], among: NDArray[np.bool_]) -> Estimate:
        some = None if groups is None else groups[among]
        return estimate_share(of[among], some, seed=seed)

    levels = []
    for depth in range(1, int(depths.max(initial=0)) + 1):
        at = np.flatnonzero(depths == depth)
        reaches = _count(truth[:, at]) > 0
        if reaches.any():
            levels.append(share(_count(both[:, at]) > 0, reaches))
    deepest = predicted.multiply(depths[None, :]).max(axis=1).toarray().ravel()
    return HierarchyScores(
        precision=total / int(n_predicted.sum()) if answered.any() else float("nan"),
        recall=total / int(n_true.sum()),
        f1=2 * total / int(n_predicted.sum() + n_true.sum()),
        on_path=share(shared == n_predicted, answered),
        near=share(near, wrong),
        depths=tuple(levels),
        mean_depth=float(deepest.mean()),
    )


def sum_up(probabilities: NDArray[np.floating], codes: Codes, above: NodeSets) -> SureNodes:
    """Sum the probabilities of C classes, shape (n, C), at the nodes above them.

    ``codes`` are the nodes of the classes, shape (C,).
    """
    parts = []
    step = max(1, (1 << 23) // above.shape[0])
    of_classes = above[codes].astype(np.float64)
    for start in range(0, len(probabilities), step):
        sums = probabilities[start : start + step].astype(np.float64) @ of_classes  # (b, M)
        rows, nodes = np.nonzero(sums >= LEAST_SURE - _ROUNDING)
        parts.append((rows + start, nodes, sums[rows, nodes]))
    rows, nodes, sums = (np.concatenate(each) for each in zip(*parts, strict=True))
    return SureNodes(n=len(probabilities), rows=rows, nodes=nodes, probabilities=sums)


def back_off(sure: SureNodes, depths: Codes, least: float) -> tuple[Codes, Floats]:
    """Find the deepest node of each row that is sure enough, and its probability.

    Of equally deep ones it is the most probable. A row without one has -1, and NaN.

    Args:
        sure: The nodes to choose from.
        depths: Of each node, shape (M,).
        least: The least probability, from `LEAST_SURE`.
    """
    enough = sure.probabilities >= least - _ROUNDING
    rows, nodes, values = (each[enough] for each in (sure.rows, sure.nodes, sure.probabilities))
    order = np.lexsort((values, depths[nodes], rows))  # the deepest and most probable last
    rows, nodes, values = rows[order], nodes[order], values[order]
    last = np.append(rows[1:] != rows[:-1], True)[: len(rows)]
    found, probabilities = np.full(sure.n, -1, dtype=np.int64), np.full(sure.n, np.nan)
    found[rows[last]], probabilities[rows[last]] = nodes[last], values[last]
    return found, probabilities


def choose_least(sure: SureNodes, truth: NodeSets, above: NodeSets, depths: Codes) -> float:
    """Choose the least probability at which nine in ten answers for validation rows are right.

    An answer is right if its node is the true class or above it; the highest probability tried if
    fewer are at each. Deng et al. 2012 (doi:10.1109/CVPR.2012.6248086) say as much as possible at a
    given accuracy in this way.

    Args:
        sure: The nodes of n validation rows.
        truth: Their true nodes, with those above them, shape (n, M).
        above: Of each node itself and those above it, shape (M, M).
        depths: Of each node, shape (M,).
    """
    for least in _THRESHOLDS:
        nodes, _ = back_off(sure, depths, least)
        predicted = nodes_of(nodes, above)
        right = _count(truth.multiply(predicted)) == _count(predicted)
        if (nodes >= 0).any() and right[nodes >= 0].mean() >= RIGHT:
            return least
    return _THRESHOLDS[-1]


def nodes_of(codes: Codes, above: NodeSets) -> NodeSets:
    """Return the nodes of one predicted node a row, shape (n,); -1 is none."""
    rows = np.flatnonzero(codes >= 0)
    return node_sets(rows, codes[rows], above, len(codes))


def _count(nodes: NodeSets) -> Codes:
    return np.asarray(nodes.astype(np.int64).sum(axis=1)).ravel()
