"""Retrieval scores: how many relevant rows are at the top of a ranking.

A row is relevant to a query if it has the query's class, or one of its classes. R is the number of
relevant rows; queries without one are not scored. rel(i) is 1 if the row at rank i is relevant,
else 0, and P(i) is the share of the first i rows that are relevant.

* P@k: P(k). Ranks beyond the end of a short ranking count as not relevant.
* HitRate@k: 1 if any of the first k is relevant, else 0.
* mAP@k: the sum of P(i) rel(i) over the first k, divided by min(R, k); with k the whole bank it
  is average precision.
* nDCG@k: the sum of rel(i) / log2(i + 1) over the first k, divided by the largest possible for R.
  Where rows have several classes, rel(i) is here the number of classes shared with the query.
* R-precision: P(R).
* mAP@R: the sum of P(i) rel(i) over the first R, divided by R (Musgrave et al. 2020,
  https://arxiv.org/abs/2003.08505).
* MRR@k, for the largest k: 1 / rank of the first relevant row, 0 if none of the first k is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.errors import EvaluationError
from artsim.labels import Label, LabelKind
from artsim.metrics.intervals import estimate_means, estimate_share
from artsim.metrics.neighbors import NO_ROW, Neighbors, check_unit_vectors, nearest_among
from artsim.splits import Split

RETRIEVAL_KS: tuple[int, ...] = (1, 5, 10, 20, 100)

_RANKING_BYTES = 64 << 20  # of the rankings scored at a time

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RetrievalEvaluation:
    """The scores of one label's queries; rows number the vectors."""

    label: str
    classes: tuple[str, ...]  # the names of the class codes
    query_rows: Rows  # (n,) those with a relevant row
    counts: NDArray[np.int64]  # (C,) queries of each class
    groups: NDArray[np.integer] | None  # (n,) of the queries, which intervals resample
    relevant: NDArray[np.int64]  # (n,) R
    per_query: dict[str, Floats]  # by the score's name, (n,)
    per_class: dict[str, Floats]  # (C,) means; NaN for a class without queries
    overall: dict[str, float]  # means over the queries
    skipped: int  # queries without a relevant row
    gallery_size: int  # rows that are searched

    @property
    def ks(self) -> tuple[int, ...]:
        """The cutoff ranks."""
        return tuple(int(name[2:]) for name in self.overall if name.startswith("P@"))

    @cached_property
    def estimates(self) -> dict[str, Estimate]:
        """The means with their intervals, by resampling queries, or whole groups of them."""
        found = estimate_means(self.per_query, self.groups)
        for name, values in self.per_query.items():
            if name == "P@1" or name.startswith("HitRate"):
                found[name] = estimate_share(values > 0, self.groups)
        return found


def evaluate_retrieval(
    vectors: NDArray[np.floating],
    label: Label,
    *,
    junk: NDArray[np.integer] | None = None,
    resampled: NDArray[np.integer] | None = None,
    split: Split | None = None,
    ks: Sequence[int] = RETRIEVAL_KS,
) -> RetrievalEvaluation:
    """Search with every row for the other rows of its class, or that share one of its classes.

    Args:
        vectors: Unit vectors, shape (N, D).
        label: Of N rows, one or several classes each; rows without a class are neither queries
            nor results.
        junk: Code of each row, such as its object, shape (N,). Rows that share a code are junk
            to each other: neither right nor wrong, as if absent. -1 is no group.
        resampled: Groups of rows that intervals resample as wholes, shape (N,); -1 is alone.
        split: Its test rows are the queries, its train and validation rows the gallery. None:
            every row is searched for among all others.
        ks: Cutoff ranks; at most the rows that can be found.

    Raises:
        EvaluationError: If lengths differ, a k is out of range, no class has two rows that may
            find each other, or vectors are not finite unit vectors.
    """
    check_unit_vectors(vectors, "the vectors")
    for name, given in ((f"label {label.name!r}", label), ("junk", junk)):
        if given is not None and len(given) != len(vectors):
            raise EvaluationError(f"{name} has {len(given)} values for {len(vectors)} vectors")
    queries = gallery = label.labeled
    if split is not None:
        kept = split.keep(label.known)
        queries, gallery = np.sort(kept.test), np.sort(kept.learned)
    most = len(gallery) - (split is None)
    if not ks or min(ks) < 1 or max(ks) > most:
        raise EvaluationError(
            f"ks must be between 1 and {most}, the rows with a {label.name!r} that can be found; "
            f"got {list(ks)}"
        )
    score = _score_multilabel if label.kind == LabelKind.MULTILABEL else _score_multiclass
    scored, relevant, per_query = score(vectors, label, junk, (queries, gallery), ks)
    rows, codes = label.take(scored).row_codes
    counts = np.bincount(codes, minlength=len(label.classes))
    with np.errstate(invalid="ignore"):  # 0 / 0 for a class without queries
        per_class = {
            name: np.bincount(codes, weights=scores[rows], minlength=len(counts)) / counts
            for name, scores in per_query.items()
        }
    return RetrievalEvaluation(
        label=label.name,
        classes=label.classes,
        query_rows=scored,
        counts=counts,
        groups=None if resampled is None else resampled[scored],
        relevant=relevant,
        per_query=per_query,
        per_class=per_class,
        overall={name: float(scores.mean()) for name, scores in per_query.items()},
        skipped=len(queries) - len(scored),
        gallery_size=len(gallery),
    )


