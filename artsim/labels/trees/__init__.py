"""Trees of classes: which class is below which, read from a file or from Iconclass notations."""

from artsim.labels.trees.placing import PlacedClasses, check_placed, place
from artsim.labels.trees.reading import ICONCLASS, Hierarchy, read_hierarchy

__all__ = ["ICONCLASS", "Hierarchy", "PlacedClasses", "check_placed", "place", "read_hierarchy"]
