"""The best rows by score, ties by row, with no more of a group than allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray


def best(scores: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Return the places of the n highest scores, highest first; of equal ones the first."""
    places = np.arange(len(scores))
    if n < len(scores):
        least = np.partition(scores, len(scores) - n)[len(scores) - n]
        places = np.flatnonzero(scores >= least)  # more than n where several are the least
    return places[np.lexsort((places, -scores[places]))][:n]


def pick(
    rows: NDArray[np.int64],
    k: int,
    *,
    left_out: Collection[int],
    caps: Sequence[tuple[NDArray[np.int64], int]],
) -> list[int]:
    """Take up to k rows, best first, and return their places in ``rows``.

    Args:
        rows: Best first.
        k: How many at most.
        left_out: Rows that are not taken.
        caps: The group of every row of the index, and how many may be taken from one group; -1
            stands for no group.
    """
    taken: list[int] = []
    counts = [Counter[int]() for _ in caps]
    for place, row in enumerate(rows.tolist()):
        if row in left_out:
            continue
        groups = [int(codes[row]) for codes, _ in caps]
        if any(
            group >= 0 and count[group] >= most
            for group, count, (_, most) in zip(groups, counts, caps, strict=True)
        ):
            continue
        for group, count in zip(groups, counts, strict=True):
            count[group] += 1
        taken.append(place)
        if len(taken) == k:
            break
    return taken
