"""How a command says that one score is above another, and whether that is noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artsim.datatypes import Estimate
    from artsim.metrics import Difference


_SMALL = 0.001  # p-values are shown from here on


def signed(change: Estimate, digits: int = 3) -> str:
    """Write a difference with its interval, if it has one."""
    value = f"{change.value:+.{digits}f}"
    if math.isnan(change.low):
        return value
    return f"{value} ({change.low:+.{digits}f} to {change.high:+.{digits}f})"


def compared(
    found: Difference, name: str, other: str, *, is_error: bool = False, digits: int = 3
) -> str:
    """Write how much the score ``name`` is above the ``other``, and whether that is noise."""
    change = found.estimate
    if math.isnan(change.low):
        return f"{signed(change, digits)}, no interval is known"
    size = signed(change, digits)
    if found.p is not None:
        p = f"p {found.p:.3f}" if found.p >= _SMALL else f"p < {_SMALL}"
        size = f"{size.removesuffix(')')}, {p})"
    better = name if (change.value > 0) != is_error else other
    return f"{size}, {'may be noise' if found.is_noise else f'more than noise: {better} is better'}"
