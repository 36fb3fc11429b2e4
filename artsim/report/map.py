"""The map of an index as a picture: points colored by a label, or the pictures themselves."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from artsim.datatypes import ordinal, printable
from artsim.errors import ImageError, StoreError
from artsim.report.captions import is_url
from artsim.report.figures import require_matplotlib
from artsim.report.sheet import PAPER, save_sheet
from artsim.report.thumbnails import small_copy
from artsim.store import write_whole

_LOG = logging.getLogger(__name__)

_INCHES, _DPI = (11.0, 8.0), 150
# The first of Paul Tol's bright and vibrant schemes (https://sronpersonalpages.nl/~pault/), the
# others far from these and each other, also without green vision. All other classes are gray.
_COLORS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee7733", "#009988",
    "#cc3311", "#d24bff", "#f0b4d2", "#4b2dff", "#9687b4", "#0fe1a5", "#874b4b", "#ff69c3",
)  # fmt: skip
_OTHER = "#8d877c"  # three times as dark or light as the paper
# Of classes in order, from low to high: each lighter than the one before, as on the page.
_STEPS = ((110, 64, 170), (70, 110, 180), (33, 145, 140), (94, 201, 98), (232, 195, 30))
_CELLS = 36  # pictures along the longer side
_CELL = 56  # pixels


def draw_points(
    file: Path,
    points: NDArray[np.float32],
    values: Sequence[str | None] | None = None,
    *,
    title: str | None = None,
) -> None:
    """Draw a point for every image, in the color of its class if it is one of the 16 largest.

    Points have shape (N, 2), and NaN is not drawn. The ending of the file's name is the format, and
    the title is written above the classes.

    Raises:
        StoreError: If matplotlib is not installed, or the file cannot be written.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    classes = np.array([value or "" for value in values or [None] * len(points)])
    counts = Counter(classes[classes != ""].tolist())
    most = sorted(counts, key=lambda name: (-counts[name], name))[: len(_COLORS)]
    shown = in_order(most)
    colors = steps(len(shown)) if are_ordered(shown) else _COLORS
    names = class_names(title, shown)
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    axes = figure.add_subplot(aspect="equal", frame_on=False, xticks=[], yticks=[])
    size = float(np.clip(40_000 / max(len(points), 1), 1, 40))  # square points, 1/72 inch
    rest = ~np.isin(classes, shown)
    if rest.any():
        color = _OTHER if shown else _COLORS[0]
        others = sum(counts.values()) - sum(counts[name] for name in shown)
        label = rest_name(others, int(rest.sum()) - others) if shown else None
        x, y = points[rest].T
        axes.scatter(x, y, s=size, color=color, linewidths=0, label=label)
    for name, color in zip(shown, colors, strict=False):
        label = f"{printable(names[name])} ({counts[name]:,})".replace("$", r"\$")  # no formula
        x, y = points[classes == name].T
        axes.scatter(x, y, s=size, color=color, linewidths=0, alpha=0.85, label=label)
    if shown:
        handles = axes.get_legend_handles_labels()[0]
        first = int(rest.any())  # 1 if the others are drawn, below the classes: they come last
        handles = [*handles[first:], *handles[:first]]
        figure.legend(
            handles=handles, loc="outside right upper", title=title, frameon=False, markerscale=2
        )
    kind = file.suffix.removeprefix(".") or "png"
    try:
        with warnings.catch_warnings(record=True, action="always") as lacking:  # a line a letter
            write_whole(file, lambda stream: figure.savefig(stream, format=kind))
        if lacking:
            _LOG.warning("the font lacks letters of some classes, which are drawn as boxes")
    except ValueError as error:
        raise StoreError(f"cannot write the map to {str(file)!r}: {error}; name a .png") from error


def in_order(classes: list[str]) -> list[str]:
    """Sort classes that are numbers, such as centuries; others stay, the most frequent first."""
    return sorted(classes, key=float) if are_ordered(classes) else classes


def are_ordered(classes: Sequence[str]) -> bool:
    """Return whether classes are numbers, such as centuries."""
    try:
        return all(np.isfinite(float(each)) for each in classes)
    except (TypeError, ValueError):
        return False


