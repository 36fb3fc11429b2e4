"""The page of a study: how well each label is predicted, where that fails, and why."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim.report.figures import Drawing, curve
from artsim.report.pages import render
from artsim.report.reliability import draw_reliability
from artsim.report.tables import label_tables
from artsim.report.thumbnails import PageThumbnails
from artsim.study import Curve, LabelStudy, Misfit, Study, VectorMap

_SETTINGS = {"k": "Neighbors", "C": "Probe: inverse penalty C", "alpha": "Probe: penalty"}

# Of the map of the vectors.
_HUES = 8  # classes that have a color of their own; as many as the stylesheet has
_MAPS = 24  # classes that have a small map of their own
_SIDE, _MARGIN = 400, 10  # in the units of its viewBox


def study_page(study: Study, command: str, *, workers: int = 2) -> tuple[str, int]:
    """Write the page of a study, made by ``command``; return it and the number of its pictures.

    Raises:
        StoreError: If matplotlib is not installed.
    """
    shown: list[Misfit] = []
    for label in study.labels:
        shown += label.predictions.errors if label.predictions else ()
        shown += label.outliers.works if label.outliers else ()
    alone = [work for work, _ in study.hubs.most]
    thumbnails = PageThumbnails.of_works(shown, workers=workers, alone=alone)
    page = render(
        "study.html",
        study=study,
        labels=[_label(study, label, f"label-{n}") for n, label in enumerate(study.labels)],
        anchors=[(f"label-{n}", label.name) for n, label in enumerate(study.labels)],
        facts=_facts(study),
        thumbnails=thumbnails,
        command=command,
        draw=draw_reliability,
    )
    return page, len(thumbnails)


def _label(study: Study, label: LabelStudy, anchor: str) -> dict[str, Any]:
    return {
        "study": label,
        "anchor": anchor,
        "tables": label_tables(label),
        "curves": [_curve(label, each) for each in label.curves],
        "map": _map(study.map, label) if label.name in study.map.classes else None,
    }


def _facts(study: Study) -> list[tuple[str, str]]:
    taps = "; ".join(
        f"{tap.name} ({', '.join(filter(None, (tap.layer, tap.pooling)))}; {tap.dim:,} dimensions)"
        for tap in study.taps
    )
    return [
        ("Network", study.spec),
        ("Weights", study.weights),
        ("Input of the network", study.preprocessing),
        ("Taps (layer, pooling)", taps),
        ("Evaluated tap", study.tap),
    ]


def _curve(label: LabelStudy, found: Curve) -> Drawing:
    """Draw how the validation score depends on a setting."""
    name = _SETTINGS[found.setting]

    def write(value: float) -> str:
        return f"{value:.3g}" if label.metric == "MAE" else f"{value:.1%}"

    at = min(range(len(found.values)), key=lambda i: abs(found.values[i] - found.chosen))
    chosen = f"{found.chosen:,.0f}" if 100 <= found.chosen < 1e6 else f"{found.chosen:.3g}"
    worst = (max if label.metric == "MAE" else min)(found.scores)
    return curve(
        found.values,
        found.scores,
        found.chosen,
        title=f"{label.name}: {name}",
        description=f"{name}: {chosen} was chosen, with {write(found.scores[at])} on "
        f"{label.split.validation:,} validation pictures; the worst setting has {write(worst)}.",
        unit=name,
        ticks=write,
    )


def _map(found: VectorMap, label: LabelStudy) -> dict[str, Any]:
    """Draw the map of an index by the classes of a label, as paths of an SVG."""
    classes = np.array([name or "" for name in found.classes[label.name]])
    points, view = _fit(found)
    counts = Counter(classes[classes != ""].tolist())
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    drawn = [
        {"name": name, "count": count, "dots": _dots(points[classes == name])}
        for name, count in common[:_MAPS]
    ]
    rest = ~np.isin(classes, [name for name, _ in common[:_HUES]])
    text = (
        f"{len(found.rows):,} pictures on {found.method}. Pictures of one {label.name} that are "
        "close together are similar to the network"
    )
    if label.retrieved is not None:
        share = label.retrieved.scores["P@1"]
        text += f"; the nearest picture has the same {label.name} {share:.1%} of the time"
    return {
        "description": f"{text}.",
        "view": view,
        "all": _dots(points),
        "rest": _dots(points[rest]),
        "common": drawn[:_HUES],
        "classes": drawn,
        "more": len(label.counts) - _MAPS,
    }


def _fit(found: VectorMap) -> tuple[NDArray[np.int64], str]:
    """Fit the dots into the width, aspect kept: shape (n, 2), and the viewBox."""
    points = np.stack([found.x, found.y], axis=1)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (_SIDE - 2 * _MARGIN) / max(float((high - low).max()), 1e-9)
    fitted = _MARGIN + scale * np.stack([points[:, 0] - low[0], high[1] - points[:, 1]], axis=1)
    width, height = np.ceil(scale * (high - low) + 2 * _MARGIN).astype(int)
    return fitted.round().astype(np.int64), f"0 0 {width} {height}"


def _dots(points: NDArray[np.int64]) -> str:
    """Write dots as strokes of no length: only the round cap shows."""
    return "".join(f"M{x} {y}h0" for x, y in points)
