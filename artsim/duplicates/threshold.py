"""The cosine from which two works are the same, by random pairs and nearest neighbors."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.duplicates.evidence import DuplicateEvidence, Rows
from artsim.metrics.neighbors import NO_ROW, nearest_inner
from artsim.splits import WITHIN

PAIRS, DRAWN = 20_000, 4_096  # random pairs and works, of seed 0
_NEAREST_SPREADS, _RANDOM_SPREADS, _CONFIRMING_SPREADS = 4.0, 6.0, 2.0
_NEIGHBORS = 16  # of a work, to find one that is no copy
_FEWEST = 20  # works; no threshold is estimated from fewer
_LEAST_SPREAD = 0.05  # of ln(1 - cosine)
_LEAST_DISTANCE = 1e-6  # the rounding of a float32 cosine


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The cosines from which two works are the same, and the medians behind them."""

    same_work: float
    confirming: float  # if their hashes are a few bits apart
    nearest: float | None = None  # median cosine of a work and its nearest
    random: float | None = None  # median cosine of random pairs


def draw_threshold(evidence: DuplicateEvidence, *, device: str = "cpu") -> Threshold | None:
    """Estimate the thresholds by comparing vectors on a device; None for too few works."""
    bank, usable = evidence.comparable()
    if len(bank) < _FEWEST:
        return None
    rng = np.random.default_rng(0)
    nearest = _ordinary_nearest(evidence, bank, usable, rng, device)
    random = _random_scores(bank, rng)
    if len(nearest) < _FEWEST:
        return None
    nearest_at, nearest_spread = _median_and_spread(nearest)
    random_at, random_spread = _median_and_spread(random)
    confirming = nearest_at - _CONFIRMING_SPREADS * nearest_spread
    same = min(
        nearest_at - _NEAREST_SPREADS * nearest_spread,
        random_at - _RANDOM_SPREADS * random_spread,
    )
    return Threshold(
        same_work=float(1 - np.exp(same)),
        confirming=float(1 - np.exp(confirming)),
        nearest=float(1 - np.exp(nearest_at)),
        random=float(1 - np.exp(random_at)),
    )


def _ordinary_nearest(
    evidence: DuplicateEvidence,
    bank: NDArray[np.float32],
    usable: Rows,
    rng: np.random.Generator,
    device: str,
) -> NDArray[np.float32]:
    """Return the scores of some works with their nearest that is no copy by file or hash."""
    drawn = np.sort(rng.permutation(len(bank))[:DRAWN])
    scores, rows = nearest_inner(bank[drawn], bank, _NEIGHBORS, exclude=drawn, device=device)
    best = []
    for row, own, places in zip(usable[drawn], scores, rows, strict=True):
        ordinary = (
            score
            for score, place in zip(own, places, strict=True)
            if place != NO_ROW and not _is_copy(evidence, int(row), int(usable[place]))
        )
        best += list(itertools.islice(ordinary, 1))
    return np.array(best, dtype=np.float32)


def _is_copy(evidence: DuplicateEvidence, a: int, b: int) -> bool:
    """Return whether two works are copies by file or hash."""
    bits = evidence.bits(a, b)
    return evidence.same_file(a, b) or (bits is not None and bits <= WITHIN)


def _random_scores(bank: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    first = rng.integers(len(bank), size=PAIRS)
    second = (first + rng.integers(1, len(bank), size=PAIRS)) % len(bank)
    parts = (slice(at, at + DRAWN) for at in range(0, PAIRS, DRAWN))
    return np.concatenate([np.vecdot(bank[first[part]], bank[second[part]]) for part in parts])


def _median_and_spread(scores: NDArray[np.float32]) -> tuple[float, float]:
    """Return the median and the spread of ln(1 - cosine)."""
    distances = np.log(np.maximum(1 - scores.astype(np.float64), _LEAST_DISTANCE))
    median = float(np.median(distances))
    spread = 1.4826 * float(np.median(np.abs(distances - median)))
    return median, max(spread, _LEAST_SPREAD)
