"""Geometric verification: do cells of two pictures that look the same also lie in the same way?

A cell and its mutual nearest neighbor in the other picture are a correspondence. Since both have a
size, one correspondence is a hypothesis: a scale and a shift. Every one is tried, without chance;
those with the most correspondences are refined to an affine map by least squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.motifs.features import Cells

Floats = NDArray[np.float64]

_LEAST = 0.5  # cosine of a correspondence
_TOLERANCE = 1.0  # cells: how far a correspondence may lie from where the map puts it
_SCALE_STEP = 1.45  # a correspondence's own scale may differ from the map's by this factor
_ROUNDS = 3  # of least squares
_STRETCH = 1.6  # the most that an affine map may stretch one axis more than the other
_TRIED = 5  # hypotheses that are refined


@dataclass(frozen=True)
class Verified:
    """The correspondences of two pictures that one map explains."""

    score: float  # evidence: the similarity of the distinct cells that correspond, summed
    first: Floats  # (n, 2): x and y in fractions of the first picture
    second: Floats  # (n, 2): where they are in the second
    residual: float  # mean distance from where the map puts them, in cells
    scale: float  # of the second to the first
    mirrored: bool

    @property
    def inliers(self) -> int:
        """How many correspondences there are."""
        return len(self.first)


def verify(first: Cells, second: Cells, *, mirrored: bool = False) -> Verified | None:
    """Find the largest set of correspondences that one affine map explains, None without one.

    Args:
        first: The cells of a picture.
        second: Those of the other; of its mirror image if ``mirrored``.
        mirrored: Turn the places in the second picture back.
    """
    similar = first.vectors.astype(np.float32) @ second.vectors.astype(np.float32).T  # (n, m)
    forward, backward = similar.argmax(axis=1), similar.argmax(axis=0)
    own = np.flatnonzero(backward[forward] == np.arange(len(forward)))
    theirs = forward[own]
    cosines = similar[own, theirs].astype(np.float64)
    likely = cosines >= _LEAST
    own, theirs, cosines = own[likely], theirs[likely], cosines[likely]
    if len(own) < 4:
        return None
    a, b = first.places[own], second.places[theirs]  # (n, 2), pixels
    size_a, size_b = first.sizes[own], second.sizes[theirs]
    scales = size_b / size_a
    best: tuple[float, NDArray[np.bool_], Floats] | None = None
    for fitted in _hypotheses(a, b, scales, size_b, cosines):
        chosen = fitted
        for _ in range(_ROUNDS):
            affine = _least_squares(a[chosen], b[chosen], scales[chosen])
            near = _distances(affine, a, b, size_b) <= _TOLERANCE
            chosen = near & _same_scale(scales, affine)
            if chosen.sum() < 4:
                break
        else:
            score = _evidence(a, b, cosines, chosen, first.finest, second.finest)
            if best is None or score > best[0]:
                best = score, chosen, affine
    if best is None:
        return None
    score, chosen, affine = best
    places = b[chosen] / second.extent
    if mirrored:
        places[:, 0] = 1 - places[:, 0]
    return Verified(
        score=score,
        first=a[chosen] / first.extent,
        second=places,
        residual=float(_distances(affine, a, b, size_b)[chosen].mean()),
        scale=_scale_of(affine),
        mirrored=mirrored,
    )


def _hypotheses(
    a: Floats, b: Floats, scales: Floats, size_b: Floats, cosines: Floats
) -> list[NDArray[np.bool_]]:
    """Return the correspondences that the best hypotheses explain, each (n,)."""
    shifts = b - scales[:, None] * a  # of each hypothesis, (n, 2)
    placed = scales[:, None, None] * a[None] + shifts[:, None]  # (n hypotheses, n, 2)
    distances = np.linalg.norm(placed - b[None], axis=2) / size_b[None]
    near_scale = np.abs(np.log(scales[None] / scales[:, None])) <= np.log(_SCALE_STEP)
    explained = (distances <= 1.5 * _TOLERANCE) & near_scale
    votes = explained @ cosines
    order = np.argsort(-votes, kind="stable")[:_TRIED]
    return [explained[each] for each in order]


def _least_squares(a: Floats, b: Floats, scales: Floats) -> Floats:
    """Fit b = affine @ (x, y, 1), shape (2, 3); a scale and a shift where points are too few.

    A small weight holds the map near a similarity without rotation.
    """
    center_a, center_b = a.mean(axis=0), b.mean(axis=0)
    moved_a, moved_b = a - center_a, b - center_b
    prior = np.exp(np.log(scales).mean())
    hold = moved_a.var(axis=0).mean() * 2.0 + 1e-6
    gram = moved_a.T @ moved_a + hold * np.eye(2)
    linear = np.linalg.solve(gram, moved_a.T @ moved_b + hold * prior * np.eye(2)).T
    return np.column_stack([linear, center_b - linear @ center_a])


def _distances(affine: Floats, a: Floats, b: Floats, sizes: Floats) -> Floats:
    distances: Floats = np.linalg.norm(a @ affine[:, :2].T + affine[:, 2] - b, axis=1) / sizes
    return distances


def _same_scale(scales: Floats, affine: Floats) -> NDArray[np.bool_]:
    """Return which correspondences have the scale of a map; none of a map that distorts."""
    stretches = np.linalg.svd(affine[:, :2], compute_uv=False)
    if stretches[1] <= 0 or stretches[0] / stretches[1] > _STRETCH:
        return np.zeros(len(scales), dtype=bool)
    near_scale: NDArray[np.bool_] = np.abs(np.log(scales / _scale_of(affine))) <= np.log(
        _SCALE_STEP
    )
    return near_scale


def _scale_of(affine: Floats) -> float:
    return float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))


def _evidence(
    a: Floats,
    b: Floats,
    cosines: Floats,
    chosen: NDArray[np.bool_],
    finest_a: float,
    finest_b: float,
) -> float:
    """Add the cosines over distinct cells; cells of several scales in one place count once."""
    weights = (cosines[chosen] - _LEAST) / (1 - _LEAST)
    return min(
        _sum_of_best(np.floor(places[chosen] / (1.5 * cell)), weights)
        for places, cell in ((a, finest_a), (b, finest_b))
    )


def _sum_of_best(cells: Floats, weights: Floats) -> float:
    order = np.argsort(-weights, kind="stable")
    _, firsts = np.unique(cells[order], axis=0, return_index=True)
    return float(weights[order][firsts].sum())
