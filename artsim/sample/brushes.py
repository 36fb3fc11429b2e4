"""How the painters apply oil: in dots, dabs, stripes or swirls, tiles, facets or glazes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from artsim.sample.sketch import Array, Color, Sketch, as_image, blend, floats, noise


class _Mark(NamedTuple):
    """One kind of stroke."""

    step: float  # its length, or that of each bend, in widths
    bends: int
    turn: float  # how far its angle strays, radians
    gap: float  # to its neighbors, in widths


MARKS = {
    "dot": _Mark(step=0.0, bends=1, turn=0.0, gap=1.1),
    "dab": _Mark(step=2.2, bends=1, turn=0.7, gap=1.8),
    "stripe": _Mark(step=7.0, bends=1, turn=0.05, gap=2.6),
    "swirl": _Mark(step=1.1, bends=5, turn=2.2, gap=1.55),
}


def strokes(s: Sketch) -> Image.Image:
    """Cover the sketch with marks that take their color from it, large ones first."""
    image = Image.blend(s.image, Image.new("RGB", s.image.size, s.palette.land), 0.15)
    mark, draw = MARKS[s.hand.mark], ImageDraw.Draw(image)
    angles = s.hand.angle + mark.turn * noise(s.width, s.height, s.unit / 3, s.rng)
    detail = np.asarray(s.outline.filter(ImageFilter.BoxBlur(s.unit / 90)))
    for scale in (1.7, 1.0, 0.7, 0.42):
        size = s.unit / 62 * s.hand.size * scale
        spots = _jittered(s, size * mark.gap)
        if scale < 0.5:  # the finest marks go where the forms are
            spots = spots[_under(detail, spots) > 60]
        colors = _colors(s, s.image, spots)
        if mark.step == 0:
            for color, spot in zip(colors, spots.tolist(), strict=True):
                draw.circle(spot, size * 0.62, color)
            continue
        bends = mark.bends if scale >= 1 else max(1, mark.bends - 2)
        lines = _paths(angles, spots, size * mark.step, bends)
        for color, line in zip(colors, lines.tolist(), strict=True):
            draw.line(line, color, max(1, round(size)))
    return image


def tiles(s: Sketch) -> Image.Image:
    """Set small stones in mortar."""
    image = Image.new("RGB", s.image.size, blend(s.palette.deep, s.palette.pale, 0.25))
    draw = ImageDraw.Draw(image)
    size = s.unit / 44 * s.hand.size
    spots = _jittered(s, size, jitter=0.1)
    turns = s.hand.angle + 0.5 * noise(s.width, s.height, s.unit / 3, s.rng)
    # Corners lie around the middle of a stone, a quarter turn apart: (N, 4).
    corners = _under(turns, spots)[:, None] + np.pi * (np.arange(4) / 2 + 0.25)
    reach = size * s.rng.uniform(0.58, 0.7, corners.shape)
    around = np.stack([np.cos(corners), np.sin(corners)], -1) * reach[..., None]  # (N, 4, 2)
    stones = (spots[:, None] + around).reshape(len(spots), 8)
    for color, stone in zip(_colors(s, s.image, spots), stones.tolist(), strict=True):
        draw.polygon(stone, color)
    return image


def facets(s: Sketch) -> Image.Image:
    """Break the picture along straight lines; each facet is shifted, lit and shaded on its own."""
    width, height = s.width // 2, s.height // 2
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    facet = np.zeros((height, width), np.intp)
    for _ in range(round(9 / s.hand.size)):
        angle, x, y = s.between(0, math.pi), s.between(0, width), s.between(0, height)
        side = (columns - x) * math.sin(angle) - (rows - y) * math.cos(angle) > 0
        facet = facet * 2 + side
    count = int(facet.max()) + 1
    shift = s.rng.normal(0, s.unit / 130, (2, count))
    tilt = s.rng.normal(0, 55 / s.unit, (2, count)).astype(np.float32)
    level = s.rng.normal(0, 13, count).astype(np.float32)[facet]
    y = (rows + shift[0][facet]).clip(0, height - 1).astype(np.intp)
    x = (columns + shift[1][facet]).clip(0, width - 1).astype(np.intp)
    broken = floats(s.image.reduce(2))[y, x]
    light = level + tilt[0][facet] * (rows - height / 2) + tilt[1][facet] * (columns - width / 2)
    image = as_image(broken + light.clip(-38, 38)[..., None]).resize(s.image.size)
    # Over it go a few short strokes in its own colors.
    draw, size = ImageDraw.Draw(image), s.unit / 60
    spots = _jittered(s, size * 2.4)
    angles = np.full((s.height, s.width), s.hand.angle, np.float32)
    lines = _paths(angles, spots, size * 2.4, bends=1)
    for color, line in zip(_colors(s, image, spots), lines.tolist(), strict=True):
        draw.line(line, color, round(size * 0.8))
    return image


def glazes(s: Sketch) -> Image.Image:
    """Blend the colors into each other, in glazes."""
    soft = s.image.filter(ImageFilter.GaussianBlur(s.unit / 130 * s.hand.size))
    image = Image.blend(s.image, soft, 0.7)
    cloud = noise(s.width, s.height, s.unit / 6, s.rng)[..., None]
    return as_image(floats(image) * (1 + s.hand.stray * cloud))


BRUSHES: dict[str, Callable[[Sketch], Image.Image]] = {
    **dict.fromkeys(MARKS, strokes),
    "tile": tiles,
    "facet": facets,
    "glaze": glazes,
}


def _paths(angles: Array, spots: Array, step: float, bends: int) -> Array:
    """Follow the angles from each spot; N lines of x, y, x, y, ... of shape (N, 2 * bends + 2)."""
    path = [spots]
    for _ in range(bends):
        angle = _under(angles, path[-1])
        along = np.stack([np.cos(angle), np.sin(angle)], -1) * step
        path.append((path[-1] + along).astype(np.float32))
    return np.concatenate(path, -1)


def _jittered(s: Sketch, gap: float, jitter: float = 0.45) -> Array:
    """Scatter points over the sketch, about ``gap`` apart, in random order; shape (N, 2)."""
    rows, columns = np.mgrid[0 : s.height + gap : gap, 0 : s.width + gap : gap]
    columns = columns + gap / 2 * (np.arange(len(columns)) % 2)[:, None]
    spots = np.stack([columns.ravel(), rows.ravel()], -1)
    spots = spots + s.rng.uniform(-jitter, jitter, spots.shape) * gap
    return np.asarray(s.rng.permutation(spots), np.float32)


def _colors(s: Sketch, source: Image.Image, spots: Array) -> list[Color]:
    """Pick the colors under the points, each strayed towards another of the palette."""
    palette = np.array(s.palette, np.float32)
    other = palette[s.rng.integers(0, len(palette), len(spots))]
    stray = s.hand.stray
    share = (1.6 * stray * s.rng.random((len(spots), 1)) ** 2).clip(0, 1)
    mixed = _under(np.asarray(source), spots) * (1 - share) + other * share
    mixed = mixed + s.rng.normal(0, 40 * stray, (len(spots), 1))
    return [(r, g, b) for r, g, b in mixed.clip(0, 255).astype(int).tolist()]


def _under(values: npt.NDArray[Any], spots: Array) -> npt.NDArray[Any]:
    """Return the values, shape (H, W, ...), under the points, shape (N, 2)."""
    height, width = values.shape[:2]
    columns, rows = spots.T.astype(np.intp)
    picked: npt.NDArray[Any] = values[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return picked
