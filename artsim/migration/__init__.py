"""Move an index to another model: embed beside it, compare the two, then switch in one step.

The new version is a whole index below ``versions/``; see `artsim.store.versions` for the switch.
"""

from artsim.migration.building import build_version, count_unread
from artsim.migration.comparing import (
    K,
    LabelComparison,
    NeighborComparison,
    VersionPair,
    compare_labels,
    compare_neighbors,
    pair_versions,
)
from artsim.migration.keeping import Kept, what_is_kept
from artsim.migration.mapping import MapReport, map_missing

__all__ = [
    "K",
    "Kept",
    "LabelComparison",
    "MapReport",
    "NeighborComparison",
    "VersionPair",
    "build_version",
    "compare_labels",
    "compare_neighbors",
    "count_unread",
    "map_missing",
    "pair_versions",
    "what_is_kept",
]
