"""Figures by matplotlib: small ones for pages, and the curves of a training as a PNG.

On a page they are inline SVG with the colors and fonts of the page; each says in words what it
shows (``<title>`` and ``<desc>``). Without matplotlib all raise a StoreError.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from artsim.errors import StoreError
from artsim.store import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from artsim.datatypes import Estimate

# Placeholders, replaced by the page's own colors when the SVG is written.
_COLORS = {"#010203": "var(--ink)", "#010204": "var(--faint)", "#010205": "var(--accent)"}
_INK, _FAINT, _ACCENT = _COLORS

_SIZE_INCHES = (4.4, 2.5)  # narrow enough for a phone at full size
_CURVES_INCHES = (9.0, 3.4)
_DASHED = (0, (3, 3))
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

    ``unit`` is written below the axis, ``ticks`` formats its values: ``marks``, or round ones.
    """
    low, high = _ends(values)
    median = float(np.median(values))

    def draw(axes: Axes) -> None:
        edges = np.geomspace(low, high, _BINS + 1)
        axes.hist(values, bins=edges.tolist(), color=_ACCENT, rwidth=0.9)
        _log_axis(axes, median)
        shown = [mark for mark in marks or _round_values(low, high) if low <= mark <= high]
        axes.set_xticks(shown or [median])
        axes.xaxis.set_major_formatter(lambda value, _: ticks(value))

    return _figure(draw, title, description, unit, "{:,.0f}".format, counts=True)


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

    The settings are above 0 and rise; ``unit`` is written below them, and ``ticks`` formats scores.
    """

    def draw(axes: Axes) -> None:
        axes.plot(settings, scores, color=_ACCENT, linewidth=1.8, marker="o", markersize=3)
        at = min(range(len(settings)), key=lambda i: abs(settings[i] - chosen))
        _log_axis(axes, settings[at])
        axes.plot(settings[at], scores[at], color=_INK, marker="o", markersize=6)
        if len(settings) <= _FEW:
            axes.set_xticks(settings)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")

    return _figure(draw, title, description, unit, ticks)


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

    ``unit`` is written below the axis, ``ticks`` formats values; a ``share`` is shown from 0 to 1.
    """

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        marker = "o" if len(at) <= _FEW else None
        for values, color, dash in zip(drawn, (_ACCENT, _INK), ("-", _DASHED), strict=False):
            style: Any = {"color": color, "linestyle": dash, "marker": marker, "markersize": 3}
            axes.plot(at, values, linewidth=1.8, **style)
        if share:
            axes.set_ylim(-0.02, 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))

    return _figure(draw, title, description, unit, ticks)


def reliability(
    confidence: Sequence[float],
    accuracy: Sequence[Estimate],
    *,
    title: str,
    description: str,
) -> Drawing:
    """Draw the accuracy of predictions, with its interval, against their mean confidence.

    Calibrated probabilities are on the dashed diagonal; above it they are too low.
    """

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=_INK, linewidth=1, linestyle=_DASHED)
        lows, highs = [each.low for each in accuracy], [each.high for each in accuracy]
        axes.vlines(confidence, lows, highs, color=_ACCENT, linewidth=1.2)
        values = [each.value for each in accuracy]
        axes.plot(confidence, values, color=_ACCENT, linewidth=1.8, marker="o", markersize=4)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="accuracy")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")

    return _figure(draw, title, description, "mean confidence", "{:.0%}".format)


def save_curves(rows: Sequence[Mapping[str, float]], file: Path) -> None:
    """Draw the losses of a training at the left and validation scores at the right, as a PNG.

    A row is an epoch: ``epoch`` from 0, ``train_loss``, ``val_loss`` and ``val_TASK``.

    Raises:
        StoreError: If matplotlib is not installed, or the file cannot be written.
    """
    require_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=_CURVES_INCHES, layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [int(row["epoch"]) + 1 for row in rows]
    for name, style in (("train_loss", "--"), ("val_loss", "-")):
        left.plot(epochs, [row[name] for row in rows], style, label=name.partition("_")[0])
    for name in rows[0]:
        if name.startswith("val_") and name != "val_loss":
            right.plot(epochs, [row[name] for row in rows], label=name.removeprefix("val_"))
    right.set_ylim(0, 1)
    for axes, title in ((left, "loss"), (right, "validation score")):
        axes.set(xlabel="epoch", title=title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)
    write_whole(file, lambda stream: figure.savefig(stream, format="png", dpi=120))


def save_confusion_figure(
    classes: Sequence[str], counts: Sequence[Sequence[int]], title: str, file: Path
) -> None:
    """Draw a confusion matrix as a PNG: each cell its share of the pictures of the true class.

    Raises:
        StoreError: If matplotlib is not installed, or the file cannot be written.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    matrix = np.asarray(counts, dtype=np.float64)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 3.0 + 0.28 * len(classes)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    places = range(len(classes))
    axes.set_xticks(places, classes, rotation=90)
    axes.set_yticks(places, classes)
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    figure.colorbar(drawn, label="share of the true class", fraction=0.04)
    write_whole(file, lambda stream: figure.savefig(stream, format="png", dpi=120))


def require_matplotlib() -> None:
    """Pass where figures can be drawn.

    Raises:
        StoreError: If matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401  # only whether it is installed
    except ImportError as error:
        raise StoreError(
            "figures need matplotlib; install it with pip install 'artsim[report]'"
        ) from error


def _figure(
    draw: Callable[[Axes], None],
    title: str,
    description: str,
    unit: str,
    ticks: Callable[[float], str],
    *,
    counts: bool = False,
) -> Drawing:
    """Draw on axes in the style of the page; ``ticks`` formats the values of the vertical one."""
    require_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": title}):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes: Axes = figure.add_subplot()
        draw(axes)
        axes.set_xlabel(unit)
        axes.yaxis.set_major_locator(MaxNLocator(4 if counts else 5, integer=counts))
        axes.yaxis.set_major_formatter(lambda value, _: ticks(value))
        axes.grid(axis="y", color=_FAINT, alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return Drawing(_for_page(out.getvalue(), title, description), description)


def _log_axis(axes: Axes, mark: float) -> None:
    """Make the horizontal axis logarithmic, and mark a value on it."""
    axes.axvline(mark, color=_INK, linewidth=1, linestyle=_DASHED)
    axes.set_xscale("log")
    axes.minorticks_off()


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
