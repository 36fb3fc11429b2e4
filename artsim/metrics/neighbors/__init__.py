"""The exact nearest neighbors of unit vectors by inner product, within a given memory.

A coarse matrix product (bfloat16 where the processor has it) picks more candidates than are
wanted, float64 inner products put them in order, and a bound on the coarse product's error
proves that no other row belongs among them. The few queries that this does not prove are searched
again in float64 alone. So the result does not depend on blocks, device or BLAS: it is the order of
the true inner products, rounded to float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypedDict, Unpack

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.metrics.neighbors.exact import NO_ROW, decode, encode
from artsim.metrics.neighbors.masks import Codes, Mask
from artsim.metrics.neighbors.search import Array, Search
from artsim.metrics.neighbors.unit import blocks_to_unit, check_unit_vectors, to_unit
from artsim.metrics.spilling import take

__all__ = [
    "BUDGET_BYTES",
    "NO_ROW",
    "Mask",
    "Neighbors",
    "SearchOptions",
    "blocks_to_unit",
    "check_unit_vectors",
    "decode",
    "encode",
    "nearest",
    "nearest_among",
    "nearest_inner",
    "to_unit",
]

BUDGET_BYTES = 256 << 20  # for similarities and candidates; vectors and results come on top


class Neighbors(NamedTuple):
    """The nearest bank rows of each query, best first; equal scores in the order of the rows.

    Where a query has fewer than k neighbors, the rest are row -1 with score -inf.
    """

    scores: NDArray[np.float32]  # (Q, k) inner products
    rows: NDArray[np.int64]  # (Q, k) rows of the bank

    def first(self, k: int) -> Neighbors:
        """Keep the k nearest.

        Raises:
            EvaluationError: If k is not between 1 and the number of neighbors searched.
        """
        if not 1 <= k <= self.rows.shape[1]:
            raise EvaluationError(
                f"k must be between 1 and {self.rows.shape[1]}, the neighbors found; got {k}"
            )
        return Neighbors(self.scores[:, :k], self.rows[:, :k])


class SearchOptions(TypedDict, total=False):
    """Which rows a query may not find, and how a search computes."""

    # (Q,) one bank row for each query, or -1; `numpy.arange(N)` is leave-one-out
    exclude: Codes | None
    # (Q,) or (Q, G), and (N,) or (N, G), given together: a query never finds a row that shares a
    # group with it in any column; -1 is no group
    query_groups: Codes | None
    bank_groups: Codes | None
    # memory for similarities and candidates; a bfloat16 copy of the vectors comes on top
    budget_bytes: int
    device: str | torch.device  # of the products; float64 work stays on the CPU for mps


def nearest(queries: Array, bank: Array, k: int, **options: Unpack[SearchOptions]) -> Neighbors:
    """Find the k nearest bank rows of every query.

    Args:
        queries: Unit vectors, shape (Q, D).
        bank: Unit vectors to search, shape (N, D); may be ``queries`` itself.
        k: Neighbors wanted, at least 1; where it is more than N the rest are row -1.
        **options: See `SearchOptions`.

    Raises:
        EvaluationError: If k is below 1, shapes do not fit together, or a vector is not a
            finite unit vector.
    """
    check_unit_vectors(queries, "queries")
    if bank is not queries:
        check_unit_vectors(bank, "bank")
    return nearest_inner(queries, bank, k, **options)


def nearest_inner(
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
    """Find the k bank rows of largest inner product: `nearest` for vectors of any length."""
    if k < 1:
        raise EvaluationError(f"k must be at least 1, got {k}")
    if queries.shape[1] != bank.shape[1]:
        raise EvaluationError(
            f"queries have {queries.shape[1]} dimensions and the bank {bank.shape[1]}; "
            "both must come from one tap of one model"
        )
    mask = Mask(len(queries), len(bank), exclude, query_groups, bank_groups)
    search = Search(queries, bank, min(k, len(bank)), mask, budget_bytes, torch.device(device))
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    rows = np.full((len(queries), k), NO_ROW, dtype=np.int64)
    for block, keys in search.run():
        scores[block, : search.k], rows[block, : search.k] = decode(keys)
    return Neighbors(scores, rows)


def nearest_among(
    vectors: Array,
    queries: NDArray[np.int64],
    bank: NDArray[np.int64],
    k: int,
    *,
    groups: Codes | None = None,
    search: Callable[..., Neighbors] = nearest,
    **options: Unpack[SearchOptions],
) -> Neighbors:
    """Find the k nearest neighbors of some rows among others; no row finds itself.

    Args:
        vectors: Unit vectors, shape (N, D).
        queries: Rows, shape (Q,).
        bank: Rows to search, shape (B,).
        k: Neighbors wanted, or the whole bank where it is smaller.
        groups: Of the N rows, see `SearchOptions`.
        search: `nearest`, or a search that corrects for hubs.
        **options: See `SearchOptions`.

    Returns:
        Neighbors numbered as the N rows are.
    """
    place = np.full(len(vectors), NO_ROW, dtype=np.int64)
    place[bank] = np.arange(len(bank))
    bank_vectors = vectors if np.array_equal(bank, np.arange(len(vectors))) else take(vectors, bank)
    found = search(
        bank_vectors if np.array_equal(queries, bank) else take(vectors, queries),
        bank_vectors,
        min(k, len(bank)),
        exclude=place[queries],
        query_groups=None if groups is None else groups[queries],
        bank_groups=None if groups is None else groups[bank],
        **options,
    )
    return Neighbors(found.scores, np.where(found.rows == NO_ROW, NO_ROW, bank[found.rows]))
