"""How similar two random works of an index are, which says whether a score is high or low.

A cosine of 0.8 is high for one network and low for another. So each score is placed among those of
all pairs of works, or in a large index of 10 million: at the 99.5th percentile, one pair in 200 is
more similar. The works are put into random groups, and all of a group are compared with each other.
Each work is then in as many pairs as any other, so what is drawn differs from all pairs as little
as independent pairs do: at the 99th percentile by 0.01 at most in 99.8% of draws. For a single tap
the scores are kept as ``faiss/TAP.pairs.json``, with the fingerprint of the vectors: every score,
or of millions 20,000 at even ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim.errors import StoreError
from artsim.store import Store, sealed, unsealed, write_whole

SEED = 0
_PAIRS = 10_000_000  # at least, or all
_WORKS = 4_000_000  # at most
_KEPT = 20_000  # scores
_DIGITS = 5
_BINS = 2 * 10**_DIGITS + 1  # scores from -1 to 1, to so many digits
_BLOCK = 1 << 20  # numbers of several groups that are read at a time: 4 MB, which a cache holds
_NUMBERS = 1 << 25  # of works of one group: 128 MB
_SCORES = 1 << 22  # in memory at a time

Rows = NDArray[np.int64]
Vectors = Sequence[tuple[float, Any]]  # (n, T, D), or sparse (n, V), and their share of the score


@dataclass(frozen=True)
class Scores:
    """Scores of pairs, at even ranks."""

    values: NDArray[np.float64]  # (K,) sorted
    pairs: int  # they stand for

    @classmethod
    def at_even_ranks(cls, counts: NDArray[np.int64]) -> Scores:
        """Keep scores by how many pairs have each, from -1 to 1 to five digits, (_BINS,)."""
        ends = np.cumsum(counts)
        pairs = int(ends[-1])
        places = np.searchsorted(ends, _ranks(pairs)) - _BINS // 2
        return cls((places / 10**_DIGITS).round(_DIGITS), pairs)

    def percentile(self, score: float) -> float:
        """Return the percentage of pairs that are no more similar than a score."""
        ranks = _ranks(self.pairs)
        place = int(np.searchsorted(self.values, round(score, _DIGITS), side="right"))
        if place == len(ranks):
            return 100.0
        low = ranks[place - 1] if place else 0
        between = ranks[place] - 1 - low  # pairs that may be less similar or not
        if between:
            below = self.values[max(place - 1, 0)]
            low += between * (score - below) / (self.values[place] - below) if place else 0
        return 100 * float(low) / self.pairs


@dataclass(frozen=True)
class Groups:
    """Which works are compared: groups of equal size, all works of each with each other."""

    works: int
    count: int
    size: int
    tiles: int = 1  # of a work; each is compared with the most similar one of another work

    @classmethod
    def of(cls, works: int, tiles: int = 1) -> Groups:
        """Make as many groups as leave 10 million pairs; a single one of few works."""
        drawn = min(works, _WORKS)
        enough = _PAIRS * 2 // tiles if tiles == 1 else _PAIRS // tiles  # ordered pairs
        count = max(1, drawn // (1 + -(-enough // drawn)))
        return cls(works, count, drawn // count, tiles)

    @property
    def pairs(self) -> int:
        """Count the pairs that are compared."""
        ordered = self.count * self.size * (self.size - 1)
        return ordered // 2 if self.tiles == 1 else ordered * self.tiles

    def compare(self, read: Callable[[Rows], Vectors], numbers: int) -> Scores:
        """Compare the works of each group.

        Args:
            read: Returns the unit vectors of some works, of all that are compared.
            numbers: Of the vectors of one work.
        """
        drawn = np.arange(self.works)
        if self.count * self.size < self.works:
            drawn = np.random.default_rng(SEED).permutation(self.works)
        groups = drawn[: self.count * self.size].reshape(self.count, self.size)
        side = min(self.size, max(1, _NUMBERS // numbers), max(1, isqrt(_SCORES) // self.tiles))
        several = max(1, min(_BLOCK // (numbers * side), _SCORES // (side * self.tiles) ** 2))
        return count_scores(self._compared(groups, read, side, several))

    def _compared(
        self, groups: Rows, read: Callable[[Rows], Vectors], side: int, several: int
    ) -> Iterator[NDArray[np.floating]]:
        """Compare blocks of groups, (G, n), by ``side`` works of ``several`` groups at a time."""
        for at in range(0, self.count, several):
            for i in range(0, self.size, side):
                some = groups[at : at + several, i : i + side]
                vectors = read(some.ravel())
                for j in range(i, self.size, side):
                    others = groups[at : at + several, j : j + side]
                    yield _compare(
                        vectors, vectors if i == j else read(others.ravel()), len(some), i == j
                    )


def count_scores(blocks: Iterable[NDArray[np.floating]]) -> Scores:
    """Keep the scores of pairs, which come in blocks, at even ranks."""
    counts = np.zeros(_BINS, dtype=np.int64)
    for found in blocks:
        places = np.rint(found.astype(np.float64) * 10**_DIGITS).astype(np.int64)
        places = np.clip(places + _BINS // 2, 0, _BINS - 1)
        counts += np.bincount(places, minlength=_BINS)
    return Scores.at_even_ranks(counts)


def remembered(store: Store, tap: str, pairs: int, draw: Callable[[], Scores]) -> Scores:
    """Read the scores of a tap, or draw and keep them if the folder can be written."""
    file = store.path / "faiss" / f"{tap.replace('/', '-')}.pairs.json"
    drawn_from = {"fingerprint": store.fingerprint, "pairs": pairs, "seed": SEED}
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):  # missing or torn
        kept = unsealed(file.read_text(encoding="utf-8"))
        if drawn_from.items() <= kept.items() and len(kept["scores"]) == len(_ranks(pairs)):
            return Scores(np.array(kept["scores"], dtype=np.float64), pairs)
    scores = draw()
    data = sealed(drawn_from | {"scores": scores.values.tolist()})
    with suppress(StoreError):  # an index can be searched where it cannot be written
        write_whole(file, lambda stream: stream.write(data))
    return scores


@lru_cache(8)
def _ranks(pairs: int) -> Rows:
    """Return the ranks of the scores that are kept, from 1: the lowest, the highest and between."""
    if pairs <= _KEPT:
        return np.arange(1, pairs + 1)
    return np.linspace(1, pairs, _KEPT).round().astype(np.int64)


def _compare(first: Vectors, second: Vectors, groups: int, same: bool) -> NDArray[np.float32]:
    """Compare works of several groups with others of the same groups, or with themselves.

    Pairs of works without tiles are counted once, those of tiles from each of the two works.
    """
    parts = []
    tiles = 1
    for (share, one), (_, other) in zip(first, second, strict=True):
        if not isinstance(one, np.ndarray):  # sparse
            parts.append(np.float32(share) * _compare_sparse(one, other, groups))
            continue
        tiles, dim = one.shape[1:]
        a, b = (each.reshape(groups, -1, dim) for each in (one, other))  # (G, n * T, D)
        parts.append(share * (a @ b.swapaxes(1, 2)))
    scores: NDArray[np.float32] = np.sum(parts, axis=0) if len(parts) > 1 else parts[0]
    if tiles == 1:
        return scores[:, *np.triu_indices(scores.shape[1], 1)].ravel() if same else scores.ravel()
    each: NDArray[np.float32] = scores.reshape(groups, -1, tiles, scores.shape[2] // tiles, tiles)
    nearest: NDArray[np.float32] = each.max(axis=4)  # (G, a, T, b)
    if same:
        others = ~np.eye(nearest.shape[1], dtype=np.bool_)
        return nearest.swapaxes(2, 3)[:, others].ravel()
    return np.concatenate([nearest.ravel(), each.max(axis=2).ravel()])


def _compare_sparse(first: Any, second: Any, groups: int) -> NDArray[np.float32]:
    """Compare each group of sparse vectors, (G * n, V), with its group of others: (G, n, m)."""
    n, m = first.shape[0] // groups, second.shape[0] // groups
    return np.stack(
        [
            (first[g * n : (g + 1) * n] @ second[g * m : (g + 1) * m].T).toarray()
            for g in range(groups)
        ]
    )
