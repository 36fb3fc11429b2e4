"""The exact nearest neighbors of unit vectors by inner product, within a stated memory.

A coarse matrix product (bfloat16 where the processor has it) names more candidates than are
wanted, float64 inner products put them in order, and a bound on the coarse product's error
proves that no row left out belongs among them. The few queries for which it proves nothing are
searched again wholly in float64. So the answer does not depend on blocks, device or BLAS: it is
the order of the true inner products, rounded to float32.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.metrics.neighbors.keys import NO_ROW, decode, encode
from artsim.metrics.neighbors.masks import Codes, Mask
from artsim.metrics.neighbors.search import Array, Search
from artsim.metrics.neighbors.unit import check_unit_vectors

__all__ = [
    "BUDGET_BYTES",
    "NO_ROW",
    "Mask",
    "Neighbors",
    "check_unit_vectors",
    "decode",
    "encode",
    "nearest",
    "nearest_inner",
]

BUDGET_BYTES = 256 << 20  # for similarities and candidates; vectors and results come on top


class Neighbors(NamedTuple):
    """The nearest bank rows of each query, best first; equal scores in the order of the rows.

    Where fewer than k rows may be neighbors the rest are row -1 with score -inf.
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


def nearest(
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
    """Find the k nearest bank rows of every query.

    Args:
        queries: Unit vectors, shape (Q, D).
        bank: Unit vectors to search, shape (N, D); may be ``queries`` itself.
        k: Neighbors wanted, at least 1; where it is more than N the rest are row -1.
        exclude: For each query the bank row that it may not find, or -1, shape (Q,);
            ``numpy.arange(N)`` is leave-one-out.
        query_groups: Group of each query, shape (Q,), or several, shape (Q, G). Rows of the same
            group in any column are never neighbors; -1 is no group and masks nothing.
        bank_groups: Group of each bank row, shape (N,) or (N, G); given together with
            ``query_groups``.
        budget_bytes: Memory for similarities and candidates. Vectors, a bfloat16 copy of them
            and the result come on top; one query by 1,024 rows is the least that is computed.
        device: Where the products are computed. Float64 work stays on the CPU for ``mps``.

    Raises:
        EvaluationError: If k is below 1, shapes do not fit together, or a vector is not a
            finite unit vector.
    """
    check_unit_vectors(queries, "queries")
    if bank is not queries:
        check_unit_vectors(bank, "bank")
    return nearest_inner(
        queries,
        bank,
        k,
        exclude=exclude,
        query_groups=query_groups,
        bank_groups=bank_groups,
        budget_bytes=budget_bytes,
        device=device,
    )


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
