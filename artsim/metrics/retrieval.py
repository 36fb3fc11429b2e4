"""Retrieval scores: how many relevant rows are at the top of a ranking.

A row is relevant to a query if it has the query's class. R is the number of relevant rows; queries
without one are not scored. rel(i) is 1 if the row at rank i is relevant, else 0, and P(i) is the
share of the first i rows that are relevant.

* P@k: P(k). Ranks beyond the end of a short ranking count as not relevant.
* HitRate@k: 1 if any of the first k is relevant, else 0.
* mAP@k: the sum of P(i) rel(i) over the first k, divided by min(R, k); with k the whole bank it
  is average precision.
* nDCG@k: the sum of rel(i) / log2(i + 1) over the first k, divided by the largest possible for R.
* R-precision: P(R).
* mAP@R: the sum of P(i) rel(i) over the first R, divided by R (Musgrave et al. 2020,
  https://arxiv.org/abs/2003.08505).
* MRR@k, for the largest k: 1 / rank of the first relevant row, 0 if none of the first k is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.labels import Label
from artsim.metrics.neighbors import NO_ROW, Neighbors, check_unit_vectors, nearest_among

RETRIEVAL_KS = (1, 5, 10, 20, 100)

_RANKING_BYTES = 64 << 20  # of the rankings scored at a time

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RetrievalEvaluation:
    """The scores of one label's queries; rows number the vectors."""

    label: str
    classes: tuple[str, ...]  # the names of the class codes
    query_rows: Rows  # (n,) those with a relevant row
    truth: NDArray[np.int64]  # (n,) class codes
    relevant: NDArray[np.int64]  # (n,) R
    per_query: dict[str, Floats]  # by the score's name, (n,)
    per_class: dict[str, Floats]  # (C,) means; NaN for a class without queries
    overall: dict[str, float]  # means over the queries
    skipped: int  # queries without a relevant row

    @property
    def ks(self) -> tuple[int, ...]:
        """The cutoff ranks."""
        return tuple(int(name[2:]) for name in self.overall if name.startswith("P@"))


