"""Small copies of pictures: to be drawn, or put into a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from artsim.datatypes import Box
from artsim.errors import ImageError
from artsim.images import decode, read_bytes
from artsim.report.captions import file_of

if TYPE_CHECKING:
    from artsim.study import Misfit, Work

_QUALITY = 72  # of the small JPEGs
SIDE = 144  # pixels of the longer side
_LARGE, _SMALL = 184, 104  # of a work that is studied, and of its neighbors
_LINE, _EDGE, _WIDTH = (255, 222, 89), (20, 18, 16), 2  # of an outline, in pixels


@dataclass(frozen=True)
class Thumbnail:
    """A small copy of a picture as a page holds it, or why there is none."""

    src: str = ""  # a data: URL
    width: int = 0
    height: int = 0
    error: str = ""


_MISSING = Thumbnail(error="the file is missing or is no picture; see 'artsim inspect'")


class PageThumbnails:
    """Small copies for a page, each made once and in threads."""

    def __init__(self, files: Iterable[tuple[Path, int]], *, workers: int) -> None:
        """Make copies of files, each with its longer side in pixels."""
        wanted = list(dict.fromkeys(files))
        with ThreadPoolExecutor(workers) as pool:
            made = pool.map(lambda each: thumbnail(*each), wanted)
            self._made = dict(zip(wanted, made, strict=True))

    @classmethod
    def of_works(
        cls,
        found: Sequence[Misfit],
        *,
        workers: int,
        alone: Sequence[Work] = (),
    ) -> PageThumbnails:
        """Make large copies of works, found or alone, and small ones of their neighbors."""
        large = [*alone, *(each.work for each in found)]
        small = [near.work for each in found for near in each.shown]
        sides = [*((work, _LARGE) for work in large), *((work, _SMALL) for work in small)]
        files = ((file_of(work.image), side) for work, side in sides)
        return cls(((file, side) for file, side in files if file is not None), workers=workers)

    def __len__(self) -> int:
        return len(self._made)

    def __call__(self, file: Path, side: int = SIDE) -> Thumbnail:
        """Return the copy of a file; that there is none, if it is not among those named first."""
        return self._made.get((file, side), _MISSING)

    def large(self, work: Work) -> Thumbnail:
        """Return the copy of a work that is studied."""
        return self._of(work, _LARGE)

    def small(self, work: Work) -> Thumbnail:
        """Return the copy of a neighbor."""
        return self._of(work, _SMALL)

    def _of(self, work: Work, side: int) -> Thumbnail:
        file = file_of(work.image)
        return _MISSING if file is None else self(file, side)


def thumbnail(file: Path, side: int = SIDE, box: Box | None = None) -> Thumbnail:
    """Make a small copy for a page, its longer side in pixels, or say that there is none.

    The page does not say why: it may be published, and the reason has paths and bytes of files.
    """
    try:
        picture = small_copy(file, side)
    except ImageError:
        return _MISSING
    return embedded(picture if box is None else outline(picture, box))


def embedded(picture: Image.Image) -> Thumbnail:
    """Put a small RGB image into a page."""
    return Thumbnail(data_url(picture, quality=_QUALITY), picture.width, picture.height)


def data_url(picture: Image.Image, *, quality: int | None = None) -> str:
    """Write an RGB image as a ``data:`` URL: a JPEG of that quality, or a PNG if None."""
    out = io.BytesIO()
    if quality is None:
        picture.save(out, "PNG")
    else:
        picture.save(out, "JPEG", quality=quality)
    kind = "png" if quality is None else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode('ascii')}"


def small_copy(source: Path | bytes, side: int, *, enlarge: bool = False) -> Image.Image:
    """Fit an image into a square of ``side`` pixels, its aspect kept; the copy is RGB and upright.

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
    """Draw a box, in percent, on an upright and whole RGB image, in place.

    It is light with a dark edge, visible on any ground.
    """
    left, top, right, bottom = box.edges(*picture.size)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left, top, right - 1, bottom - 1), outline=_EDGE, width=_WIDTH + 2)
    draw.rectangle((left + 1, top + 1, right - 2, bottom - 2), outline=_LINE, width=_WIDTH)
    return picture
