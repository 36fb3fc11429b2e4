"""The page about a collection: findings, labels and their baselines, classes, sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from artsim import __version__, places
from artsim.datatypes import bytes_text
from artsim.inspection import (
    Example,
    Finding,
    FindingKind,
    Inspection,
    LabelSummary,
    Sample,
    Weight,
)
from artsim.report.figures import Drawing, histogram
from artsim.report.pages import render
from artsim.report.thumbnails import SIDE, PageThumbnails

_ASPECTS = {0.25: "1:4", 0.5: "1:2", 2 / 3: "2:3", 1.0: "1:1", 1.5: "3:2", 2.0: "2:1", 4.0: "4:1"}
_UNSEEN = (  # their reason says it all
    FindingKind.NOT_A_PICTURE,
    FindingKind.UNSUPPORTED,
    FindingKind.DAMAGED,
    FindingKind.SHORTAGE,
)
_SHOWN = 8  # pictures of one example of a finding


def inspection_page(inspection: Inspection) -> str:
    """Write the page: one HTML file with small copies of pictures below the collection's folder.

    Raises:
        StoreError: If matplotlib is not installed.
    """
    of_weight = {
        weight.value: [found for found in inspection.findings if found.kind.weight is weight]
        for weight in Weight
    }
    files = [file for sample in inspection.samples for file in sample.files]
    for finding in inspection.findings:
        files += [file for example in finding.examples for file in _files(finding, example)]
    root = places.real_path(inspection.root)
    sized = ((file, SIDE) for file in files if places.is_below(file, [root]))
    quantiles = inspection.sizes.quantiles()
    return render(
        "inspection.html",
        found=inspection,
        by_weight={weight: list(map(_finding, found)) for weight, found in of_weight.items()},
        totals={weight: sum(f.count for f in found) for weight, found in of_weight.items()},
        classes=list(_classes(inspection)),
        thumbnails=PageThumbnails(sized, workers=inspection.settings.workers),
        quantiles=quantiles,
        figures=list(_figures(inspection)) if quantiles else [],
        measure=_measure,
        version=__version__,
    )


def _finding(finding: Finding) -> dict[str, Any]:
    examples: list[dict[str, Any]] = [
        {
            "names": example.names[:_SHOWN],
            "more": len(example.names) - _SHOWN,
            "files": list(zip(example.names, _files(finding, example), strict=False)),
            "detail": example.detail,
        }
        for example in finding.examples
    ]
    return {
        "title": finding.kind.summary,
        "advice": finding.kind.advice,
        "count": finding.count,
        "examples": examples,
        "gallery": all(len(example["files"]) == 1 for example in examples),
    }


def _files(finding: Finding, example: Example) -> tuple[Path, ...]:
    return () if finding.kind in _UNSEEN else example.files[:_SHOWN]


def _classes(inspection: Inspection) -> Iterator[tuple[LabelSummary, list[tuple[Sample, int]]]]:
    """Yield each label with the samples of its classes and their counts."""
    labels = {label.name: label for label in inspection.labels}
    for name, samples in groupby(inspection.samples, key=lambda sample: sample.label):
        counts = dict(labels[name].classes)
        yield labels[name], [(sample, counts[sample.class_]) for sample in samples]


def _figures(inspection: Inspection) -> Iterator[Drawing]:
    quantiles, measures = inspection.sizes.quantiles(), inspection.sizes.measures
    for name, title, unit in (
        ("megapixels", "Megapixels", "megapixels"),
        ("aspect", "Width / height", "width : height"),
        ("file_bytes", "File size", "file size"),
    ):
        least, low, middle, high, most = (_measure(name, each) for each in quantiles[name])
        ticks: Callable[[float], str] = partial(_measure, name)
        yield histogram(
            measures[name],
            title=title,
            description=f"{title}: the median is {middle}; 90% of the pictures lie between {low} "
            f"and {high}, all between {least} and {most}.",
            unit=unit,
            ticks=_aspect if name == "aspect" else ticks,
            marks=tuple(_ASPECTS) if name == "aspect" else (),
        )


def _measure(name: str, value: float) -> str:
    if name == "file_bytes":
        return bytes_text(value)
    if name in ("width", "height"):
        return f"{value:,.0f}"
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _aspect(value: float) -> str:
    nearest = min(_ASPECTS, key=lambda each: abs(each - value))
    return _ASPECTS[nearest] if abs(nearest - value) < 1e-6 else f"{value:.2f}"
