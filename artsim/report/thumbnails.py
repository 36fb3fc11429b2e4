"""Small copies of images: to be drawn, or put into a page."""

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

if TYPE_CHECKING:
    from artsim.study import Outlier, PredictionError, Work

_QUALITY = 72  # of the small JPEGs
_SIDE = 144  # pixels of the longer side
_LARGE, _SMALL = 184, 104  # of a work that is looked at, and of its neighbors
_LINE, _EDGE, _WIDTH = (255, 222, 89), (20, 18, 16), 2  # of an outline, in pixels


@dataclass(frozen=True)
class Thumbnail:
    """A small copy of an image as a page holds it, or why there is none."""

    src: str = ""  # a data: URL
    width: int = 0
    height: int = 0
    error: str = ""


class PageThumbnails:
    """Small copies, each made once and in threads."""

    def __init__(self, files: Iterable[Path], *, workers: int, side: int = _SIDE) -> None:
        """Make them, their longer side in pixels."""
        wanted = list(dict.fromkeys(files))
        with ThreadPoolExecutor(workers) as pool:
            made = pool.map(lambda file: thumbnail(file, side), wanted)
            self._made = dict(zip(wanted, made, strict=True))

    def __len__(self) -> int:
        return len(self._made)

    def __call__(self, file: Path) -> Thumbnail:
        """Return the small copy of one of the files."""
        return self._made[file]


class WorkThumbnails:
    """The works of a page: large where they are looked at, small as neighbors."""

    def __init__(
        self,
        found: Sequence[PredictionError | Outlier],
        workers: int,
        *,
        alone: Sequence[Work] = (),
    ) -> None:
        """Make those of works shown with their neighbors, and of works shown alone."""
        large = [*alone, *(each.work for each in found)]
        small = [near.work for each in found for near in each.shown]
        self._large = PageThumbnails((Path(w.image) for w in large), workers=workers, side=_LARGE)
        self._small = PageThumbnails((Path(w.image) for w in small), workers=workers, side=_SMALL)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._large) + len(self._small)

    def large(self, work: Work) -> Thumbnail:
        """Return a work that is looked at."""
        return self._large(Path(work.image))

    def small(self, work: Work) -> Thumbnail:
        """Return a neighbor."""
        return self._small(Path(work.image))


def thumbnail(file: Path, side: int = _SIDE, box: Box | None = None) -> Thumbnail:
    """Make a small copy for a page, its longer side in pixels, or say why there is none."""
    try:
        picture = small_copy(file, side)
    except ImageError as error:
        return Thumbnail(error=str(error))
    return embedded(picture if box is None else outline(picture, box))


def embedded(picture: Image.Image) -> Thumbnail:
    """Put a small RGB image into a page."""
    return Thumbnail(data_url(picture, quality=_QUALITY), picture.width, picture.height)


def data_url(picture: Image.Image, *, quality: int) -> str:
    """Write an RGB image as a JPEG in a ``data:`` URL."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"


def small_copy(source: Path | bytes, side: int, *, enlarge: bool = False) -> Image.Image:
    """Fit an image into a square of ``side`` pixels, its aspect kept; the copy is RGB and upright.

    Raises:
        ImageError: If it is not an image that can be decoded whole.
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
    """Draw a box, in per cent, on an upright and whole RGB image, in place.

    It is light with a dark edge, visible on any ground.
    """
    left, top, right, bottom = box.edges(*picture.size)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left, top, right - 1, bottom - 1), outline=_EDGE, width=_WIDTH + 2)
    draw.rectangle((left + 1, top + 1, right - 2, bottom - 2), outline=_LINE, width=_WIDTH)
    return picture
