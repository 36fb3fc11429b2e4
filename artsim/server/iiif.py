"""IIIF Image API 3.0, level 1: any part of a work's picture at any size, decoded from its file.

The page's viewer zooms by it; with ``--share-iiif`` so do viewers on other websites.
"""

from __future__ import annotations

import io
import math
import re
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from artsim.errors import ImageError, SearchError
from artsim.images import Picture, decode, process_budget, read_bytes
from artsim.report import is_url
from artsim.server import caching
from artsim.server.pictures import hidden_reasons
from artsim.server.room import Room

iiif = APIRouter(prefix="/iiif", tags=["iiif"], include_in_schema=False)

_CONTEXT = "http://iiif.io/api/image/3/context.json"
_TILE = 512  # pixels of a side, for viewers that ask for tiles
_LARGEST = 4096  # pixels of a side that is sent
_KEPT_BYTES = 96 << 20  # of the pixels of the last picture, for the next part of it
_QUALITY = 88
_HEADERS = {"cache-control": "no-cache"}  # it names the address of the server

_Box = tuple[int, int, int, int]  # x, y, width, height


@iiif.get("/{index}/{id:path}/info.json")
def information(request: Request, index: str, id: str) -> Response:
    """Describe the picture of a work: its size, and what can be requested of it."""
    room: Room = request.app.state.museum.room(index)
    (size,) = room.sizes([room.works.row(id)])
    width, height = size["width"], size["height"]
    base = str(request.base_url).rstrip("/")
    factors = [2**n for n in range(math.ceil(math.log2(max(width, height, _TILE) / _TILE)) + 1)]
    described: dict[str, Any] = {
        "@context": _CONTEXT,
        "id": f"{base}/iiif/{quote(index, safe='')}/{quote(id, safe='')}",
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level1",
        "width": width,
        "height": height,
        "maxWidth": _LARGEST,
        "maxHeight": _LARGEST,
        "tiles": [{"width": _TILE, "height": _TILE, "scaleFactors": factors}],
    }
    media = f'application/ld+json;profile="{_CONTEXT}"'
    return JSONResponse(described, headers=_HEADERS, media_type=media)


@iiif.get("/{index}/{id:path}/{region}/{size}/{rotation}/{quality}.{format}")
def part(
    request: Request, index: str, id: str, region: str, size: str, rotation: str, quality: str,
    format: str,
) -> Response:  # fmt: skip
    """Return a part of the picture of a work at some size, as a JPEG."""
    if rotation != "0" or quality not in ("default", "color") or format != "jpg":
        raise SearchError(
            f"{rotation}/{quality}.{format} is not offered; expected 0/default.jpg (level 1)"
        )
    room: Room = request.app.state.museum.room(index)
    row = room.works.row(id)
    (whole,) = room.sizes([row])
    box = read_region(region, whole["width"], whole["height"])
    width, height = read_size(size, box)

    def cut() -> bytes:
        with hidden_reasons(id):
            picture = _decoded(room, row, box, (width, height))
            if (picture.width, picture.height) != (whole["width"], whole["height"]):
                raise ImageError("the file has changed since it was embedded")
            return _jpeg(picture, box, (width, height))

    content = room.works.content(row)
    tag = content and "-".join(map(str, (content, *box, width, height)))
    return caching.picture(request, tag, cut)


@iiif.get("/{index}/{id:path}")
def base(request: Request, index: str, id: str) -> Response:
    """Lead from a picture's address to its description."""
    request.app.state.museum.room(index).works.row(id)
    return RedirectResponse(f"/iiif/{quote(index, safe='')}/{quote(id, safe='')}/info.json", 303)


def read_region(text: str, width: int, height: int) -> _Box:
    """Read the part of a picture of that size; what lies outside is cut off.

    Raises:
        SearchError: If it is none.
    """
    if text == "full":
        return 0, 0, width, height
    if text == "square":
        side = min(width, height)
        return (width - side) // 2, (height - side) // 2, side, side
    found = re.fullmatch(r"(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})", text)
    x, y, w, h = map(int, found.groups()) if found else (0, 0, 0, 0)
    w, h = min(w, width - x), min(h, height - y)
    if w < 1 or h < 1:
        raise SearchError(
            f"{text!r} is no part of a picture of {width} x {height} pixels; "
            "expected full, square or x,y,width,height"
        )
    return x, y, w, h


def read_size(text: str, box: _Box) -> tuple[int, int]:
    """Read the size at which a part is sent: never larger than it is.

    Raises:
        SearchError: If it is none, or too large.
    """
    _, _, width, height = box
    if text in ("max", "full"):
        scale = min(1.0, _LARGEST / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))
    found = re.fullmatch(r"(\d{1,9})?,(\d{1,9})?", text)
    w, h = (int(each) if each else 0 for each in found.groups()) if found else (0, 0)
    if not w and h:
        w = max(1, round(width * h / height))
    elif not h and w:
        h = max(1, round(height * w / width))
    if not 0 < w <= min(width, _LARGEST) or not 0 < h <= min(height, _LARGEST):
        raise SearchError(
            f"{text!r} is no size for {width} x {height} pixels; expected max, or width,height "
            f"of at most that, and at most {_LARGEST}"
        )
    return w, h


class _Last:
    """The last picture decoded: the next request is likely for another part of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: tuple[str, int] | None = None
        self._picture: Picture | None = None

    def get(self, key: tuple[str, int]) -> Picture | None:
        with self._lock:
            return self._picture if self._key == key else None

    def keep(self, key: tuple[str, int], picture: Picture) -> None:
        if picture.pixels.nbytes <= _KEPT_BYTES:
            with self._lock:
                self._key, self._picture = key, picture


_last = _Last()


def _decoded(room: Room, row: int, box: _Box, size: tuple[int, int]) -> Picture:
    """Decode a work's picture at full size, or at 1/2, 1/4 or 1/8 if that is enough for a part."""
    shrunk = min(box[2] / size[0], box[3] / size[1])  # of the part, at least 1
    factor = min(8, 1 << int(math.log2(max(shrunk, 1))))
    key = (room.works.content(row), factor)
    found = _last.get(key)
    if found is not None:
        return found
    ((_, image, _),) = room.works.known([row])
    if image is not None and is_url(image):
        raise ImageError("the picture is on the web")

    def enough(width: int, height: int) -> tuple[int, int]:
        return math.ceil(width / factor), math.ceil(height / factor)

    picture = decode(read_bytes(Path(image or "")), at_least=enough)
    _last.keep(key, picture)
    return picture


def _jpeg(picture: Picture, box: _Box, size: tuple[int, int]) -> bytes:
    from PIL import Image

    rows, columns = picture.pixels.shape[:2]
    across, down = columns / picture.width, rows / picture.height
    x, y, width, height = box
    area = (x * across, y * down, (x + width) * across, (y + height) * down)
    left, top = int(area[0]), int(area[1])
    right, bottom = min(columns, math.ceil(area[2])), min(rows, math.ceil(area[3]))
    part = picture.pixels[top:bottom, left:right]
    inner = (area[0] - left, area[1] - top, min(area[2], columns) - left, min(area[3], rows) - top)
    out = io.BytesIO()
    with process_budget().hold(part.nbytes):  # Pillow takes a copy
        cut = Image.fromarray(part).resize(size, Image.Resampling.LANCZOS, box=inner)
    cut.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
