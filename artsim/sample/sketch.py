"""A picture before its medium: shaded areas of color, and apart from them their outlines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageOps

Array = npt.NDArray[np.float32]
Color = tuple[int, int, int]
Point = tuple[float, float]

BILINEAR = Image.Resampling.BILINEAR


class Palette(NamedTuple):
    """Seven colors by what they are used for, so that every artist can paint every subject."""

    pale: Color
    sky: Color
    land: Color
    main: Color
    warm: Color
    bright: Color
    deep: Color

    @classmethod
    def of(cls, colors: str) -> Palette:
        """Read seven hex colors, as ``f4efe1 9cc4d9 ...``."""
        return cls(*((r, g, b) for r, g, b in map(bytes.fromhex, colors.split())))


def as_image(values: npt.NDArray[Any]) -> Image.Image:
    """Turn values of 0-255, shape (H, W) or (H, W, 3), into a picture."""
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def blend(one: Color, other: Color, share: float) -> Color:
    """Mix two colors, ``share`` (0-1) of the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def floats(image: Image.Image) -> Array:
    """Turn a picture into values of 0-255, shape (H, W) or (H, W, 3)."""
    return np.asarray(image, np.float32)


def noise(width: int, height: int, period: float, rng: np.random.Generator) -> Array:
    """Draw smooth noise, shape (height, width), -1 to 1, with hills ``period`` pixels wide."""
    coarse = rng.uniform(0, 255, (2 + round(height / period), 2 + round(width / period)))
    image = Image.fromarray(coarse.astype(np.float32))
    smooth = floats(image.resize((width, height), Image.Resampling.BICUBIC))
    return smooth / np.float32(127.5) - np.float32(1)


@dataclass(frozen=True, kw_only=True)
class Hand:
    """The habits of an artist that show in every medium."""

    mark: str = "dab"  # of the brush: dot, dab, stripe, swirl, tile, facet, glaze
    size: float = 1.0  # of the marks, compared with other artists'
    stray: float = 0.15  # how far the colors of the marks stray, 0-1
    angle: float = 0.6  # of the marks, radians
    needle: str = "cross"  # of the etcher: parallel, cross, curve, dot
    gouge: str = "straight"  # of the woodcutter: straight, wave, ring
    wobble: float = 0.5  # of the outlines, percent of the short side


