"""Vectors on a plane: a map of dots colored by class, and a small map for each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from artsim.report.pages import escape
from artsim.study.results import Layout

__all__ = ["HUES", "STYLE", "class_maps", "colored_map"]

HUES = 8  # classes that have a color of their own

_SIDE = 400  # of a map, in its own units
_MARGIN = 10

# Told apart with any color vision, on white and on black (after Okabe and Ito 2008).
_LIGHT = ("#0072b2", "#d55e00", "#009e73", "#b3559a", "#b8860b", "#3b3b98", "#7a2e2e", "#5f9ea0")
_DARK = ("#56b4e9", "#ff8c42", "#2fcf9f", "#e08fc6", "#f0c94c", "#9a9af0", "#d98880", "#a3d5d8")

STYLE = (
    ":root {"
    + "".join(f"--hue{i}: {hue};" for i, hue in enumerate(_LIGHT))
    + "} @media (prefers-color-scheme: dark) { :root {"
    + "".join(f"--hue{i}: {hue};" for i, hue in enumerate(_DARK))
    + "} }"
    + """
.map { fill: none; stroke: var(--faint); stroke-width: 5; stroke-linecap: round; }
.others { opacity: .4; } .own { stroke: var(--accent); }
.maps { display: grid; gap: .7rem; margin: .8rem 0;
  grid-template-columns: repeat(auto-fill, minmax(8.4rem, 1fr)); }
.maps svg { border: 1px solid var(--line); background: var(--card); border-radius: .3rem; }
.maps .map { stroke-width: 9; }
.maps figcaption { font-size: .8rem; line-height: 1.25; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .88rem; padding: 0;
  list-style: none; margin: .4rem 0; }
.key i { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%;
  margin-right: .35rem; }
"""
)


def colored_map(layout: Layout, label: str, description: str) -> Iterator[str]:
    """Draw all dots, those of the most common classes in colors, with a key.

    Args:
        layout: The dots.
        label: Whose classes color them.
        description: What it shows, in words.
    """
    classes = layout.classes[label]
    points, box = _points(layout)
    common = [name for name, _ in _common(classes)[:HUES]]
    paths = [f'<path class="others" d="{_dots(points, classes, set(classes) - set(common))}"/>']
    paths += [
        f'<path style="stroke:var(--hue{i})" d="{_dots(points, classes, {name})}"/>'
        for i, name in enumerate(common)
    ]
    title = (
        f"<title>Map of the vectors by {escape(label)}</title><desc>{escape(description)}</desc>"
    )
    yield f'<svg class="map" role="img" {box}>{title}{"".join(paths)}</svg>'
    yield '<ul class="key">'
    for i, name in enumerate(common):
        yield f'<li><i style="background:var(--hue{i})"></i>{escape(name)}</li>'
    if len(common) < len(set(classes)):
        yield '<li><i style="background:var(--faint)"></i>all others</li>'
    yield "</ul>"


def class_maps(layout: Layout, label: str, anchor: str, most: int) -> Iterator[str]:
    """Draw a small map for each of the most common classes: its dots among all others.

    Args:
        layout: The dots.
        label: Whose classes.
        anchor: An id on the page that is free.
        most: Maps drawn at most.
    """
    classes = layout.classes[label]
    points, box = _points(layout)
    yield '<div class="maps">'
    for i, (name, count) in enumerate(_common(classes)[:most]):
        # All dots are drawn once; the other maps point to them.
        others = (
            f'<path class="others" id="{anchor}" d="{_dots(points, classes, set(classes))}"/>'
            if i == 0
            else f'<use href="#{anchor}"/>'
        )
        own = f'<path class="own" d="{_dots(points, classes, {name})}"/>'
        text = f"Where the {count:,} pictures of {name} lie among all"
        yield (
            f'<figure><svg class="map" role="img" {box}>'
            f"<title>{escape(text)}</title>{others}{own}</svg>"
            f"<figcaption>{escape(name)} <small>{count:,}</small></figcaption></figure>"
        )
    yield "</div>"


def _common(classes: Sequence[str | None]) -> list[tuple[str, int]]:
    counts = Counter(name for name in classes if name is not None)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _points(layout: Layout) -> tuple[NDArray[np.int64], str]:
    """Fit the dots into the width, aspect kept: (n, 2), and the part that an svg is to show."""
    points = np.stack([layout.x, layout.y], axis=1)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (_SIDE - 2 * _MARGIN) / max(float((high - low).max()), 1e-9)
    fitted = _MARGIN + scale * np.stack([points[:, 0] - low[0], high[1] - points[:, 1]], axis=1)
    width, height = np.ceil(scale * (high - low) + 2 * _MARGIN).astype(int)
    return fitted.round().astype(np.int64), f'viewBox="0 0 {width} {height}"'


def _dots(points: NDArray[np.int64], classes: Sequence[str | None], wanted: set[str | None]) -> str:
    """Write dots as strokes of no length, of which a round cap is all that is seen."""
    kept = (point for point, name in zip(points, classes, strict=True) if name in wanted)
    return "".join(f"M{x} {y}h0" for x, y in kept)