def evaluate_retrieval(
    vectors: NDArray[np.floating],
    label: Label,
    *,
    groups: NDArray[np.integer] | None = None,
    ks: Sequence[int] = RETRIEVAL_KS,
) -> RetrievalEvaluation:
    """Search with every row for the other rows of its class.

    Args:
        vectors: Unit vectors, shape (N, D).
        label: Multiclass, of N rows; rows without a class are neither queries nor results.
        groups: Code of each row, such as its object, shape (N,). Rows that share a code are junk
            to each other: neither right nor wrong, as if absent. -1 is no group.
        ks: Cutoff ranks; at most the rows that can be found.

    Raises:
        EvaluationError: If lengths differ, a k is out of range, no class has two rows that may
            find each other, or vectors are not finite unit vectors.
    """
    check_unit_vectors(vectors, "the vectors")
    for name, given in ((f"label {label.name!r}", label), ("groups", groups)):
        if given is not None and len(given) != len(vectors):
            raise EvaluationError(f"{name} has {len(given)} values for {len(vectors)} vectors")
    rows = label.labeled
    codes = label.strata[rows]
    if not ks or min(ks) < 1 or max(ks) >= len(rows):
        raise EvaluationError(
            f"ks must be between 1 and {len(rows) - 1}, the other rows with a {label.name!r}; "
            f"got {list(ks)}"
        )
    groups = None if groups is None else groups[rows]
    relevant = _count_relevant(codes, groups)
    scored = np.flatnonzero(relevant > 0)
    if not len(scored):
        raise EvaluationError(f"no two rows that may find each other share a {label.name!r}")
    bank = vectors if len(rows) == len(vectors) else vectors[rows]
    depth = max(*ks, int(relevant.max()))
    step = max(1, _RANKING_BYTES // (32 * depth))
    parts = []
    for start in range(0, len(scored), step):
        block = scored[start : start + step]
        found = nearest_among(bank, block, np.arange(len(rows)), depth, groups=groups)
        parts.append(score_rankings(found, codes, codes[block], relevant[block], ks))
    per_query = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    truth = codes[scored]
    counts = np.bincount(truth, minlength=len(label.classes))
    with np.errstate(invalid="ignore"):  # 0 / 0 for a class without queries
        per_class = {
            name: np.bincount(truth, weights=scores, minlength=len(counts)) / counts
            for name, scores in per_query.items()
        }
    return RetrievalEvaluation(
        label=label.name,
        classes=label.classes,
        query_rows=rows[scored],
        truth=truth,
        relevant=relevant[scored],
        per_query=per_query,
        per_class=per_class,
        overall={name: float(scores.mean()) for name, scores in per_query.items()},
        skipped=len(rows) - len(scored),
    )


def score_rankings(
    neighbors: Neighbors,
    codes: NDArray[np.integer],
    truth: NDArray[np.integer],
    relevant: NDArray[np.integer],
    ks: Sequence[int] = RETRIEVAL_KS,
) -> dict[str, Floats]:
    """Compute every score of each query from its ranking.

    Args:
        neighbors: The ranking, without the query itself and junk, shape (Q, depth); as deep as
            the largest k and the largest R.
        codes: Class of each bank row, shape (N,).
        truth: Class of each query, shape (Q,).
        relevant: R of each query, above 0, shape (Q,).
        ks: Cutoff ranks.

    Returns:
        By the score's name, such as ``P@5``, one value a query, shape (Q,).
    """
    depth = neighbors.rows.shape[1]
    if depth < max(*ks, int(relevant.max())):
        raise EvaluationError(
            f"the ranking is {depth} deep; it must reach the largest k, {max(ks)}, and the "
            f"largest number of relevant rows, {relevant.max()}"
        )
    hits = (codes[neighbors.rows] == truth[:, None]) & (neighbors.rows != NO_ROW)  # (Q, depth)
    found, precision = _cumulate(hits)
    every = np.arange(len(truth))
    return score_hits(hits, relevant, ks) | {
        "R-precision": found[every, relevant - 1] / relevant,
        "mAP@R": precision[every, relevant - 1] / relevant,
    }


def score_hits(
    hits: NDArray[np.bool_], relevant: NDArray[np.integer], ks: Sequence[int] = RETRIEVAL_KS
) -> dict[str, Floats]:
    """Compute the scores at each cutoff rank, whatever makes a row relevant.

    Args:
        hits: Whether the row at each rank is relevant, shape (Q, depth); as deep as the largest k.
        relevant: R of each query, above 0, shape (Q,).
        ks: Cutoff ranks.

    Returns:
        By the score's name, one value a query, shape (Q,).
    """
    found, precision = _cumulate(hits)
    ranks = np.arange(1, hits.shape[1] + 1)
    gains = np.cumsum(hits / np.log2(ranks + 1), axis=1)
    ideal = np.cumsum(1 / np.log2(ranks + 1))
    scores: dict[str, Floats] = {}
    for k in ks:
        most = np.minimum(relevant, k)
        scores[f"P@{k}"] = found[:, k - 1] / k
        scores[f"HitRate@{k}"] = (found[:, k - 1] > 0).astype(np.float64)
        scores[f"mAP@{k}"] = precision[:, k - 1] / most
        scores[f"nDCG@{k}"] = gains[:, k - 1] / ideal[most - 1]
    first = hits[:, : max(ks)]
    scores[f"MRR@{max(ks)}"] = np.where(first.any(axis=1), 1 / (first.argmax(axis=1) + 1), 0.0)
    return scores


def _cumulate(hits: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Floats]:
    """Count the relevant rows up to each rank, and sum P(i) rel(i) up to it, both (Q, depth)."""
    found: NDArray[np.int64] = np.cumsum(hits, axis=1, dtype=np.int64)
    precision = np.cumsum(hits * (found / np.arange(1, hits.shape[1] + 1)), axis=1)
    return found, precision


def pair_scores(
    vectors: NDArray[np.floating], codes: NDArray[np.integer], n: int, *, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw n random pairs of rows of one class and n of two classes.

    Args:
        vectors: Unit vectors, shape (N, D).
        codes: Class of each row, shape (N,); rows of class -1 are not drawn.
        n: Pairs of each kind.
        seed: Of the draw.

    Returns:
        Inner products of the true pairs and of the others, each sorted, shape (n,). The first row
        of a true pair is drawn evenly from the rows whose class has at least two.

    Raises:
        EvaluationError: If no class has two rows, or there is only one class.
    """
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(codes >= 0)
    rows = rows[np.argsort(codes[rows], kind="stable")]
    classes, first, sizes = np.unique(codes[rows], return_index=True, return_counts=True)
    if len(classes) < 2 or sizes.max() < 2:
        raise EvaluationError("true and false pairs need two classes, one of them with two rows")
    number = np.repeat(np.arange(len(classes)), sizes)  # of each row's class
    at = rng.choice(np.flatnonzero(sizes[number] > 1), n)
    size, start = sizes[number[at]], first[number[at]]
    mate = start + (at - start + rng.integers(1, size)) % size  # another of the class
    other = rng.integers(0, len(rows), n)
    own, begin = sizes[number[other]], first[number[other]]
    stranger = rng.integers(0, len(rows) - own)  # among the rows outside the class
    stranger += np.where(stranger >= begin, own, 0)
    return _products(vectors, rows[at], rows[mate]), _products(vectors, rows[other], rows[stranger])


def auc(true: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Compute the area under the ROC: how often a true score is above one of the others.

    Returns:
        1 if all true scores are higher, 0.5 if there is no difference; ties count half. NaN if
        either has no scores.
    """
    from sklearn.metrics import roc_auc_score

    if not len(true) or not len(other):
        return math.nan
    return float(
        roc_auc_score(np.repeat([1, 0], [len(true), len(other)]), np.concatenate([true, other]))
    )


def _products(vectors: NDArray[np.floating], a: Rows, b: Rows) -> NDArray[np.float32]:
    products = [
        np.einsum("nd,nd->n", vectors[a[i : i + 4096]], vectors[b[i : i + 4096]], dtype=np.float32)
        for i in range(0, len(a), 4096)
    ]
    return np.sort(np.concatenate(products))


def _count_relevant(
    codes: NDArray[np.int64], groups: NDArray[np.integer] | None
) -> NDArray[np.int64]:
    """Count the other rows of each row's class that are not of its group."""
    same = np.bincount(codes)[codes]
    if groups is None:
        return same - 1
    alone = np.where(groups < 0, groups.max(initial=0) + 1 + np.arange(len(codes)), groups)
    _, pair, counts = np.unique(
        np.stack([codes, alone]), axis=1, return_inverse=True, return_counts=True
    )
    return same - counts[pair]
