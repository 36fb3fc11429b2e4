"""Pictures with black bars, found in their pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLACK = 12  # of 255: the brightest channel of a bar
_RIPPLE = 48  # of 255: what JPEG adds to a bar beside its edge
_BAR_SHARE = 0.02  # of a side: a thinner bar is a frame or a scan's edge
_SOLID = 0.98  # of the pixels in a line of a bar
_EDGE = 0.5  # of the pixels in a line beside a bar are not black: it ends straight
_REACH = 8  # lines that a picture may take to begin, for the sake of dark frames
_UNEQUAL = 0.02  # of a side: how much wider one of the two bars may be


@dataclass(frozen=True, slots=True)
class Bars:
    """Black bars at two opposite edges of a picture."""

    where: str  # 'left and right' or 'above and below'
    share: float  # of the picture
    inside: tuple[slice, slice]  # the rows and columns between them


def black_bars(pixels: NDArray[np.uint8]) -> Bars | None:
    """Find black bars at two opposite edges, such as those added to make a picture square.

    Each is black throughout and ends in a straight line, and both are equally wide. A dark
    background is no bar: its edge follows what is in front of it.

    Args:
        pixels: Shape (H, W, 3).
    """
    brightest = pixels.max(axis=2)  # (H, W)
    everything = slice(None)
    if (rows := _between(brightest)) is not None:
        return Bars("above and below", _outside(rows, len(brightest)), (rows, everything))
    if (columns := _between(brightest.T)) is not None:
        share = _outside(columns, brightest.shape[1])
        return Bars("left and right", share, (everything, columns))
    return None


def _between(brightest: NDArray[np.uint8]) -> slice | None:
    """Find the rows between a bar at the top and one at the bottom."""
    n = len(brightest)
    least = max(2.0, _BAR_SHARE * n)
    top, bottom = _bar(brightest, least), _bar(brightest[::-1], least)
    if not top or not bottom or abs(top - bottom) > max(2.0, _UNEQUAL * n):
        return None
    return slice(top, n - bottom)


def _bar(brightest: NDArray[np.uint8], least: float) -> int:
    """Count the rows of a bar at the top; 0 if there is none, or it does not end in a line."""
    light = (brightest > _BLACK).mean(axis=1)  # (rows,)
    ends = light >= _EDGE
    if not ends.any() or (light > 1 - _SOLID).argmax() < least:
        return 0
    end = int(ends.argmax())
    # What is brighter than a ripple is the picture: in a line, or else it has the bar's color.
    picture = (brightest[:end] > _RIPPLE).mean(axis=1) > 1 - _SOLID
    return end if not picture.any() or end - picture.argmax() <= _REACH else 0


def _outside(between: slice, n: int) -> float:
    return float(n - between.stop + between.start) / n
