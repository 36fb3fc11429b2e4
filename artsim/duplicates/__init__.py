"""Duplicates: works that share a file, a picture, or nearly everything that a network sees.

* ``exact``: the same bytes
* ``near``: perceptual hashes up to 12 bits apart and the same edges, as copies in gray, smaller or
  compressed have; or up to 4 bits apart and similar vectors, as another photograph may have
* ``transformed``: near, when one of them is mirrored, rotated by 90, 180 or 270 degrees, or both
* ``same-work``: vectors more similar than nearest neighbors in this collection usually are: another
  photograph, a crop, a version

The edges are of pictures of 16 x 16 grays. Vectors cannot contradict them: to a network a copy in
gray can be less similar than two works of one series.

The thresholds of vectors are estimated from the works themselves, by the median and the spread
(1.4826 median absolute deviations) of ln(1 - cosine), which the duplicates hardly affect: once for
20,000 random pairs, once for 4,096 works and their nearest that are not copies by file or hash. The
same work is at least 4 spreads from the nearest and 6 from the random pairs. Where the hashes are a
few bits apart, 2 spreads from the nearest are enough.

Memory is linear in the works: their small grays, a byte for each number of their vectors where
there are many (these are in a temporary file then), and at most 16 pairs per work.
"""

from artsim.duplicates.decisions import SAME_WORK, Decisions, read_decisions
from artsim.duplicates.evidence import DuplicateEvidence, gather
from artsim.duplicates.groups import DuplicateKind, Group, Pair, find_groups
from artsim.duplicates.kept import (
    PAIR_COLUMNS,
    KeptGroups,
    groups_file,
    keep_groups,
    kept_groups,
    pack_groups,
    pair_rows,
)
from artsim.duplicates.look_alikes import WITHIN
from artsim.duplicates.threshold import Threshold, draw_threshold

__all__ = [
    "PAIR_COLUMNS",
    "SAME_WORK",
    "WITHIN",
    "Decisions",
    "DuplicateEvidence",
    "DuplicateKind",
    "Group",
    "KeptGroups",
    "Pair",
    "Threshold",
    "draw_threshold",
    "find_groups",
    "gather",
    "groups_file",
    "keep_groups",
    "kept_groups",
    "pack_groups",
    "pair_rows",
    "read_decisions",
]
