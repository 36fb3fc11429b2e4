"""What a reader saw of a catalog's pictures on the disk, so that a plan need not ask again."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_Numbers = NDArray[np.int64]


class Statuses:
    """The sizes and times of pictures, batch by batch.

    They are given once, so that a second run with the same catalog looks at the files again.
    """

    def __init__(self) -> None:
        self._batches: deque[tuple[int, _Numbers, _Numbers]] = deque()

    def add(self, images: Sequence[str | None], sizes: _Numbers, times: _Numbers) -> None:
        """Keep the bytes and the nanoseconds of each picture of a batch, -1 where unknown."""
        self._batches.append((hash(tuple(images)), sizes, times))

    def take(self, images: Sequence[str | None]) -> tuple[_Numbers, _Numbers] | None:
        """Return the next batch's sizes and times; None if those are of other pictures."""
        if not self._batches or self._batches[0][0] != hash(tuple(images)):
            self._batches.clear()
            return None
        _, sizes, times = self._batches.popleft()
        return sizes, times
