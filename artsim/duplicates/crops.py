"""Cropped copies: a picture shows most of another, up to 15% cut off at each edge.

Vectors and small grays propose pairs: of each work and its nearest, the grays of one, without a
margin, must resemble those of the other. The pictures decide: they are read, and the margins are
searched for at which the edges of the inside of one are those of the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from artsim.datatypes import Progress, no_progress
from artsim.duplicates.evidence import DuplicateEvidence, Rows
from artsim.images import COPY_EDGES, GRAY_SIDE, Grays, edges_of
from artsim.metrics.neighbors import NO_ROW

_NEAREST = 4  # compared with each work; of 750 cropped pictures the original is among two
_LIKELY = 0.55  # cosine of the edges of small grays; of one in a hundred crops it is less
# Cosine of the edges of 24 x 24 grays, at least. Chosen on copies of 900 pictures with 5% cropped
# at each edge: one in 80 has less. Of pictures that are no crops of each other, those of one series
# of objects have more.
_CERTAIN = 0.95
_SIDE = 24  # grays that are compared
_STEP = 1 / 160  # of a side
_MOST = 24  # steps that a margin can have
_TRIED = (0, 6, 12, 18)  # steps, before the four margins are moved one by one
_LOOKED = (  # steps cut off the small grays at two opposite edges
    *((0, 0), (6, 6), (12, 12), (18, 18), (24, 24)),
    *((0, 12), (12, 0), (6, 18), (18, 6)),
)
_KEPT = 1024  # pictures in memory, of 37 kB

Margins = tuple[int, int, int, int]  # steps cut off: top, bottom, left, right
Floats = NDArray[np.float64]


def cropped(
    evidence: DuplicateEvidence,
    *,
    across: bool,
    device: str = "cpu",
    progress: Progress = no_progress,
) -> Iterator[tuple[int, int, str]]:
    """Yield pairs of which one is a crop of the other, and which: what makes the second."""
    read = lru_cache(_KEPT)(evidence.read_gray or (lambda row: None))
    pairs = _likely(evidence, across, device)
    # Threads that share so small products wait for each other: they take four times as long.
    with threadpool_limits(1, user_api="blas"):
        for done, (a, b) in enumerate(pairs, 1):
            one, other = read(a), read(b)
            if one is not None and other is not None:
                smaller, larger = _inside(one, other), _inside(other, one)
                if max(smaller, larger) >= _CERTAIN:
                    yield a, b, "cropped" if smaller >= larger else "uncropped"
            progress(done, len(pairs), 0)


def _likely(evidence: DuplicateEvidence, across: bool, device: str) -> list[tuple[int, int]]:
    """Return the pairs of near neighbors of which one may be a crop of the other."""
    if evidence.grays is None or evidence.vectors is None:
        return []
    found: set[tuple[int, int]] = set()
    for rows, _, near in evidence.neighbors(_NEAREST, across=across, device=device):
        places, columns = np.nonzero(near != NO_ROW)
        a, b = rows[places], near[places, columns]
        likely = _may_be_crops(evidence.grays, a, b)
        ends = zip(a[likely].tolist(), b[likely].tolist(), strict=True)
        found.update((min(pair), max(pair)) for pair in ends)
    return sorted(found)


def _may_be_crops(grays: Grays, a: Rows, b: Rows) -> NDArray[np.bool_]:
    """Compare the small grays of pairs; copies that are not cropped are found without this."""
    (first, at), (second, there) = (np.unique(rows, return_inverse=True) for rows in (a, b))
    own, theirs = grays[first].astype(np.float64), grays[second].astype(np.float64)
    edges, others = edges_of(own), edges_of(theirs)
    is_copy = np.vecdot(edges[at], others[there]) >= COPY_EDGES
    likely = np.zeros(len(a), dtype=bool)
    for down in _LOOKED:
        for across in _LOOKED:
            margins = (*down, *across)
            some, rest = (edges_of(_cut(each, margins, GRAY_SIDE)) for each in (own, theirs))
            likely |= np.vecdot(some[at], others[there]) >= _LIKELY
            likely |= np.vecdot(edges[at], rest[there]) >= _LIKELY
    likely &= ~is_copy
    return likely


def _inside(picture: Floats, crop: Floats) -> float:
    """Return the cosine of the edges of a crop and of the best inside of a picture."""
    (sought,) = edges_of(_cut(crop[None], (0, 0, 0, 0), _SIDE))

    @cache
    def score(margins: Margins) -> float:
        return float(edges_of(_cut(picture[None], margins, _SIDE))[0] @ sought)

    best = max(((y, y, x, x) for y in _TRIED for x in _TRIED if x or y), key=score)
    for step in (4, 2, 1):
        while (better := max(_moved(best, step), key=score)) and score(better) > score(best):
            best = better
    return score(best)


def _moved(margins: Margins, step: int) -> Iterator[Margins]:
    """Yield the margins with one of them a step larger or smaller."""
    for place in range(4):
        for each in (margins[place] - step, margins[place] + step):
            if 0 <= each <= _MOST:
                moved = [*margins]
                moved[place] = each
                yield moved[0], moved[1], moved[2], moved[3]


def _cut(pictures: Floats, margins: Margins, side: int) -> Floats:
    """Cut margins off grays, shape (N, S, S), and make the inside so many pixels a side."""
    top, bottom, left, right = (each * _STEP for each in margins)
    own = pictures.shape[1]
    cut: Floats = (
        _window(top, 1 - bottom, own, side) @ pictures @ _window(left, 1 - right, own, side).T
    )
    return cut


@cache
def _window(low: float, high: float, own: int, side: int) -> Floats:
    """Return how much of each pixel is in each pixel of the inside, shape (side, own)."""
    ends, pixels = np.linspace(low * own, high * own, side + 1), np.arange(own)
    shares = np.minimum(ends[1:, None], pixels + 1) - np.maximum(ends[:-1, None], pixels)
    shares = np.clip(shares, 0, None)
    weights: Floats = shares / shares.sum(axis=1, keepdims=True)
    return weights
