"""Small figures for pages: inline SVG that takes its colors and fonts from the page.

Drawn by matplotlib. A figure says in words what it shows (``<title>`` and ``<desc>``).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from artsim.errors import StoreError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colors that stand for the page's own until the SVG is written.
_COLORS = {"#010203": "var(--ink)", "#010204": "var(--faint)", "#010205": "var(--accent)"}
_INK, _FAINT, _ACCENT = _COLORS

_SIZE_INCHES = (4.4, 2.5)  # narrow enough for a phone at full size
_BINS = 36
_FEW = 8  # settings that are each written at the axis
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # letters stay letters: they can be read out, searched and restyled
    "text.parse_math": False,
    "font.size": 9.5,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


@dataclass(frozen=True)
class Drawing:
    """A figure for a page, and what it shows in words."""

    svg: Markup  # an <svg> element
    caption: str


def histogram(
    values: NDArray[np.floating],
    *,
    title: str,
    description: str,
    unit: str,
    ticks: Callable[[float], str],
    marks: Sequence[float] = (),
) -> Drawing:
    """Draw the distribution of values above 0, shape (N,), on a logarithmic axis.

    ``unit`` stands below the axis, and ``ticks`` writes its values: those of ``marks``, or round
    ones.

    Raises:
        StoreError: If matplotlib is not installed.
    """
    low, high = _ends(values)
    edges = np.geomspace(low, high, _BINS + 1)

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

        axes.hist(values, bins=edges.tolist(), color=_ACCENT, rwidth=0.9)
        axes.axvline(float(np.median(values)), color=_INK, linewidth=1, linestyle=(0, (3, 3)))
        axes.set_xscale("log")
        shown = [mark for mark in marks or _round_values(low, high) if low <= mark <= high]
        axes.xaxis.set_major_locator(FixedLocator(shown or [float(np.median(values))]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: ticks(value)))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_xlabel(unit)

    return _figure(draw, title, description)


def curve(
    settings: Sequence[float],
    scores: Sequence[float],
    chosen: float,
    *,
    title: str,
    description: str,
    unit: str,
    ticks: Callable[[float], str],
) -> Drawing:
    """Draw the score of each setting, on a logarithmic axis, and mark the one that was chosen.

    The settings are above 0 and rise; ``unit`` stands below their axis, and ``ticks`` writes a
    score.

    Raises:
        StoreError: If matplotlib is not installed.
    """
    marks = list(settings) if len(settings) <= _FEW else None

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

        axes.plot(settings, scores, color=_ACCENT, linewidth=1.8, marker="o", markersize=3)
        at = min(range(len(settings)), key=lambda i: abs(settings[i] - chosen))
        axes.axvline(settings[at], color=_INK, linewidth=1, linestyle=(0, (3, 3)))
        axes.plot(settings[at], scores[at], color=_INK, marker="o", markersize=6)
        axes.set_xscale("log")
        if marks is not None:
            axes.xaxis.set_major_locator(FixedLocator(marks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: ticks(value)))
        axes.set_xlabel(unit)

    return _figure(draw, title, description)


def lines(
    at: Sequence[float],
    *drawn: Sequence[float],
    title: str,
    description: str,
    unit: str,
    ticks: Callable[[float], str],
    share: bool = False,
) -> Drawing:
    """Draw values along whole numbers that rise: the first as a line, a second one dashed.

    ``unit`` stands below the axis, ``ticks`` writes a value; a ``share`` is shown from 0 to 1.

    Raises:
        StoreError: If matplotlib is not installed.
    """

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        styles = ((_ACCENT, "-"), (_INK, (0, (3, 3))))
        for values, (color, style) in zip(drawn, styles, strict=False):
            marker = "o" if len(at) <= _FEW else None
            axes.plot(
                at, values, color=color, linestyle=style, linewidth=1.8, marker=marker,
                markersize=3,
            )  # fmt: skip
        if share:
            axes.set_ylim(-0.02, 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: ticks(value)))
        axes.set_xlabel(unit)

    return _figure(draw, title, description)


def require_matplotlib() -> None:
    """Pass where figures can be drawn.

    Raises:
        StoreError: If matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401  # only whether it is installed
    except ImportError as error:
        raise StoreError(
            "a page with figures needs matplotlib; install it with pip install 'artsim[report]'"
        ) from error


def _figure(draw: Callable[[Axes], None], title: str, description: str) -> Drawing:
    """Let axes be drawn on in the style of the page."""
    require_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": title}):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes: Axes = figure.add_subplot()
        draw(axes)
        axes.grid(axis="y", color=_FAINT, alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return Drawing(_for_page(out.getvalue(), title, description), description)


def _ends(values: NDArray[np.floating]) -> tuple[float, float]:
    """Choose where the axis begins and ends; at least a factor of two apart."""
    low, high = float(values.min()), float(values.max())
    if high < 2 * low:
        middle = (low * high) ** 0.5
        low, high = middle / 2**0.5, middle * 2**0.5
    return low * 0.97, high * 1.03


def _round_values(low: float, high: float) -> list[float]:
    """List 1, 2, 5, 10, 20, ... between the ends, every other one where there are many."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    values = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    values = [value for value in values if low <= value <= high]
    every = 1 + len(values) // 7
    return values[::every]


def _for_page(svg: str, title: str, description: str) -> Markup:
    """Make a whole SVG file into an element of a page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for stand_in, color in _COLORS.items():
        svg = svg.replace(stand_in, color)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)  # would be the whole page's
    svg = re.sub(r' id="[\w.]+_\d+"', "", svg)  # nothing refers to these, and figures share them
    svg = re.sub(r" font-family: [^;\"]*;", "", svg)
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    head = re.search(r'viewBox="([^"]*)"', svg)
    body = svg[svg.index(">") + 1 :]
    label = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    return Markup(f'<svg role="img" viewBox="{head[1] if head else ""}">{label}{body}')
