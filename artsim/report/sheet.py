"""The contact sheet: a query, large, next to its results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from artsim.datatypes import Box
from artsim.errors import ImageError, StoreError
from artsim.report.heat import overlay
from artsim.report.lettering import clean, draw_text, wrap
from artsim.report.thumbnails import outline, small_copy
from artsim.store import write_whole

if TYPE_CHECKING:
    from artsim.explain import Regions

# All sizes are in pixels.
TILE = 220  # the square that a match is fitted into
QUERY = 400  # the square that the query is fitted into
MARGIN = 32  # around the sheet and between the query and the matches
GUTTER = 24  # between the matches
GAP = 6  # between a picture and the regions that made the match
LETTER = 14  # height of the letters
LINE = 19  # from one line of a caption to the next
LINES_MAX = 2  # lines that one entry of a caption may take

PAPER = (250, 249, 246)
INK = (38, 36, 34)
GRAY = (112, 108, 102)
HAIRLINE = (214, 211, 204)
BLANK = (236, 234, 229)  # where a picture is missing


@dataclass(frozen=True)
class Tile:
    """A picture and what is written below it."""

    image: Path | bytes | None  # a file, the bytes of one, or None if there is no picture
    caption: tuple[str, ...] = ()  # the first entry stands out
    why: tuple[Regions, ...] = ()  # drawn small, side by side below it
    box: Box | None = None  # outlined, in percent


@dataclass(frozen=True)
class _Block:
    """A tile ready to be drawn."""

    picture: Image.Image
    lines: list[tuple[str, bool]]  # with whether it stands out

    @property
    def caption_height(self) -> int:
        return LINE * len(self.lines) + (LINE // 2 if self.lines else 0)


def contact_sheet(
    query: Tile | Sequence[Tile] | None,
    matches: Sequence[Tile],
    *,
    columns: int | None = None,
    groups: Sequence[int] = (),
) -> Image.Image:
    """Draw a query and its matches, the best first, row by row; the sheet is RGB.

    Pictures keep their aspect. One that is missing or cannot be decoded becomes a blank with the
    reason. Captions can be in any script; what no font of the machine has is drawn as boxes.
    Several queries are drawn below each other; without ``columns`` the sheet is wide. ``groups``
    are the sizes of groups of matches: one is on a single row where that is long enough.
    """
    queries = [query] if isinstance(query, Tile) else list(query or ())
    columns = columns or max(1, min(len(matches), math.ceil(math.sqrt(1.8 * len(matches)))))
    left = MARGIN + QUERY + 2 * MARGIN if queries else MARGIN
    blocks = [_block(tile, TILE) for tile in matches]
    rows = _rows(blocks, columns, groups or [1] * len(blocks))
    drawn = [[_block(tile, QUERY if len(queries) == 1 else TILE)] for tile in queries]
    height = max(_height(rows), _height(drawn))
    right = left + columns * (TILE + GUTTER) - GUTTER if matches else left - 2 * MARGIN
    sheet = Image.new("RGB", (max(right, MARGIN) + MARGIN, height + 2 * MARGIN), PAPER)
    _place_rows(sheet, drawn, MARGIN)
    if queries and matches:
        rule = MARGIN + QUERY + MARGIN
        ImageDraw.Draw(sheet).line((rule, MARGIN, rule, MARGIN + height), HAIRLINE)
    _place_rows(sheet, rows, left)
    return sheet


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a sheet; the ending of the name is the format.

    Raises:
        StoreError: If there is no such format, or the file cannot be written.
    """
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise StoreError(f"unknown image format of {path.name!r}; end the name in .png")
    write_whole(path, lambda stream: sheet.save(stream, format=kind))


def _block(tile: Tile, side: int) -> _Block:
    lines: list[tuple[str, bool]] = []
    for number, entry in enumerate(tile.caption):
        wrapped = wrap(clean(entry), LETTER, side, LINES_MAX)
        lines += [(line, number == 0) for line in wrapped]
    picture = _framed(_picture(tile.image, side, tile.box))
    return _Block(_with_heat(picture, tile.why, side) if tile.why else picture, lines)


