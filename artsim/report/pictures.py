"""Small copies of pictures, to be drawn or embedded."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from artsim.datatypes import Box
from artsim.images import decode, read_bytes

__all__ = ["outline", "small_copy"]

_LINE, _EDGE, _WIDTH = (255, 222, 89), (20, 18, 16), 2  # of an outline, in pixels


def small_copy(source: Path | bytes, side: int, *, enlarge: bool = False) -> Image.Image:
    """Fit a picture into a square, its aspect kept.

    Args:
        source: A file, or the bytes of one.
        side: Of the square, in pixels.
        enlarge: Whether a picture that is smaller is made larger.

    Returns:
        RGB, upright.

    Raises:
        ImageError: If it is not a picture that can be decoded whole.
    """

    def fitted(width: int, height: int) -> tuple[int, int]:
        scale = side / max(width, height)
        scale = scale if enlarge else min(scale, 1.0)
        return max(1, round(width * scale)), max(1, round(height * scale))

    data = read_bytes(source) if isinstance(source, Path) else source
    picture = decode(data, at_least=fitted)
    size = fitted(picture.width, picture.height)
    return Image.fromarray(picture.pixels).resize(size, Image.Resampling.LANCZOS)


def outline(picture: Image.Image, box: Box) -> Image.Image:
    """Draw a box on a picture, in place: light with a dark edge, to be seen on any ground.

    Args:
        picture: RGB, upright and whole.
        box: In per cent of it.
    """
    left, top, right, bottom = box.edges(*picture.size)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left, top, right - 1, bottom - 1), outline=_EDGE, width=_WIDTH + 2)
    draw.rectangle((left + 1, top + 1, right - 2, bottom - 2), outline=_LINE, width=_WIDTH)
    return picture
