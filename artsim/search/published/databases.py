"""What publishing needs of a vector database: tables of vectors by a whole number, and a note."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]  # of vectors in a table; see `artsim.search.published.places`
Floats = NDArray[np.float32]


class VectorTable(Protocol):
    """Unit vectors by place."""

    @property
    def exact(self) -> bool:
        """Whether a search can compare every vector."""

    @property
    def approximate(self) -> bool:
        """Whether a search compares fewer, unless it is to be exact."""

    def search(self, queries: Floats, depth: int, *, exact: bool) -> list[tuple[Places, Floats]]:
        """Find the ``depth`` nearest of each query, in any order, with their vectors."""

    def take(self, places: Places) -> tuple[Places, Floats]:
        """Read the vectors of some places, in any order; those that are not there are left out."""

    def count(self, first: int, last: int) -> int:
        """Count the vectors of places from ``first`` to before ``last``."""

    def add(self, blocks: Iterable[tuple[Places, Floats]]) -> None:
        """Add vectors."""

    def delete(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Delete the vectors of ranges of places, each from the first to before the last."""

    def finish(self) -> None:
        """Make what was added and deleted searchable."""


class Database(Protocol):
    """Where an index is published. Errors of the database itself are `SearchError`."""

    depth: int  # vectors that one search returns, at most

    def read_note(self) -> str | None:
        """Return the text that was written last; None if there is none."""

    def write_note(self, text: str) -> None:
        """Replace the note."""

    def open_table(self, name: str) -> VectorTable:
        """Open a table."""

    def make_table(self, name: str, dim: int) -> VectorTable:
        """Open a table, or make it if it does not exist."""

    def drop(self, names: Iterable[str]) -> None:
        """Remove the note, and the tables of some names, where there are any."""
