"""A map of vectors for a page: dots colored by class, and a small map for each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.study import LabelStudy, VectorMap

_HUES = 8  # classes that have a color of their own; as many as the stylesheet has
_MAPS = 24  # classes that have a small map of their own
_SIDE, _MARGIN = 400, 10  # of a map, in its own units


@dataclass(frozen=True)
class ClassDots:
    """The dots of a class, as the path of an SVG."""

    name: str
    count: int
    dots: str


@dataclass(frozen=True, kw_only=True)
class MapDrawing:
    """A map by the classes of a label, as paths of an SVG."""

    description: str
    view: str  # what an SVG shows: its viewBox
    all: str
    rest: str  # dots without a color of their own
    classes: tuple[ClassDots, ...]  # the most common first
    more: int  # classes that are left out

    @property
    def common(self) -> tuple[ClassDots, ...]:
        """The classes that have a color of their own."""
        return self.classes[:_HUES]


def draw_map(found: VectorMap, label: LabelStudy) -> MapDrawing:
    """Draw the map of an index by the classes of a label."""
    classes = found.classes[label.name]
    points, view = _fit(found)
    counts = Counter(name for name in classes if name is not None)
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    colored = {name for name, _ in common[:_HUES]}
    text = (
        f"{len(found.rows):,} pictures on {found.method}. Pictures of one {label.name} that lie "
        "close together are similar to the network"
    )
    if label.retrieved is not None:
        share = label.retrieved.scores["P@1"]
        text += f"; the nearest picture has the same {label.name} {share:.1%} of the time"
    return MapDrawing(
        description=f"{text}.",
        view=view,
        all=_dots(points, classes, set(classes)),
        rest=_dots(points, classes, set(classes) - colored),
        classes=tuple(
            ClassDots(name, count, _dots(points, classes, {name})) for name, count in common[:_MAPS]
        ),
        more=len(label.counts) - _MAPS,
    )


def _fit(found: VectorMap) -> tuple[NDArray[np.int64], str]:
    """Fit the dots into the width, aspect kept: shape (n, 2), and the viewBox."""
    points = np.stack([found.x, found.y], axis=1)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (_SIDE - 2 * _MARGIN) / max(float((high - low).max()), 1e-9)
    fitted = _MARGIN + scale * np.stack([points[:, 0] - low[0], high[1] - points[:, 1]], axis=1)
    width, height = np.ceil(scale * (high - low) + 2 * _MARGIN).astype(int)
    return fitted.round().astype(np.int64), f"0 0 {width} {height}"


def _dots(
    points: NDArray[np.int64], classes: Sequence[str | None], wanted: Collection[str | None]
) -> str:
    """Write dots as strokes of no length, of which only the round cap is seen."""
    kept = (point for point, name in zip(points, classes, strict=True) if name in wanted)
    return "".join(f"M{x} {y}h0" for x, y in kept)
