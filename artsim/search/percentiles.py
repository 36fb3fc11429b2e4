"""How similar two random works of an index are, which says whether a score is high or low.

A cosine of 0.8 is high for one network and low for another. So each score is placed among those of
all pairs of works, in a large index of 200,000 random ones: at the 99.5th percentile, one pair in
200 is more similar. For a single tap they are kept as ``faiss/TAP.pairs.json``, with the
fingerprint of the vectors: every score, or of millions 20,000 at even ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.errors import StoreError
from artsim.store import Store, sealed, unsealed, write_whole

SEED = 0
_WHOLE = 4096  # works of which all pairs are compared, 8 million: less than a second
_WHOLE_NUMBERS = 1 << 24  # of their vectors, at most
_MOST, _FEWEST = 200_000, 20_000  # random pairs of more works
_NUMBERS = 1 << 28  # of their vectors; fewer pairs of long vectors are compared
_KEPT = 20_000  # scores
_DIGITS = 5
_BLOCK = 512  # works compared with all at a time

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """Scores of pairs, at even ranks."""

    values: NDArray[np.float64]  # (K,) sorted
    pairs: int  # they stand for

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


def are_few(works: int, numbers: int) -> bool:
    """Return whether all pairs of works, of so many numbers each, are to be compared."""
    return works <= _WHOLE and works * numbers <= _WHOLE_NUMBERS


def count_random(numbers: int) -> int:
    """Return how many random pairs of works, of so many numbers each, are to be compared."""
    return min(_MOST, max(_FEWEST, _NUMBERS // numbers))


def evenly(scores: NDArray[np.float32]) -> Scores:
    """Keep scores at even ranks, to five digits."""
    values = np.sort(scores)[_ranks(len(scores)) - 1].astype(np.float64)
    return Scores(values.round(_DIGITS), len(scores))


def all_pairs(parts: Sequence[tuple[float, NDArray[np.float32]]]) -> NDArray[np.float32]:
    """Compare all works with each other, by unit vectors, (N, D), and their share of the score."""
    count = len(parts[0][1])
    found = []
    for start in range(0, count, _BLOCK):
        several = [
            share * (vectors[start : start + _BLOCK] @ vectors[start:].T)
            for share, vectors in parts
        ]
        scores = np.sum(several, axis=0)
        found.append(scores[np.triu_indices(len(scores), 1, scores.shape[1])])
    return np.concatenate(found)


def random_pairs(n: int, count: int) -> tuple[Rows, Rows]:
    """Draw pairs of two different numbers below n, which is 2 or more; the same ones each time."""
    rng = np.random.default_rng(SEED)
    first = rng.integers(n, size=count)
    return first, (first + rng.integers(1, n, size=count)) % n


def remembered(
    store: Store, tap: str, pairs: int, draw: Callable[[], NDArray[np.float32]]
) -> Scores:
    """Read the scores of a tap, or draw and keep them if the folder can be written."""
    file = store.path / "faiss" / f"{tap.replace('/', '-')}.pairs.json"
    drawn_from = {"fingerprint": store.fingerprint, "pairs": pairs, "seed": SEED}
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):  # missing or torn
        kept = unsealed(file.read_text(encoding="utf-8"))
        if drawn_from.items() <= kept.items() and len(kept["scores"]) == len(_ranks(pairs)):
            return Scores(np.array(kept["scores"], dtype=np.float64), pairs)
    scores = evenly(draw())
    data = sealed(drawn_from | {"scores": scores.values.tolist()})
    with suppress(StoreError):  # an index can be searched where it cannot be written
        write_whole(file, lambda stream: stream.write(data))
    return scores


def _ranks(pairs: int) -> Rows:
    """Return the ranks of the scores that are kept, from 1: the lowest, the highest and between."""
    if pairs <= _KEPT:
        return np.arange(1, pairs + 1)
    return np.linspace(1, pairs, _KEPT).round().astype(np.int64)
