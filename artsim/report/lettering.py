"""Text in the fonts of the machine: measured, broken into lines, drawn."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import groupby

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Searched in this order among the fonts of the system. Pillow's own font comes last: it is always
# there and has little more than ASCII.
FONT_FILES = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf"),
    *("arial.ttf", "Helvetica.ttc", "NotoSansCJK-Regular.ttc", "NotoSansCJKjp-Regular.otf"),
    *("DroidSansFallbackFull.ttf", "wqy-zenhei.ttc", "wqy-microhei.ttc", "Arial Unicode.ttf"),
    *("PingFang.ttc", "YuGothR.ttc", "msgothic.ttc", "msyh.ttc", "malgun.ttf"),
)

# Letters that Unicode does not take apart into a plain one and an accent.
PLAIN = {
    **dict(zip("ßæÆœŒðþ", ("ss", "ae", "AE", "oe", "OE", "d", "th"), strict=True)),
    **dict(zip("øØłŁđĐ\u0131\u2019\u2013\u2014", "oOlLdDi'--", strict=True)),
}

NOWHERE = "\uffff"  # no font has it: fonts draw it as they draw every missing glyph
ELLIPSIS = "..."  # of dots, because every font has them


def clean(text: str) -> str:
    """Return the text on one line, without control characters, as this machine can draw it.

    A letter that no font here has loses its accent ("É" becomes "E"); one of a script that no font
    here has stays and is drawn as an empty box.
    """
    return "".join(_drawable(character) for character in one_line(text))


def one_line(text: str) -> str:
    """Return the text on one line, without control characters."""
    line = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(character for character in line if unicodedata.category(character)[0] != "C")


def text_width(text: str, size: int) -> float:
    """Measure cleaned text, in pixels."""
    return sum(font.getlength(run) for font, run in _runs(text, size))


def draw_text(
    draw: ImageDraw.ImageDraw,
    position: tuple[float, float],
    text: str,
    size: int,
    color: tuple[int, int, int],
) -> None:
    """Draw cleaned text, its left end on the baseline at ``position``."""
    x, y = position
    for font, run in _runs(text, size):
        draw.text((x, y), run, color, font, anchor="ls")
        x += font.getlength(run)


def wrap(text: str, size: int, width: float, lines: int) -> list[str]:
    """Break cleaned text into at most ``lines`` lines; what does not fit ends in dots.

    Lines break between words; a word longer than a line, and text in scripts without spaces,
    break anywhere.
    """
    broken: list[str] = []
    while text:
        if text_width(text, size) <= width:
            return [*broken, text]
        if len(broken) == lines - 1:
            kept = _fitting(text, size, width - text_width(ELLIPSIS, size))
            return [*broken, text[:kept].rstrip() + ELLIPSIS]
        kept = max(1, _fitting(text, size, width))
        space = text.rfind(" ", 0, kept + 1)
        kept = space if space > 0 else kept
        broken.append(text[:kept].rstrip())
        text = text[kept:].lstrip()
    return broken


def _drawable(character: str) -> str:
    if _font_of(character) is not None:
        return character
    plain = PLAIN.get(character) or unicodedata.normalize("NFKD", character)
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return kept if kept and all(_font_of(c) is not None for c in kept) else character


def _fitting(text: str, size: int, width: float) -> int:
    """Count the characters of the text that fit into the width."""
    ends = range(1, len(text) + 1)
    return bisect_right(ends, width, key=lambda end: text_width(text[:end], size))


def _runs(text: str, size: int) -> Iterator[tuple[Font, str]]:
    """Split the text into stretches that one font can draw."""
    for name, characters in groupby(text, key=_font_of):
        yield _font(name or "", size), "".join(characters)


@cache
def _font_of(character: str) -> str | None:
    """Name the first font that has the character; '' is Pillow's own, None no font at all."""
    for name in _fonts():
        font = _font(name, 12)
        if character == " " or _drawn(font, character) not in (_drawn(font, NOWHERE), b""):
            return name
    return None


@cache
def _fonts() -> tuple[str, ...]:
    """List the fonts of the machine, Pillow's own last."""
    found = []
    for name in FONT_FILES:
        with suppress(OSError):
            ImageFont.truetype(name)
            found.append(name)
    return (*found, "")


@cache
def _font(name: str, size: int) -> Font:
    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)


def _drawn(font: Font, character: str) -> bytes:
    return bytes(font.getmask(character))
