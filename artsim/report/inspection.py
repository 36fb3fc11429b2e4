"""The page about a collection: findings, labels and their baselines, classes, sizes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from artsim import __version__, places
from artsim.inspection import (
    Example,
    Finding,
    FindingKind,
    Inspection,
    LabelSummary,
    Sample,
    Weight,
)
from artsim.report.pages import render
from artsim.report.sizes import draw_sizes, size_text
from artsim.report.thumbnails import SIDE, PageThumbnails

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
        figures=list(draw_sizes(inspection.sizes.measures)) if quantiles else [],
        measure=size_text,
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
