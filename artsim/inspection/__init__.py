"""What can be known of a collection before a model sees it: faults, labels, sizes, baselines."""

from artsim.inspection.baselines import BestColumn
from artsim.inspection.collection import Inspection, Sample, inspect_collection
from artsim.inspection.columns import ColumnSummary, LabelSummary
from artsim.inspection.findings import Example, Finding, FindingKind, Weight
from artsim.inspection.oddities import OddValue, OddValues
from artsim.inspection.pictures import Sizes
from artsim.inspection.scans import InspectSettings

__all__ = [
    "BestColumn",
    "ColumnSummary",
    "Example",
    "Finding",
    "FindingKind",
    "InspectSettings",
    "Inspection",
    "LabelSummary",
    "OddValue",
    "OddValues",
    "Sample",
    "Sizes",
    "Weight",
    "inspect_collection",
]
