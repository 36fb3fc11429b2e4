"""Which rows a query may not find: its own, and those of its groups."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artsim.errors import EvaluationError

Codes = NDArray[np.integer]


class Mask:
    """Which bank rows a query may not find."""

    def __init__(
        self,
        n_queries: int,
        n_bank: int,
        exclude: Codes | None,
        query_groups: Codes | None,
        bank_groups: Codes | None,
    ) -> None:
        if (query_groups is None) != (bank_groups is None):
            raise EvaluationError("query_groups and bank_groups must be given together")
        self.exclude = None if exclude is None else _codes(exclude, "exclude", n_queries)
        self.query_groups = _columns(query_groups, "query_groups", n_queries)
        self.bank_groups = _columns(bank_groups, "bank_groups", n_bank)
        if len(self.query_groups) != len(self.bank_groups):
            raise EvaluationError(
                f"query_groups have {len(self.query_groups)} codes a vector and bank_groups "
                f"{len(self.bank_groups)}; both must be of the same groups"
            )

    def apply(self, similarity: Tensor, queries: Tensor, start: int) -> None:
        """Set what is masked to -inf, in place.

        Args:
            similarity: Of these queries and the bank rows from ``start``, shape (q, n).
            queries: Which queries they are, shape (q,).
            start: First bank row of the block.
        """
        device = similarity.device
        if self.exclude is not None:
            columns = self.exclude[queries] - start  # (q,)
            inside = ((columns >= 0) & (columns < similarity.shape[1])).nonzero()[:, 0]
            similarity[inside.to(device), columns[inside].to(device)] = -math.inf
        for query_groups, bank_groups in zip(self.query_groups, self.bank_groups, strict=True):
            mine = query_groups[queries].to(device)[:, None]  # (q, 1)
            mine = mine.masked_fill(mine < 0, -2)  # no group equals no group of the bank
            theirs = bank_groups[start : start + similarity.shape[1]].to(device)  # (n,)
            similarity.masked_fill_(mine == theirs, -math.inf)


def _codes(codes: Codes, name: str, n: int) -> Tensor:
    if codes.shape != (n,):
        raise EvaluationError(f"{name} must have one code a vector, {n}, got shape {codes.shape}")
    return torch.from_numpy(codes.astype(np.int64))


def _columns(groups: Codes | None, name: str, n: int) -> list[Tensor]:
    """Take the columns of group codes, (n,) or (n, G), apart."""
    if groups is None:
        return []
    columns = groups.T if groups.ndim == 2 else groups[None]
    return [_codes(column, name, n) for column in columns]