def _rows(blocks: Sequence[_Block], columns: int, groups: Sequence[int]) -> list[list[_Block]]:
    """Fill rows; a group that does not fit into the rest of one begins the next."""
    rows: list[list[_Block]] = []
    left = iter(blocks)
    for size in groups:
        group = list(islice(left, size))
        if not rows or len(rows[-1]) + min(len(group), columns) > columns:
            rows.append([])
        for block in group:
            if len(rows[-1]) == columns:
                rows.append([])
            rows[-1].append(block)
    return rows


def _height(rows: Sequence[Sequence[_Block]]) -> int:
    return sum(sum(_heights(row)) for row in rows) + GUTTER * max(0, len(rows) - 1)


def _heights(row: Sequence[_Block]) -> tuple[int, int]:
    """Return the height of the tallest picture and of the longest caption."""
    return max(each.picture.height for each in row), max(each.caption_height for each in row)


def _place_rows(sheet: Image.Image, rows: Sequence[Sequence[_Block]], left: int) -> None:
    """Draw rows of blocks below each other; the pictures of a row stand on one line."""
    draw = ImageDraw.Draw(sheet)
    top = MARGIN
    for row in rows:
        tallest, captions = _heights(row)
        foot = top + tallest
        for column, block in enumerate(row):
            x = left + column * (TILE + GUTTER)
            sheet.paste(block.picture, (x, foot - block.picture.height))
            _write(draw, x, foot + LINE // 2 + LETTER, block.lines)
        top = foot + captions + GUTTER


def _write(
    draw: ImageDraw.ImageDraw, x: int, baseline: int, lines: Sequence[tuple[str, bool]]
) -> None:
    """Write lines below each other; each comes with whether it stands out."""
    for place, (text, stands_out) in enumerate(lines):
        color = INK if stands_out else GRAY
        draw_text(draw, (x, baseline + place * LINE), text, LETTER, color)


def _picture(source: Path | bytes | None, side: int, box: Box | None) -> Image.Image:
    """Fit a picture into a square of ``side``, or draw a blank with the reason why not."""
    if source is None:
        return _blank("no picture", side)
    try:
        picture = small_copy(source, side, enlarge=True)
    except ImageError as error:
        return _blank(str(error), side)
    return picture if box is None else outline(picture, box)


def _with_heat(picture: Image.Image, why: Sequence[Regions], side: int) -> Image.Image:
    """Put a picture above the regions that made the match, side by side and equally high."""
    small = [_heated(each, side) for each in why]
    aspects = [one.width / one.height for one in small]
    high = min(round((side - GAP * (len(small) - 1)) / sum(aspects)), side)
    whole = Image.new("RGB", (side, picture.height + GAP + high), PAPER)
    whole.paste(picture, (0, 0))
    left = 0
    for one, aspect in zip(small, aspects, strict=True):
        fitted = one.resize((max(1, round(high * aspect)), high), Image.Resampling.LANCZOS)
        whole.paste(_framed(fitted), (left, picture.height + GAP))
        left += fitted.width + GAP
    return whole


def _heated(regions: Regions, side: int) -> Image.Image:
    try:
        picture = small_copy(regions.image, side, enlarge=True)
        return overlay(picture, regions.contributions, regions.box)
    except ImageError as error:
        return _blank(str(error), side)


def _framed(picture: Image.Image) -> Image.Image:
    """Draw a hairline around a picture: a white one would have no edge."""
    frame = (0, 0, picture.width - 1, picture.height - 1)
    ImageDraw.Draw(picture).rectangle(frame, outline=HAIRLINE)
    return picture


def _blank(reason: str, side: int) -> Image.Image:
    blank = Image.new("RGB", (side, side * 3 // 4), BLANK)
    draw = ImageDraw.Draw(blank)
    lines = wrap(clean(reason), LETTER, side - 2 * GUTTER, 4)
    baseline = (blank.height - LINE * len(lines)) // 2 + LETTER
    _write(draw, GUTTER, baseline, [(line, False) for line in lines])
    return blank
