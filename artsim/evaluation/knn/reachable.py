"""Pictures whose class none of their possible neighbors has: no vote can be right."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

_Rows = NDArray[np.int64]


def count_unreachable(
    codes: NDArray[np.int64], bank: _Rows, queries: _Rows, groups: NDArray[np.int64] | None
) -> int:
    """Count the queries whose class no possible neighbor has, by the code of each row, (N,).

    A row of a query's class is no possible neighbor if it shares a group in any column, or is the
    query itself. These rows are counted by inclusion and exclusion over the columns.
    """
    itself = np.arange(len(codes))
    columns = [itself]  # a row is alone in a group of its own
    for column in () if groups is None else groups.reshape(len(codes), -1).T:
        # a row without a group is alone in this column too
        columns.append(np.where(column < 0, -1 - itself, column))
    masked = np.zeros(len(queries), dtype=np.int64)
    for size in range(1, len(columns) + 1):
        for some in itertools.combinations(columns, size):
            shared = codes
            for column in some:  # the class and these groups as one number
                shared = np.unique(np.stack([shared, column]), axis=1, return_inverse=True)[1]
            counts = np.bincount(shared[bank], minlength=len(codes))
            masked += (-1) ** (size + 1) * counts[shared[queries]]
    known = np.bincount(codes[bank], minlength=codes.max() + 1)[codes[queries]]
    return int((known == masked).sum())
