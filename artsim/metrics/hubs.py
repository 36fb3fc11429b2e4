"""Hubs, rows that are neighbors of too many others, and searches that correct for them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artsim.errors import EvaluationError
from artsim.metrics.neighbors import (
    BUDGET_BYTES,
    NO_ROW,
    Mask,
    Neighbors,
    SearchOptions,
    check_unit_vectors,
    decode,
    encode,
    nearest,
    nearest_inner,
)

_K = 10  # neighbors among which hubs are counted, as is usual
_PAIR_BYTES = 40  # similarity, nearness, key and temporaries
_BLOCK = 1 << 13  # vectors made float64 at a time

Array = NDArray[np.floating]
Codes = NDArray[np.integer]


@dataclass(frozen=True, kw_only=True)
class Hubness:
    """How unequally often the rows of the bank are among the k nearest."""

    k: int
    skew: float  # of the counts, see `k_occurrence_skew`
    antihubs: float  # share of the bank that is no query's neighbor
    largest: int  # queries that have the greatest hub among their k nearest


def hubness(neighbors: Neighbors, bank: Codes, k: int = _K) -> Hubness:
    """Measure the hubness of a search.

    Args:
        neighbors: Of the queries.
        bank: The rows that were searched, as the neighbors number them.
        k: Neighbors to count, or all where fewer were searched.
    """
    found = neighbors.first(min(k, neighbors.rows.shape[1]))
    occurrence = k_occurrence(found, int(bank.max()) + 1)[bank]
    return Hubness(
        k=found.rows.shape[1],
        skew=k_occurrence_skew(occurrence),
        antihubs=float((occurrence == 0).mean()),
        largest=int(occurrence.max()),
    )


def k_occurrence(neighbors: Neighbors, n_bank: int) -> NDArray[np.int64]:
    """Count how many queries have each bank row among their k neighbors, shape (n_bank,)."""
    rows = neighbors.rows[neighbors.rows != NO_ROW]
    return np.bincount(rows, minlength=n_bank).astype(np.int64)


def k_occurrence_skew(occurrence: NDArray[np.integer]) -> float:
    """Compute the skewness of k-occurrences: 0 without hubs, the higher the worse.

    Radovanovic et al. 2010 (https://www.jmlr.org/papers/v11/radovanovic10a.html). NaN where all
    rows occur equally often.
    """
    off = occurrence - occurrence.mean()
    spread = math.sqrt((off**2).mean())
    return float((off**3).mean() / spread**3) if spread > 0 else math.nan


def csls(
    queries: Array, bank: Array, k: int, *, hood: int = 10, **options: Unpack[SearchOptions]
) -> Neighbors:
    """Find the k best bank rows by cross-domain similarity local scaling, exactly.

    The score of query q and row b is 2 q.b - r(q) - r(b), with r the mean similarity to the
    ``hood`` nearest other bank rows (Lample et al. 2018, https://arxiv.org/abs/1710.04087), so
    that rows near to everything score less. Queries do not count for r(b), so that the result of a
    query does not depend on the other queries.

    Args:
        queries: Unit vectors, shape (Q, D).
        bank: Unit vectors, shape (N, D), at least two.
        k: Neighbors wanted.
        hood: Neighbors that r averages, or all where there are fewer.
        **options: See `SearchOptions`.
    """
    if len(bank) < 2:
        raise EvaluationError("csls needs two bank rows or more")

    def nearness(vectors: Array, options: SearchOptions) -> Array:
        near = nearest(vectors, bank, min(hood, len(bank) - 1), **options)
        some = near.rows != NO_ROW
        means: Array = np.where(some, near.scores, 0).sum(axis=1) / np.maximum(some.sum(axis=1), 1)
        return means

    near_query = nearness(queries, options)  # (Q,)
    groups = options.get("bank_groups")
    leave_one_out: SearchOptions = {"exclude": np.arange(len(bank)), "query_groups": groups}
    near_bank = nearness(bank, {**options, **leave_one_out})  # (N,)
    # q.b - r(b) / 2 is itself an inner product, of vectors that are one longer
    ones = np.ones((len(queries), 1), dtype=np.float32)
    longer = np.concatenate([queries, ones], axis=1, dtype=np.float32)
    bank_longer = np.concatenate([bank, -near_bank[:, None] / 2], axis=1, dtype=np.float32)
    found = nearest_inner(longer, bank_longer, k, **options)
    return Neighbors(2 * found.scores - near_query[:, None].astype(np.float32), found.rows)


def mutual_proximity(
    queries: Array,
    bank: Array,
    k: int,
    *,
    exclude: Codes | None = None,
    query_groups: Codes | None = None,
    bank_groups: Codes | None = None,
    budget_bytes: int = BUDGET_BYTES,
    device: str | torch.device = "cpu",
) -> Neighbors:
    """Find the k best bank rows by mutual proximity: near as seen from either row.

    The score of query q and row b is the probability that a bank row is less similar to q than b
    is, times the probability that one is less similar to b than q is, where the similarities to q
    and to b are taken as normal and independent (Schnitzer et al. 2012,
    https://www.jmlr.org/papers/v13/schnitzer12a.html). Every pair is computed, in float32. The
    bank needs at least two rows; for the options see `SearchOptions`.
    """
    check_unit_vectors(queries, "queries")
    check_unit_vectors(bank, "bank")
    if len(bank) < 2:
        raise EvaluationError("mutual proximity needs two bank rows or more")
    mask = Mask(len(queries), len(bank), exclude, query_groups, bank_groups)
    total, products = bank.sum(axis=0, dtype=np.float64), np.zeros((bank.shape[1],) * 2)
    for start in range(0, len(bank), _BLOCK):
        part = bank[start : start + _BLOCK].astype(np.float64)
        products += part.T @ part
    none = np.full(len(queries), NO_ROW)
    wanted, known = _tensor(queries, device), _tensor(bank, device)
    query_mean, query_scale = (
        _tensor(each, device)[:, None]
        for each in _moments(
            queries, none if exclude is None else exclude, total, products, len(bank)
        )
    )
    bank_mean, bank_scale = (
        _tensor(each, device)
        for each in _moments(bank, np.arange(len(bank)), total, products, len(bank))
    )
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    rows = np.full((len(queries), k), NO_ROW, dtype=np.int64)
    step = max(1, budget_bytes // (_PAIR_BYTES * len(bank)))
    columns = torch.arange(len(bank), device=known.device)
    for start in range(0, len(queries), step):
        block = torch.arange(start, min(start + step, len(queries)))
        similarity = wanted[block] @ known.T  # (q, N)
        # in logarithms, as the best are all near to 1
        nearness = torch.special.log_ndtr((similarity - query_mean[block]) / query_scale[block])
        nearness += torch.special.log_ndtr((similarity - bank_mean) / bank_scale)
        mask.apply(nearness, block, 0)
        keys = encode(nearness, columns).topk(min(k, len(bank)), dim=1).values
        found = slice(start, start + len(block))
        scores[found, : keys.shape[1]], rows[found, : keys.shape[1]] = decode(keys)
    np.exp(scores, out=scores, where=rows != NO_ROW)
    return Neighbors(scores, rows)


def _moments(
    vectors: Array,
    itself: Codes,
    total: NDArray[np.float64],
    products: NDArray[np.float64],
    n_bank: int,
) -> NDArray[np.float64]:
    """Return the mean and the deviation of each vector's similarities to the bank, shape (2, n).

    Args:
        vectors: Unit vectors, shape (n, D).
        itself: The bank row that each vector is, which does not count, or -1, shape (n,).
        total: Sum of the bank, shape (D,).
        products: Sum of the bank's outer products, shape (D, D).
        n_bank: Rows of the bank.
    """
    found = np.empty((2, len(vectors)))
    for start in range(0, len(vectors), _BLOCK):
        few = slice(start, start + _BLOCK)
        block, own = vectors[few].astype(np.float64), itself[few] >= 0
        norms = np.einsum("nd,nd->n", block, block)  # similarity of a vector to itself
        count = n_bank - own
        mean = (block @ total - own * norms) / count
        square = (np.einsum("nd,nd->n", block @ products, block) - own * norms**2) / count
        found[:, few] = mean, np.sqrt(np.maximum(square - mean**2, 0.0))
    found[1] = np.maximum(found[1], np.finfo(np.float32).eps)  # where all are equally similar
    return found


def _tensor(vectors: Array, device: str | torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32)).to(device)
