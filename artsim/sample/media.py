"""How the pictures are made: a sketch painted in oil, watercolor or gouache, etched or cut.

A picture has half the size of its sketch, which smooths the edges.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from artsim.sample.brushes import BRUSHES
from artsim.sample.sketch import Array, Color, Sketch, as_image, floats, noise


def oil(s: Sketch) -> Image.Image:
    """Paint in strokes on a canvas, lit from the upper left."""
    image = BRUSHES[s.hand.mark](s).reduce(2)
    width, height = image.size
    light = floats(image.convert("L"))
    relief = np.roll(light, (1, 1), (0, 1)) - np.roll(light, (-1, -1), (0, 1))
    rows, columns = np.ogrid[:height, :width]
    weave = (np.sin(rows * 2.1) * np.sin(columns * 2.1)).astype(np.float32)
    texture = relief * 0.13 + weave * 4 + s.rng.normal(0, 2, (height, width)).astype(np.float32)
    return as_image(floats(image) + texture[..., None])


def watercolor(s: Sketch) -> Image.Image:
    """Let thin color run on rough white paper, and leave an edge bare."""
    small = s.image.reduce(2)
    width, height = small.size
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    run = min(width, height) / 90 * s.hand.size
    rows += noise(width, height, 26, s.rng) * run
    columns += noise(width, height, 26, s.rng) * run
    at = (rows.clip(0, height - 1).astype(np.intp), columns.clip(0, width - 1).astype(np.intp))
    wet = Image.fromarray(np.asarray(small)[at])
    soft = floats(wet.filter(ImageFilter.GaussianBlur(run * 1.6))) / 255
    crisp = floats(wet) / 255
    rim = np.abs(crisp - soft).max(-1)  # pigment gathers where a wash ends
    load = 0.72 + 0.16 * noise(width, height, 60, s.rng) + 0.1 * noise(width, height, 12, s.rng)
    grain = s.rng.normal(0, 1, (height, width)).astype(np.float32)
    load = (load + 1.1 * rim + 0.07 * grain) * _bare_edge(width, height, s.rng)
    washed = (0.35 * soft + 0.65 * crisp).clip(0.03, 1) ** load.clip(0, 1.7)[..., None]
    paper = np.array([252, 249, 240], np.float32)
    return as_image(washed * (paper + 2.2 * grain[..., None]))


def gouache(s: Sketch) -> Image.Image:
    """Lay flat, opaque color, as if cut from paper."""
    image = s.image.reduce(2)
    width, height = image.size
    shadow = s.outline.filter(ImageFilter.GaussianBlur(s.unit / 160)).reduce(2)
    edge = floats(ImageChops.offset(shadow, 1, 2))[..., None] / 255
    grain = s.rng.normal(0, 2.2, (height, width, 1)).astype(np.float32)
    streaks = noise(width, max(2, height // 40), 60, s.rng)
    tone = floats(Image.fromarray(streaks).resize((width, height)))[..., None]
    return as_image(floats(image) * (1 - 0.22 * edge) + grain + 3 * tone)


def etching(s: Sketch, ground: Image.Image | None = None) -> Image.Image:
    """Draw with fine dark lines, closer where it is darker, within the mark of the plate."""
    tone = _tone(s)
    height, width = tone.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    drift = noise(width, height, 70, s.rng) * 5
    step = s.unit / 105 * (0.8 + 0.25 * s.hand.size)
    ink = np.zeros_like(tone)
    turns = {"parallel": (0.0,), "cross": (0.0, 1.2, 0.6), "curve": (0.0, 1.0), "dot": ()}
    for layer, turn in enumerate(turns[s.hand.needle]):
        angle = s.hand.angle + turn
        across = rows * math.cos(angle) + columns * math.sin(angle) + drift * (1 + layer)
        if s.hand.needle == "curve":
            across = across + 0.25 * np.hypot(rows - height * 0.3, columns - width * 0.6)
        dark = (tone - 0.12 - 0.24 * layer) * (0.95 if s.hand.needle == "parallel" else 0.8)
        ink = np.maximum(ink, _lines(across / step, dark))
    if s.hand.needle == "dot":
        ink = np.asarray(s.rng.random(tone.shape) < (tone - 0.08).clip(0, 1) ** 1.6, np.float32)
        grown = Image.fromarray((ink * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.9))
        ink = (floats(grown) / 120).clip(0, 1)
    outline = floats(s.outline) / 255
    ink = np.maximum(ink, outline * (0.75 + 0.25 * noise(width, height, 12, s.rng)))
    return _printed(ink, s.unit // 22, s, ground, dark=(44, 33, 28), plate=True)


def woodcut(s: Sketch, ground: Image.Image | None = None) -> Image.Image:
    """Print a block in black, its light cut away with a gouge."""
    tone = _tone(s) * (0.8 if ground is None else 0.62)
    height, width = tone.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    bend = noise(width, height, 60, s.rng) * 6
    if s.hand.gouge == "ring":
        across = np.hypot(rows - height * 0.35, columns - width * 0.4) + bend
    elif s.hand.gouge == "wave":
        across = rows + 9 * np.sin(columns / s.unit * 14) + bend
    else:
        across = rows * math.cos(s.hand.angle) + columns * math.sin(s.hand.angle) + bend
    cut = _lines(across / (s.unit / 48 * s.hand.size), 1.5 * tone - 0.35)
    cut = np.where(tone > 0.68, 1.0, np.where(tone < 0.3, 0.0, cut)).astype(np.float32)
    outline = floats(s.outline.filter(ImageFilter.MaxFilter(3))) / 255
    # The line between two dark areas is cut, not printed.
    ink = np.where(tone > 0.62, cut * (1 - outline), np.maximum(cut, outline)).astype(np.float32)
    wood = Image.fromarray(noise(width, height, 5, s.rng)).resize((width * 6, height))
    grain = floats(wood)[:, :width]
    ink = ink * np.where(grain > 0.72, 0.35, 1.0).astype(np.float32)
    return _printed(ink, s.unit // 20, s, ground, dark=(26, 24, 27), plate=False)


MEDIA: dict[str, Callable[[Sketch], Image.Image]] = {
    "oil": oil,
    "watercolor": watercolor,
    "gouache": gouache,
    "etching": etching,
    "woodcut": woodcut,
    "etching|watercolor": lambda s: etching(s, watercolor(s)),
    "woodcut|gouache": lambda s: woodcut(s, gouache(s)),
}


def _tone(s: Sketch) -> Array:
    """Return how dark each pixel is, 0-1, with the whole range used."""
    light = floats(s.image.convert("L"))
    low, high = np.percentile(light[::4, ::4], (3, 97))
    return np.asarray(1 - ((light - low) / max(high - low, 1)).clip(0, 1), np.float32)


def _lines(across: Array, dark: Array) -> Array:
    """Rule lines at the whole numbers of ``across``, as wide as it is dark; 1 is ink."""
    distance = np.abs(across - np.rint(across)) * 2
    return np.asarray(((dark - distance) * 6).clip(0, 1), np.float32)


def _bare_edge(width: int, height: int, rng: np.random.Generator) -> Array:
    """Return 1 where there is paint, falling to 0 in an uneven edge of bare paper."""
    rows, columns = np.ogrid[:height, :width]
    inside = np.minimum(np.minimum(rows, rows[::-1]), np.minimum(columns, columns[:, ::-1]))
    uneven = inside + noise(width, height, 18, rng) * 5 + noise(width, height, 5, rng) * 1.5
    return np.asarray(((uneven - 9) / 2).clip(0, 1), np.float32)


def _printed(
    ink: Array, margin: int, s: Sketch, ground: Image.Image | None, *, dark: Color, plate: bool
) -> Image.Image:
    """Press ink (1 is full) on paper or on a colored ground; the margin stays free."""
    height, width = ink.shape
    inside = np.zeros_like(ink)
    inside[margin : height - margin, margin : width - margin] = 1
    mask = Image.fromarray((ink * inside * 255).astype(np.uint8)).reduce(2)
    press = floats(mask)[..., None] / 255
    width, height = mask.size
    fiber = s.rng.normal(0, 2.5, (height, width, 1)).astype(np.float32)
    cloud = noise(width, height, 80, s.rng)[..., None] * 3
    tint = s.between(0, 1)
    paper = np.array([244 + 6 * tint, 238 + 8 * tint, 218 + 18 * tint], np.float32) + fiber + cloud
    if plate:  # the plate leaves a film of ink and an edge
        frame, edge = Image.new("L", mask.size, 0), margin // 2
        box = (edge - 3, edge - 3, width - edge + 2, height - edge + 2)
        ImageDraw.Draw(frame).rectangle(box, 18, 46)
        paper = paper - floats(frame)[..., None] * 0.9
    if ground is not None:
        edge = -(-margin // 2)
        box = (edge, edge, width - edge, height - edge)
        over = as_image(paper)
        over.paste(ground.crop(box), box)
        paper = floats(over)
    return as_image(paper * (1 - press) + np.array(dark, np.float32) * press)
