"""What can be known of a collection before a model sees it: faults, labels, sizes, baselines."""

from artsim.inspection.collection import Inspection, Sample, inspect_collection
from artsim.inspection.columns import Baseline, ColumnSummary, LabelSummary
from artsim.inspection.findings import (
    EXPLANATIONS,
    Example,
    Finding,
    FindingKind,
    FindingText,
    Weight,
)
from artsim.inspection.pictures import Sizes
from artsim.inspection.settings import InspectSettings

__all__ = [
    "EXPLANATIONS",
    "Baseline",
    "ColumnSummary",
    "Example",
    "Finding",
    "FindingKind",
    "FindingText",
    "InspectSettings",
    "Inspection",
    "LabelSummary",
    "Sample",
    "Sizes",
    "Weight",
    "inspect_collection",
]
