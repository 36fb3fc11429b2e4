"""The rows that a query may not find: itself, and those of its groups."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artsim.errors import EvaluationError

Codes = NDArray[np.integer]


class Mask:
    """The bank rows that each query may not find; see `SearchOptions` for the codes."""

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
        self.exclude = _columns(exclude, "exclude", n_queries)
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
        for exclude in self.exclude:
            columns = exclude[queries] - start  # (q,)
            inside = ((columns >= 0) & (columns < similarity.shape[1])).nonzero()[:, 0]
            similarity[inside.to(device), columns[inside].to(device)] = -math.inf
        for query_groups, bank_groups in zip(self.query_groups, self.bank_groups, strict=True):
            mine = query_groups[queries].to(device)[:, None]  # (q, 1)
            mine = mine.masked_fill(mine < 0, -2)  # no group equals no group of the bank
            theirs = bank_groups[start : start + similarity.shape[1]].to(device)  # (n,)
            similarity.masked_fill_(mine == theirs, -math.inf)


def _columns(codes: Codes | None, name: str, n: int) -> list[Tensor]:
    """Split codes, (n,) or (n, G), into columns; none if there are no codes."""
    if codes is None:
        return []
    columns = codes.T if codes.ndim == 2 else codes[None]
    if columns.shape[1:] != (n,):
        raise EvaluationError(
            f"{name} must have one code a vector, {n}, got shape {columns.shape[1:]}"
        )
    return [torch.from_numpy(column.astype(np.int64)) for column in columns]
