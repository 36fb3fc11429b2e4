"""Choose the kind of search index: exact if that is fast enough, then codes, then cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from artsim.index.note import FLAT, Goals, IndexKind

_NUMBERS_PER_S = 3e9  # float32 that exact search compares: one core reads 12 GB/s
_PIECES = (32, 64, 128, 256)  # of a vector, four bits each
_SCANNED_ROWS = 500_000  # more are sorted into cells: 1M took 6.5 ms, in cells 2 ms


@dataclass(frozen=True)
class Shape:
    """A kind of search index and its sizes."""

    pieces: int = 0  # of a vector; 0: no codes, exact search
    cells: int = 0  # of rows; 0: every code is compared

    @property
    def name(self) -> str:
        """Its name in faiss."""
        if not self.pieces:
            return FLAT
        return (f"IVF{self.cells}," if self.cells else "") + f"PQ{self.pieces}x4fs"

    def like(self, shapes: Sequence[Shape]) -> bool:
        """Return whether one of some shapes has the same codes, with any number of cells."""
        return (self.pieces, self.cells > 0) in [(s.pieces, s.cells > 0) for s in shapes]

    def memory(self, rows: int, dim: int) -> int:
        """Return the bytes to be scanned."""
        number = 8 if self.cells else 0  # of the row, next to its code
        return rows * (math.ceil(self.pieces / 2) + number if self.pieces else 4 * dim)


def choose_shapes(rows: int, dim: int, goals: Goals) -> tuple[list[Shape], str]:
    """Choose the kinds to try, fastest first, and why; the smallest if none fits in memory."""
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
    cells = 2 ** round(math.log2(math.sqrt(rows)))
    by_scan, by_cell = (_by_memory(count, rows, dim, goals) for count in (0, cells))
    if goals.kind is IndexKind.PQ:
        return by_scan, why
    if goals.kind is IndexKind.IVF or rows > _SCANNED_ROWS:
        return by_cell, why
    return [*by_scan, by_cell[-1]], why


def _by_memory(cells: int, rows: int, dim: int, goals: Goals) -> list[Shape]:
    """Return the two shapes with the longest codes that fit."""
    distinct = list(dict.fromkeys(Shape(min(pieces, dim), cells) for pieces in _PIECES))
    budget = math.inf if goals.memory is None else goals.memory
    return [s for s in distinct if s.memory(rows, dim) <= budget][-2:] or distinct[:1]
