"""Shared details as pictures: pairs of works with boxes and matched points, a sheet and a page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from artsim import __version__
from artsim.errors import ImageError
from artsim.report.pages import render
from artsim.report.sheet import Tile, contact_sheet
from artsim.report.thumbnails import embedded, outline, small_copy

if TYPE_CHECKING:
    from artsim.motifs import Motif

_SIDE = 300  # pixels of the longer side of a picture
_GAP = 12  # between the two
_PAPER = (250, 249, 246)
_COLORS = ((230, 75, 53), (0, 114, 178), (0, 158, 115), (204, 121, 167), (240, 160, 0))
_DRAWN = 40  # points of a pair


@dataclass(frozen=True)
class MotifPair:
    """Two works and the detail that they share."""

    first: tuple[str, str | None]  # id and file
    second: tuple[str, str | None]
    motif: Motif


def motif_sheet(pairs: Sequence[MotifPair]) -> Image.Image:
    """Draw pairs of works with the boxes of their shared detail and its matched points."""
    return contact_sheet(None, [Tile(_png(pair), _lines(pair)) for pair in pairs])


def motifs_page(pairs: Sequence[MotifPair], *, index: str, compared: int, layer: str) -> str:
    """Write the page: one HTML file with small copies of the pictures."""
    shown: list[dict[str, Any]] = []
    for pair in pairs:
        drawn = draw_pair(pair)
        shown.append({"lines": _lines(pair), "picture": None if drawn is None else embedded(drawn)})
    return render(
        "motifs.html",
        pairs=shown,
        index=index,
        compared=compared,
        layer=layer,
        version=__version__,
    )


def draw_pair(pair: MotifPair) -> Image.Image | None:
    """Draw two works next to each other; None if one cannot be read.

    Matched points have one color and number in both.
    """
    motif = pair.motif
    sides = []
    for (_, file), box in ((pair.first, motif.first_box), (pair.second, motif.second_box)):
        try:
            picture = None if file is None else small_copy(Path(file), _SIDE, enlarge=True)
        except ImageError:
            picture = None
        if picture is None:
            return None
        sides.append(outline(picture, box))
    one, other = sides
    drawn = Image.new(
        "RGB", (one.width + _GAP + other.width, max(one.height, other.height)), _PAPER
    )
    drawn.paste(one, (0, 0))
    drawn.paste(other, (one.width + _GAP, 0))
    draw = ImageDraw.Draw(drawn)
    count = motif.verified.inliers
    for number, at in enumerate(np.linspace(0, count - 1, min(count, _DRAWN)).astype(int)):
        color = _COLORS[number % len(_COLORS)]
        ends = [
            (x * picture.width + left, y * picture.height)
            for (x, y), picture, left in (
                (motif.verified.first[at], one, 0),
                (motif.verified.second[at], other, one.width + _GAP),
            )
        ]
        draw.line(ends, fill=color, width=1)
        for x, y in ends:
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=color, outline=(255, 255, 255))
    return drawn


def _png(pair: MotifPair) -> bytes | None:
    drawn = draw_pair(pair)
    if drawn is None:
        return None
    out = io.BytesIO()
    drawn.save(out, "PNG")
    return out.getvalue()


def _lines(pair: MotifPair) -> tuple[str, ...]:
    motif = pair.motif
    mirrored = ", mirrored" if motif.verified.mirrored else ""
    return (
        f"{pair.first[0]} · {pair.second[0]}",
        f"score {motif.score:.1f}, {motif.verified.inliers} points{mirrored}",
    )
