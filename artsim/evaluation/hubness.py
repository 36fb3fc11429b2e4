"""Hubs: rows that are a neighbour of far too many others, and a search that corrects for them."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.evaluation.neighbours import BUDGET_BYTES, NO_ROW, Neighbours, nearest, nearest_inner

__all__ = ["csls", "k_occurrence", "k_occurrence_skew"]

Array = NDArray[np.floating]
Codes = NDArray[np.integer]


def k_occurrence(neighbours: Neighbours, n_bank: int) -> NDArray[np.int64]:
    """Count how many queries have each bank row among their k neighbours, shape (n_bank,)."""
    rows = neighbours.rows[neighbours.rows != NO_ROW]
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
    queries: Array,
    bank: Array,
    k: int,
    *,
    hood: int = 10,
    exclude: Codes | None = None,
    budget_bytes: int = BUDGET_BYTES,
    device: str | torch.device = "cpu",
) -> Neighbours:
    """Find the k best bank rows by cross-domain similarity local scaling, exactly.

    The score of query q and row b is 2 q.b - r(q) - r(b), with r the mean similarity to the
    ``hood`` nearest other bank rows (Lample et al. 2018, https://arxiv.org/abs/1710.04087): a row
    that is near to everything loses what it is near by. Queries are not used for r(b), so that no
    query's answer depends on another's.

    Args:
        queries: Unit vectors, shape (Q, D).
        bank: Unit vectors, shape (N, D), two or more.
        k: Neighbours wanted.
        hood: Neighbours that r averages.
        exclude: See `nearest`, as the rest.
        budget_bytes: See there.
        device: See there.
    """
    if len(bank) < 2:
        raise EvaluationError("csls needs two bank rows or more")
    itself = np.arange(len(bank))
    width = min(hood, len(bank) - 1)
    near = nearest(bank, bank, width, exclude=itself, budget_bytes=budget_bytes, device=device)
    near_bank = near.scores.mean(axis=1)  # (N,)
    near = nearest(queries, bank, width, exclude=exclude, budget_bytes=budget_bytes, device=device)
    near_query = near.scores.mean(axis=1)  # (Q,)
    # q.b - r(b) / 2 is itself an inner product, of vectors that are one longer
    ones = np.ones((len(queries), 1), dtype=np.float32)
    longer = np.concatenate([queries.astype(np.float32), ones], axis=1)
    bank_longer = np.concatenate([bank.astype(np.float32), -near_bank[:, None] / 2], axis=1)
    found = nearest_inner(
        longer, bank_longer, k, exclude=exclude, budget_bytes=budget_bytes, device=device
    )
    return Neighbours(2 * found.scores - near_query[:, None], found.rows)
