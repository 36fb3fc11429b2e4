"""The place of each vector in a published table: the number of its part, and its row in that.

Parts of an index never change: an index that was embedded again has others, which get new numbers.
So publishing again adds and deletes whole parts and leaves the places of all others as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from artsim.search.published.databases import Places
from artsim.store import Part

_BITS = 32  # of a place, for the row


def span(number: int) -> tuple[int, int]:
    """Return the first place of a part, and the one after the last."""
    return number << _BITS, (number + 1) << _BITS


def places_of_part(number: int, start: int, stop: int) -> Places:
    """Return the places of some rows of a part."""
    return np.arange(start, stop, dtype=np.int64) + (number << _BITS)


class PlaceMap:
    """Turns rows of an index into places and back.

    Args:
        parts: Of the index.
        numbers: The number of each part, by its sha256.
        each: Vectors of a row: its tiles, or 1.
    """

    def __init__(self, parts: Sequence[Part], numbers: Mapping[str, int], each: int = 1) -> None:
        self._each = each
        self._rows = np.array([part.rows for part in parts], dtype=np.int64)
        self._starts = np.cumsum([0, *self._rows.tolist()])[:-1].astype(np.int64)
        self._numbers = np.array([numbers[part.sha256] for part in parts], dtype=np.int64)
        self._order = np.argsort(self._numbers)

    def places(self, rows: NDArray[np.int64]) -> Places:
        """Return the places of some rows, (n,), or of all tiles of theirs, (n * T,)."""
        part = np.searchsorted(self._starts, rows, side="right") - 1
        first = (self._numbers[part] << _BITS) + (rows - self._starts[part]) * self._each
        return (first[:, None] + np.arange(self._each)).ravel()

    def rows(self, places: Places) -> NDArray[np.int64]:
        """Return the rows of some places; -1 for those that are not of the index."""
        numbers, inside = places >> _BITS, (places & ((1 << _BITS) - 1)) // self._each
        ranks = np.searchsorted(self._numbers, numbers, sorter=self._order)
        part = self._order[np.minimum(ranks, len(self._order) - 1)]
        known = (self._numbers[part] == numbers) & (inside < self._rows[part])
        return np.where(known, self._starts[part] + inside, -1)
