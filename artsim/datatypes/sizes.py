"""Sizes of files in words."""

from __future__ import annotations

_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def bytes_text(size: float) -> str:
    """Write bytes with three digits, such as "1.25 MB"."""
    for unit, factor in _UNITS:
        if size >= factor:
            amount = size / factor
            return f"{amount:,.3g} {unit}" if amount < 1000 else f"{amount:,.0f} {unit}"
    return f"{size:,.0f} bytes"