class Sketch:
    """Drawn on with points in pixels; x goes right and y goes down."""

    def __init__(
        self, width: int, height: int, palette: Palette, hand: Hand, rng: np.random.Generator
    ):
        self.width, self.height = width, height
        self.unit = min(width, height)
        self.palette = palette
        self.hand = hand
        self.rng = rng
        self.flat = False  # whether to leave all shading out
        self.image = Image.new("RGB", (width, height), palette.pale)
        self.outline = Image.new("L", (width, height), 0)  # 255 where there is a line
        self._outline = ImageDraw.Draw(self.outline)
        self.pen = max(2, self.unit // 110)

    def between(self, low: float, high: float) -> float:
        """Draw a number."""
        return float(self.rng.uniform(low, high))

    def whole(self, low: int, high: int) -> int:
        """Draw a whole number, at least low and below high."""
        return int(self.rng.integers(low, high))

    def chance(self, probability: float) -> bool:
        """Toss a coin."""
        return bool(self.rng.random() < probability)

    def side(self) -> int:
        """Choose left, -1, or right, 1."""
        return -1 if self.chance(0.5) else 1

    def accent(self, *, on: Color | None = None) -> Color:
        """Pick one of the colors that things have; ``on`` a ground, one that stands out."""
        palette = self.palette
        colors = [palette.main, palette.warm, palette.bright, palette.land]
        if on is not None:
            colors = sorted(colors, key=lambda color: -math.dist(color, on))[:2]
        return colors[self.whole(0, len(colors))]

    def area(
        self,
        points: Sequence[Point],
        color: Color,
        *,
        shade: str = "flat",
        strength: float = 0.3,
        lined: bool = True,
    ) -> None:
        """Fill a polygon: 'flat', darker 'down' or 'up', or 'round' like a ball lit from above."""
        hand = self._strayed(points)
        left, top = (math.floor(min(p[axis] for p in hand)) for axis in (0, 1))
        right, bottom = (math.ceil(max(p[axis] for p in hand)) + 1 for axis in (0, 1))
        size = (max(1, right - left), max(1, bottom - top))
        mask = Image.new("L", size, 0)
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in hand], fill=255)
        # A thing hides the outlines behind it.
        self.outline.paste(0, (left, top), mask)
        flat = shade == "flat" or self.flat
        fill = color if flat else self._shaded(color, size, shade, strength)
        self.image.paste(fill, (left, top, left + size[0], top + size[1]), mask)
        if lined:
            self._outline.line([*hand, hand[0], hand[1]], 255, self.pen, joint="curve")

    def oval(
        self, center: Point, radii: Point | float, color: Color, *, turn: float = 0.0, **style: Any
    ) -> None:
        """Fill a circle, or an ellipse turned by ``turn`` radians, in a style of `area`."""
        self.area(ellipse(center, radii, turn), color, **style)

    def stroke(
        self, points: Sequence[Point], color: Color, width: float, *, lined: bool = True
    ) -> None:
        """Draw a line of color through the points."""
        hand = self._strayed(points)
        ImageDraw.Draw(self.image).line(hand, color, max(1, round(width)), joint="curve")
        if lined:
            self._outline.line(hand, 255, max(self.pen, round(width / 2)), joint="curve")

    def _strayed(self, points: Sequence[Point]) -> list[Point]:
        """Move each point a little, neighbors together, as a hand does."""
        count = len(points)
        spread = max(max(p[axis] for p in points) - min(p[axis] for p in points) for axis in (0, 1))
        reach = min(1.0, spread / (0.5 * self.unit))  # a small thing is drawn with more care
        steps = self.rng.normal(0, reach * self.unit * self.hand.wobble / 100, (count, 2))
        if count > 12:  # a curve: neighbors stray together
            steps = (steps + np.roll(steps, 1, 0) + np.roll(steps, 2, 0)) / 2
        return [(x + dx, y + dy) for (x, y), (dx, dy) in zip(points, steps.tolist(), strict=True)]

    def _shaded(
        self, color: Color, size: tuple[int, int], shade: str, strength: float
    ) -> Image.Image:
        light = blend(color, self.palette.pale, strength)
        dark = blend(color, self.palette.deep, strength)
        if shade == "round":
            ball = Image.radial_gradient("L").crop((40, 56, 216, 232)).resize(size, BILINEAR)
            return ImageOps.colorize(ball, light, dark, mid=color, midpoint=110)
        ramp = Image.linear_gradient("L").resize(size, BILINEAR)
        return ImageOps.colorize(ramp, *((light, dark) if shade == "down" else (dark, light)))


def at(origin: Point, size: float, *steps: Point, side: int = 1) -> list[Point]:
    """List points given in ``size`` from an origin, to a side (1 is right, -1 left) and up."""
    x, y = origin
    return [(x + side * size * aside, y - size * up) for aside, up in steps]


def mirrored(points: Sequence[Point]) -> list[Point]:
    """Go along the right side of a thing and back along its left."""
    return [*points, *((-x, up) for x, up in reversed(points))]


def ellipse(center: Point, radii: Point | float, turn: float = 0.0) -> list[Point]:
    """List points around an ellipse, or a circle of one radius."""
    across, down = radii if isinstance(radii, tuple) else (radii, radii)
    count = max(14, min(60, round((across + down) / 3)))
    cos, sin = math.cos(turn), math.sin(turn)
    points = []
    for angle in (math.tau * step / count for step in range(count)):
        x, y = across * math.cos(angle), down * math.sin(angle)
        points.append((center[0] + x * cos - y * sin, center[1] + x * sin + y * cos))
    return points


def curve(points: Sequence[Point]) -> list[Point]:
    """Round the corners of a line by cutting them three times (Chaikin's algorithm)."""
    for _ in range(3):
        softer = [
            (x * (1 - share) + x2 * share, y * (1 - share) + y2 * share)
            for (x, y), (x2, y2) in pairwise(points)
            for share in (0.25, 0.75)
        ]
        points = [points[0], *softer, points[-1]]
    return list(points)