def _score_multiclass(
    vectors: NDArray[np.floating],
    label: Label,
    junk: NDArray[np.integer] | None,
    searched: tuple[Rows, Rows],
    ks: Sequence[int],
) -> tuple[Rows, NDArray[np.int64], dict[str, Floats]]:
    """Return the queries that have a relevant row in the gallery, their R, and their scores."""
    queries, gallery = searched
    codes = label.strata
    relevant = _count_relevant(codes, junk, queries, gallery)
    queries, relevant = queries[relevant > 0], relevant[relevant > 0]
    _check_queries(queries, label)
    depth = max(*ks, int(relevant.max()))
    parts = []
    for block in _blocks(len(queries), depth):
        rows = queries[block]
        found = nearest_among(vectors, rows, gallery, depth, groups=junk)
        parts.append(score_rankings(found, codes, codes[rows], relevant[block], ks))
    return queries, relevant, _joined(parts)


def _score_multilabel(
    vectors: NDArray[np.floating],
    label: Label,
    junk: NDArray[np.integer] | None,
    searched: tuple[Rows, Rows],
    ks: Sequence[int],
) -> tuple[Rows, NDArray[np.int64], dict[str, Floats]]:
    """Score as `_score_multiclass`, with nDCG graded by the number of shared classes."""
    from scipy.sparse import csr_array

    queries, gallery = searched
    table = csr_array((np.ones(len(label.codes), dtype=np.int32), label.codes, label.starts))
    kept, sizes, parts = [], [], []
    for block in _blocks(len(queries), len(gallery)):
        rows = queries[block]
        shared = (table[rows] @ table[gallery].T).toarray()  # (Q, B)
        absent = rows[:, None] == gallery
        if junk is not None:
            absent |= (junk[rows][:, None] == junk[gallery]) & (junk[gallery] >= 0)
        shared[absent] = 0
        relevant = (shared > 0).sum(axis=1)
        has = relevant > 0
        if not has.any():
            continue
        rows, shared, relevant = rows[has], shared[has], relevant[has]
        depth = max(*ks, int(relevant.max()))
        found = nearest_among(vectors, rows, gallery, depth, groups=junk).rows
        place = np.searchsorted(gallery, np.where(found == NO_ROW, gallery[0], found))
        gains = np.take_along_axis(shared, place, axis=1) * (found != NO_ROW)  # (Q, depth)
        scores = _score(gains > 0, relevant, ks)
        discounts = 1 / np.log2(np.arange(2, max(ks) + 2))
        ideal = -np.sort(-shared, axis=1)[:, : max(ks)]
        for k in ks:
            best = ideal[:, :k] @ discounts[: min(k, ideal.shape[1])]
            scores[f"nDCG@{k}"] = gains[:, :k] @ discounts[:k] / best
        kept.append(rows)
        sizes.append(relevant)
        parts.append(scores)
    _check_queries(kept, label)
    return np.concatenate(kept), np.concatenate(sizes), _joined(parts)


def _check_queries(queries: Sized, label: Label) -> None:
    if not len(queries):
        raise EvaluationError(f"no two rows that may find each other share a {label.name!r}")


def _blocks(n: int, depth: int) -> Iterator[slice]:
    step = max(1, _RANKING_BYTES // (32 * depth))
    return (slice(start, min(n, start + step)) for start in range(0, n, step))


def _joined(parts: Sequence[dict[str, Floats]]) -> dict[str, Floats]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


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
    return _score(hits, relevant, ks)


def _score(
    hits: NDArray[np.bool_], relevant: NDArray[np.integer], ks: Sequence[int]
) -> dict[str, Floats]:
    found, precision = _cumulate(hits)
    every = np.arange(len(relevant))
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


def _count_relevant(
    codes: NDArray[np.int64], junk: NDArray[np.integer] | None, queries: Rows, gallery: Rows
) -> NDArray[np.int64]:
    """Count the gallery's rows of each query's class that are not of its group, nor itself."""
    own = np.arange(len(codes))  # a row without a group is alone in one
    if junk is not None:
        alone = np.where(junk < 0, junk.max(initial=0) + 1 + own, junk)
        own = np.unique(np.stack([codes, alone]), axis=1, return_inverse=True)[1]
    same = np.bincount(codes[gallery], minlength=codes.max() + 1)[codes[queries]]
    absent: NDArray[np.int64] = np.bincount(own[gallery], minlength=len(codes))[own[queries]]
    return same - absent
