"""Which works share a value of a column, so that a search can limit how many of them it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_FEW = 4096  # rows whose values are read alone

Rows = NDArray[np.int64]


class ValueGroups:
    """Numbers the values of a column: equal values have one number, a missing one has -1.

    Those of a few rows are read when they are asked for, else those of all rows, block by block;
    8 bytes for each row are kept. A number is a hash of 63 bits. Lists are compared as sets, and an
    empty one is a missing value.

    Args:
        take: Returns the values of some rows.
        blocks: Yields those of all rows.
    """

    def __init__(
        self,
        take: Callable[[Rows], pa.ChunkedArray],
        blocks: Callable[[], Iterator[pa.ChunkedArray]],
    ) -> None:
        self._take, self._blocks = take, blocks
        self._all: Rows | None = None

    def of(self, rows: Rows) -> Rows:
        """Return the number of each of some rows, shape (n,)."""
        if self._all is None and len(rows) <= _FEW:
            return _numbers(self._take(rows))
        if self._all is None:
            self._all = np.concatenate([_numbers(block) for block in self._blocks()])
        return self._all[rows]


def _numbers(values: pa.ChunkedArray) -> Rows:
    if pa.types.is_list(values.type):
        lists = (list_ or () for list_ in values.to_pylist())
        return _hashes([frozenset(each) or None for each in lists])
    encoded = values.combine_chunks().dictionary_encode()
    places = np.asarray(pc.fill_null(encoded.indices, -1), dtype=np.int64)
    return np.append(_hashes(encoded.dictionary.to_pylist()), -1)[places]


def _hashes(values: list[object]) -> Rows:
    """Hash values as only this process does, never below 0; None is -1."""
    # Numbers as text: Python's hashes of -1 and -2 are the same.
    keys = (each if isinstance(each, frozenset) or each is None else str(each) for each in values)
    hashes = (-1 if key is None else hash(key) & 0x7FFF_FFFF_FFFF_FFFF for key in keys)
    return np.fromiter(hashes, np.int64, len(values))