def steps(classes: int) -> list[str]:
    """Return the colors of classes in order, from low to high."""
    places = np.linspace(0, len(_STEPS) - 1, classes)
    scale = [np.interp(places, range(len(_STEPS)), part) for part in zip(*_STEPS, strict=True)]
    return [
        "#" + "".join(f"{round(part):02x}" for part in each) for each in zip(*scale, strict=True)
    ]


def class_names(label: str | None, classes: Sequence[str]) -> dict[str, str]:
    """Name the classes of a label for people: "19th century" if it is one of centuries."""
    if label is None or not label.lower().startswith("century") or not are_ordered(classes):
        return {each: each for each in classes}
    numbers = [float(each) for each in classes]
    if not all(number.is_integer() for number in numbers):
        return {each: each for each in classes}
    # Only ``ceil(year / 100)`` numbers a century 0: that of the years -99 to 0.
    before = 1 if 0 in numbers else 0
    return {each: _century(int(n), before) for each, n in zip(classes, numbers, strict=True)}


def rest_name(others: int, missing: int) -> str:
    """Name the points that have no color of their own."""
    found = [("others", others), ("no value", missing)]
    return ", ".join(f"{name} ({number:,})" for name, number in found if number)


def _century(number: int, before: int) -> str:
    """Name a century; the first before Christ is number -1, or 0 where one is added to it."""
    if number > 0:
        return f"{ordinal(number)} century"
    return f"{ordinal(before - number)} century BC"


def draw_pictures(
    file: Path,
    points: NDArray[np.float32],
    images: Sequence[str],
    *,
    find: Callable[[str], str | None] = str,
    workers: int = 1,
) -> None:
    """Draw a wall of pictures: in each cell of a grid the one nearest to its middle.

    Points have shape (N, 2), and NaN is not drawn. A picture that is on the web or cannot be read
    is left out. ``find`` returns where one is, see `artsim.search.locate`. The ending of the file's
    name is the format; ``workers`` threads read.

    Raises:
        StoreError: If the file cannot be written.
    """
    local = np.array([not is_url(image) for image in images])
    cells = nearest_to_cells(np.where(local[:, None], points, np.nan), _CELLS)
    height, width = cells.shape
    wall = Image.new("RGB", (width * _CELL, height * _CELL), PAPER)
    filled = np.argwhere(cells >= 0).tolist()

    def read(cell: list[int]) -> Image.Image | None:
        path = find(images[cells[tuple(cell)]])
        try:
            return None if path is None else small_copy(Path(path), _CELL - 2, enlarge=True)
        except ImageError:
            return None

    with ThreadPoolExecutor(max(1, workers)) as pool:
        for (row, column), picture in zip(filled, pool.map(read, filled), strict=True):
            if picture is not None:
                left = column * _CELL + (_CELL - picture.width) // 2
                wall.paste(picture, (left, row * _CELL + (_CELL - picture.height) // 2))
    save_sheet(wall, file)


def nearest_to_cells(points: NDArray[np.floating], cells: int) -> NDArray[np.int64]:
    """Divide the plane into squares and find in each the point nearest to its middle.

    Args:
        points: Shape (N, 2); NaN is nowhere.
        cells: Squares along the longer side.

    Returns:
        Rows of ``points``, shape (down, across), the highest y first; -1 where there is none.
    """
    there = np.flatnonzero(~np.isnan(points).any(axis=1))
    if not len(there):
        return np.full((1, 1), -1)
    placed = points[there].astype(float)
    low, high = placed.min(axis=0), placed.max(axis=0)
    side = max(float((high - low).max()) / cells, 1e-12)
    across, down = np.maximum(np.ceil((high - low) / side - 1e-9), 1).astype(int)
    scaled = (placed - low) / side
    cell = np.minimum(scaled.astype(int), [across - 1, down - 1])
    distance = ((scaled - cell - 0.5) ** 2).sum(axis=1)
    grid = np.full((down, across), -1)
    for at in np.argsort(-distance, kind="stable"):  # the nearest is written last
        grid[down - 1 - cell[at, 1], cell[at, 0]] = there[at]
    return grid
