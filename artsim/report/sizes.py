"""Figures of how large pictures are, and of what shape; each caption says what it shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import bytes_text
from artsim.report.figures import Drawing, histogram

_ASPECTS = {0.25: "1:4", 0.5: "1:2", 2 / 3: "2:3", 1.0: "1:1", 1.5: "3:2", 2.0: "2:1", 4.0: "4:1"}
_FIGURES = {  # title and unit
    "megapixels": ("Megapixels", "megapixels"),
    "aspect": ("Width / height", "width : height"),
    "file_bytes": ("File size", "file size"),
}


def draw_sizes(measures: Mapping[str, NDArray[np.float64]]) -> Iterator[Drawing]:
    """Draw the distribution of each measure that is given, (N,): megapixels, aspect, file_bytes."""
    for name, (title, unit) in _FIGURES.items():
        if name not in measures:
            continue
        ends = np.quantile(measures[name], (0, 0.05, 0.5, 0.95, 1)).tolist()
        least, low, middle, high, most = (size_text(name, each) for each in ends)
        spread = (
            f"the median is {middle}; 90% of the pictures lie between {low} and {high}, all "
            f"between {least} and {most}"
        )
        if least == most:
            spread = f"all pictures have the same, {middle}"
        yield histogram(
            measures[name],
            title=title,
            description=f"{title}: {spread}.",
            unit=unit,
            ticks=_aspect if name == "aspect" else partial(size_text, name),
            marks=tuple(_ASPECTS) if name == "aspect" else (),
        )


def size_text(name: str, value: float) -> str:
    """Write a measure of a picture for people."""
    if name == "file_bytes":
        return bytes_text(value)
    if name in ("width", "height"):
        return f"{value:,.0f}"
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _aspect(value: float) -> str:
    nearest = min(_ASPECTS, key=lambda each: abs(each - value))
    return _ASPECTS[nearest] if abs(nearest - value) < 1e-6 else f"{value:.2f}"
