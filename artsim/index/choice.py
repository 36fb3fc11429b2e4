"""Which kind of search index: exact as long as that is fast enough, then codes, then cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from artsim.index.note import FLAT, Goals, IndexKind

_NUMBERS_PER_S = 3e9  # float32 that exact search compares, 12 GB/s: what one core reads
_PIECES = (32, 64, 128, 256)  # that a vector is cut into, four bits each
_SCANNED_ROWS = 500_000  # beyond, codes are sorted into cells: 1M took 6.5 ms, in cells 2 ms


@dataclass(frozen=True)
class Shape:
    """A kind of search index and its sizes."""

    pieces: int = 0  # that a vector is cut into; 0: no codes, exact search
    cells: int = 0  # that rows are sorted into; 0: every code is compared

    @property
    def name(self) -> str:
        """Write it as faiss does."""
        if not self.pieces:
            return FLAT
        return (f"IVF{self.cells}," if self.cells else "") + f"PQ{self.pieces}x4fs"

    def like(self, shapes: Sequence[Shape]) -> bool:
        """Return whether one of some shapes has such codes, whatever its number of cells."""
        return (self.pieces, self.cells > 0) in [(s.pieces, s.cells > 0) for s in shapes]

    def memory(self, rows: int, dim: int) -> int:
        """Return the bytes that are held to be scanned."""
        number = 8 if self.cells else 0  # of the row, beside its code
        return rows * (math.ceil(self.pieces / 2) + number if self.pieces else 4 * dim)


def choose_shapes(rows: int, dim: int, goals: Goals) -> tuple[list[Shape], str]:
    """Choose the kinds to try, from the fastest to search, and why.

    Where none fits in the memory it is the smallest.
    """
    exact = Shape()
    need, seconds = exact.memory(rows, dim), rows * dim / _NUMBERS_PER_S
    if goals.kind is IndexKind.FLAT:
        return [exact], "requested"
    if goals.kind is IndexKind.AUTO and goals.recall == 1:
        return [exact], "only exact search is certain to find all"
    if goals.kind is not IndexKind.AUTO:
        why = "requested"
    elif goals.memory is not None and need > goals.memory:
        why = f"exact search would hold {need / 1e9:.2g} GB"
    elif seconds > goals.latency:
        why = f"exact search would take about {1000 * seconds:.0f} ms a query"
    else:
        return [exact], "exact search is fast enough"
    by_scan = _by_memory([Shape(min(pieces, dim)) for pieces in _PIECES], rows, dim, goals)
    cells = 2 ** round(math.log2(math.sqrt(rows)))
    by_cell = [Shape(min(pieces, dim), cells) for pieces in _PIECES]
    by_cell = _by_memory(by_cell, rows, dim, goals)
    if goals.kind is IndexKind.PQ:
        return by_scan, why
    if goals.kind is IndexKind.IVF or rows > _SCANNED_ROWS:
        return by_cell, why
    return [*by_scan, by_cell[-1]], why


def _by_memory(shapes: list[Shape], rows: int, dim: int, goals: Goals) -> list[Shape]:
    """Keep the two with the longest codes that fit."""
    distinct = list(dict.fromkeys(shapes))
    budget = math.inf if goals.memory is None else goals.memory
    return [s for s in distinct if s.memory(rows, dim) <= budget][-2:] or distinct[:1]
