"""How similar two random works of an index are, which says whether a score is high or low.

A cosine of 0.8 is high for one network and low for another. So each score is placed among the
scores of 20,000 random pairs: at the 99.5th percentile, one random pair in 200 is more similar. For
a single tap they are kept as ``faiss/TAP.pairs.json``, with the fingerprint of the vectors.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from artsim.errors import StoreError
from artsim.store import Store, write_whole

PAIRS = 20_000
SEED = 0
_KEPT = 2_000  # of the sorted scores, evenly spaced
_DIGITS = 5

Rows = NDArray[np.int64]
Scores = NDArray[np.float64]  # of random pairs, sorted


def rounded(scores: NDArray[np.float32]) -> Scores:
    """Return the scores of random pairs sorted, to five digits."""
    return np.sort(scores.astype(np.float64).round(_DIGITS))


def percentile(pairs: Scores, score: float) -> float:
    """Return the percentage of random pairs that are no more similar than a score."""
    lower = np.searchsorted(pairs, round(score, _DIGITS), side="right")
    return 100 * int(lower) / len(pairs)


def random_pairs(n: int) -> tuple[Rows, Rows]:
    """Draw pairs of two different numbers below n, which is 2 or more; the same ones each time."""
    rng = np.random.default_rng(SEED)
    first = rng.integers(n, size=PAIRS)
    return first, (first + rng.integers(1, n, size=PAIRS)) % n


def remembered(store: Store, tap: str, draw: Callable[[], NDArray[np.float32]]) -> Scores:
    """Read the random pairs of a tap, or draw them and keep them if the folder can be written."""
    file = store.path / "faiss" / f"{tap.replace('/', '-')}.pairs.json"
    drawn_from = {"fingerprint": store.fingerprint, "pairs": PAIRS, "seed": SEED}
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):  # missing or torn
        kept = json.loads(file.read_text(encoding="utf-8"))
        if drawn_from.items() <= kept.items() and len(kept["scores"]) == _KEPT:
            return np.array(kept["scores"], dtype=np.float64)
    pairs = rounded(np.sort(draw())[PAIRS // _KEPT - 1 :: PAIRS // _KEPT])
    text = json.dumps(drawn_from | {"scores": pairs.tolist()})
    with suppress(StoreError):  # an index can be searched where it cannot be written
        write_whole(file, lambda stream: stream.write(text.encode()))
    return pairs
