"""Vectors as they are read from a file: batches with their ids and faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artsim.errors import ReaderError

BATCH_BYTES = 32 << 20  # of the vectors read at a time


@dataclass(frozen=True)
class VectorBatch:
    """Some rows of a file of vectors."""

    ids: list[str | None]  # (B,)
    vectors: NDArray[np.float32]  # (B, D); the values of a faulty row mean nothing
    faults: Mapping[int, str]  # rows of the batch that are no vector, and why


@dataclass(frozen=True)
class VectorFile:
    """A file of vectors, opened; ``batches()`` starts reading again at every call."""

    path: Path
    name: str  # of the column, or what the numbered columns have in common
    dim: int  # numbers a vector: what most of the first rows have
    batches: Callable[[], Iterator[VectorBatch]]


def checked(
    ids: list[str | None], numbers: NDArray[np.float64], faults: dict[int, str]
) -> VectorBatch:
    """Add the faults that numbers can have."""
    with np.errstate(over="ignore"):
        vectors = numbers.astype(np.float32)  # (B, D)
    finite = np.isfinite(vectors)
    for row in np.flatnonzero(~finite.all(axis=1)):
        place = int(np.argmin(finite[row]))
        faults.setdefault(int(row), f"number {place + 1} is {numbers[row, place]:g}")
    for row in np.flatnonzero(~vectors.any(axis=1)):
        faults.setdefault(int(row), "every number is 0, so the vector has no direction")
    return VectorBatch(ids, vectors, faults)


def unreadable(path: Path, error: Exception) -> ReaderError:
    """Make the error of a file that cannot be read."""
    return ReaderError(f"{path} cannot be read: {str(error).splitlines()[0]}")
