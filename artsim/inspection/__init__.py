"""What can be known of a collection before a model sees it: faults, labels, sizes, baselines."""

from artsim.inspection.collection import Inspection, Sample, inspect_collection
from artsim.inspection.columns import Baseline, Column, Label
from artsim.inspection.findings import EXPLANATIONS, Example, Explanation, Finding, Kind, Weight
from artsim.inspection.pictures import Sizes
from artsim.inspection.settings import InspectSettings

__all__ = [
    "EXPLANATIONS",
    "Baseline",
    "Column",
    "Example",
    "Explanation",
    "Finding",
    "InspectSettings",
    "Inspection",
    "Kind",
    "Label",
    "Sample",
    "Sizes",
    "Weight",
    "inspect_collection",
]
