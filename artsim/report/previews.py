"""Small images in a terminal, by the three protocols of terminals.

kitty's graphics protocol (https://sw.kovidgoyal.net/kitty/graphics-protocol/), iTerm2's inline
images (https://iterm2.com/documentation-images.html) and DEC's sixel
(https://vt100.net/docs/vt3xx-gp/chapter14.html). Each is an escape sequence of a few lines, written
here by hand: term-image allows no Pillow 11, and textual-image lacks iTerm2, writes to the terminal
itself and queries it when imported.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from PIL import Image

_CHUNK = 4096  # characters of a kitty escape sequence, at most
_COLORS = 256  # that a sixel terminal has
_SIXEL = 6  # rows of pixels that a line of sixels draws


class TerminalProtocol(StrEnum):
    """How an image is sent to a terminal."""

    KITTY = "kitty"
    ITERM = "iterm"
    SIXEL = "sixel"


def encode(picture: Image.Image, protocol: TerminalProtocol) -> str:
    """Write an RGB image as the escape sequence that draws it at the cursor, pixel by pixel."""
    match protocol:
        case TerminalProtocol.KITTY:
            return _kitty(picture)
        case TerminalProtocol.ITERM:
            return _iterm(picture)
        case TerminalProtocol.SIXEL:
            return _sixel(picture)


def beside(drawn: str, lines: Sequence[str], *, columns: int, rows: int) -> str:
    """Put lines of text to the right of a drawn image of so many columns, with the gap, and rows.

    The text comes first, so that the terminal has scrolled by the time the image is drawn.
    """
    count = max(rows, len(lines))
    padded = [*lines, *[""] * (count - len(lines))]
    text = "".join(f"{' ' * columns}{line}\n" for line in padded)
    if not drawn:
        return text
    # Up to the first line, draw, and back to where the text ended.
    return f"{text}\x1b[{count}A\r\x1b7{drawn}\x1b8\x1b[{count}B\r"


def _kitty(picture: Image.Image) -> str:
    """Send a PNG in chunks, transmitted and shown at once, the cursor left where it is."""
    data = base64.b64encode(_png(picture)).decode("ascii")
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    written = []
    for place, chunk in enumerate(chunks):
        keys = f"m={int(place < len(chunks) - 1)}"
        if place == 0:  # q=2: no answer, which would be typed into the shell
            keys = f"a=T,f=100,C=1,q=2,{keys}"
        written.append(f"\x1b_G{keys};{chunk}\x1b\\")
    return "".join(written)


def _iterm(picture: Image.Image) -> str:
    png = _png(picture)
    keys = f"size={len(png)};width={picture.width}px;height={picture.height}px;inline=1"
    return f"\x1b]1337;File={keys}:{base64.b64encode(png).decode('ascii')}\x07"


def _sixel(picture: Image.Image) -> str:
    """Write the palette, then each six rows of pixels, color over color."""
    reduced = picture.convert("RGB").quantize(_COLORS, dither=Image.Dither.FLOYDSTEINBERG)
    palette = np.array(reduced.getpalette() or [0, 0, 0]).reshape(-1, 3)
    codes = np.asarray(reduced)  # (H, W)
    height, width = codes.shape
    out = [f'\x1bP0;1;0q"1;1;{width};{height}']
    for code in np.unique(codes):
        red, green, blue = np.rint(palette[code] * 100 / 255).astype(int)  # percent
        out.append(f"#{code};2;{red};{green};{blue}")
    for top in range(0, height, _SIXEL):
        band = codes[top : top + _SIXEL]
        bits = 1 << np.arange(len(band))[:, None]
        lines = [
            f"#{code}{_run_lengths(((band == code) * bits).sum(axis=0))}"
            for code in np.unique(band)
        ]
        out.append("$".join(lines) + "-")
    return "".join(out) + "\x1b\\"


def _run_lengths(sixels: np.ndarray[tuple[int], np.dtype[np.int64]]) -> str:
    starts = np.flatnonzero(np.diff(sixels, prepend=-1))
    counts = np.diff(starts, append=len(sixels))
    return "".join(
        f"!{count}{chr(63 + value)}" if count > 3 else chr(63 + value) * count
        for value, count in zip(sixels[starts].tolist(), counts.tolist(), strict=True)
    )


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
