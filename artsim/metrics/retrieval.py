"""Retrieval scores: how much of what is scored for stands at the top of the ranking.

A row is relevant to a query if it has the query's class. R is how many such rows there are; queries
with none are not scored. rel(i) is 1 if the row at rank i is relevant, and P(i) the share of the
first i that are.

* P@k: P(k). Ranks beyond the end of a short ranking count as not relevant.
* HitRate@k: 1 if any of the first k is relevant.
* mAP@k: the sum of P(i) rel(i) over the first k, divided by min(R, k); with k the whole bank it
  is average precision.
* nDCG@k: the sum of rel(i) / log2(i + 1) over the first k, divided by the most that R allows.
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
import torch
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.labels import Label
from artsim.metrics.neighbors import BUDGET_BYTES, NO_ROW, Neighbors, check_unit_vectors, nearest

RETRIEVAL_KS = (1, 5, 10, 20, 100)

_RANKING_BYTES = 64 << 20  # of the rankings that are scored at a time

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RetrievalEvaluation:
    """The scores of one label's queries; rows are those of the vectors it was given."""

    label: str
    classes: tuple[str, ...]  # what the class codes stand for
    query_rows: Rows  # (n,) those with something to find
    truth: NDArray[np.int64]  # (n,) class codes
    relevant: NDArray[np.int64]  # (n,) R
    per_query: dict[str, Floats]  # by the score's name, (n,)
    per_class: dict[str, Floats]  # (C,) means; NaN for a class without queries
    overall: dict[str, float]  # means over the queries
    skipped: int  # queries with nothing to find

    @property
    def ks(self) -> tuple[int, ...]:
        """The ranks that were cut at."""
        return tuple(int(name[2:]) for name in self.overall if name.startswith("P@"))


def evaluate_retrieval(
    vectors: NDArray[np.floating],
    label: Label,
    *,
    groups: NDArray[np.integer] | None = None,
    ks: Sequence[int] = RETRIEVAL_KS,
    budget_bytes: int = BUDGET_BYTES,
    device: str | torch.device = "cpu",
) -> RetrievalEvaluation:
    """Search with every row for the others of its class.

    Args:
        vectors: Unit vectors, shape (N, D).
        label: Multiclass, of N rows; rows without a class are neither queries nor results.
        groups: Code of each row, shape (N,), say its object; rows that share one are junk to each
            other: neither right nor wrong, as if they were not there. -1 is no group.
        ks: Ranks to cut at; at most the rows that can be found.
        budget_bytes: Memory for similarities, see `nearest`.
        device: Where they are computed.

    Raises:
        EvaluationError: If lengths differ, a k is out of range, no class has two rows that may
            find each other, or vectors are not finite unit vectors.
    """
    check_unit_vectors(vectors, "the vectors")
    for name, given in ((f"label {label.name!r}", label), ("groups", groups)):
        if given is not None and len(given) != len(vectors):
            raise EvaluationError(f"{name} has {len(given)} values for {len(vectors)} vectors")
    classes, rows = label.classes, np.flatnonzero(label.known)
    codes = label.strata[rows]
    if not ks or min(ks) < 1 or max(ks) >= len(rows):
        raise EvaluationError(
            f"ks must be between 1 and {len(rows) - 1}, the other rows with a {label.name!r}; "
            f"got {list(ks)}"
        )
    group_codes = None if groups is None else groups[rows]
    relevant = _count_relevant(codes, group_codes)
    scored = np.flatnonzero(relevant > 0)
    if not len(scored):
        raise EvaluationError(f"no two rows that may find each other share a {label.name!r}")
    bank = vectors if len(rows) == len(vectors) else vectors[rows]
    depth = max(*ks, int(relevant.max()))
    step = max(1, _RANKING_BYTES // (32 * depth))
    parts = []
    for start in range(0, len(scored), step):
        block = scored[start : start + step]
        found = nearest(
            bank[block],
            bank,
            depth,
            exclude=block,
            query_groups=None if group_codes is None else group_codes[block],
            bank_groups=group_codes,
            budget_bytes=budget_bytes,
            device=device,
        )
        parts.append(score_rankings(found, codes, codes[block], relevant[block], ks))
    per_query = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    truth = codes[scored]
    counts = np.bincount(truth, minlength=len(classes))
    with np.errstate(invalid="ignore"):  # 0 / 0 for a class without queries
        per_class = {
            name: np.bincount(truth, weights=scores, minlength=len(counts)) / counts
            for name, scores in per_query.items()
        }
    return RetrievalEvaluation(
        label=label.name,
        classes=classes,
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
        ks: Ranks to cut at.

    Returns:
        By the name of the score, ``P@5`` and so on, one value a query, shape (Q,).
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
    """Compute the scores that are cut at a rank, whatever makes a row relevant.

    Args:
        hits: Whether the row at each rank is relevant, shape (Q, depth); as deep as the largest k.
        relevant: R of each query, above 0, shape (Q,).
        ks: Ranks to cut at.

    Returns:
        By the name of the score, one value a query, shape (Q,).
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
    """Count what is relevant up to each rank, and add up P(i) rel(i), both (Q, depth)."""
    found: NDArray[np.int64] = np.cumsum(hits, axis=1, dtype=np.int64)
    precision = np.cumsum(hits * (found / np.arange(1, hits.shape[1] + 1)), axis=1)
    return found, precision


def pair_scores(
    vectors: NDArray[np.floating], codes: NDArray[np.integer], n: int, *, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw the scores of n pairs of one class and of n pairs of two classes, at random.

    Args:
        vectors: Unit vectors, shape (N, D).
        codes: Class of each row, shape (N,); rows of class -1 are not drawn.
        n: Pairs of each sort.
        seed: Of the draw.

    Returns:
        Inner products of the true pairs and of the others, each sorted, shape (n,). Every row of
        a class that has two or more begins as many pairs as any other.

    Raises:
        EvaluationError: If no class has two rows, or there is one class only.
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
    """Compute how often a score of the true is above one of the others: the area under the ROC.

    Returns:
        1 if all true scores are higher, 0.5 if there is no difference, ties counting half; NaN
        where one has none.
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
    """Count the rows of each row's class that are neither itself nor of its group."""
    same = np.bincount(codes)[codes]
    if groups is None:
        return same - 1
    alone = np.where(groups < 0, groups.max(initial=0) + 1 + np.arange(len(codes)), groups)
    _, pair, counts = np.unique(
        np.stack([codes, alone]), axis=1, return_inverse=True, return_counts=True
    )
    return same - counts[pair]
