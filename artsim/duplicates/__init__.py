"""Duplicates: works that share a file, a picture, or nearly everything that a network sees.

* ``exact``: the same bytes
* ``near``: perceptual hashes a few bits apart, and vectors that do not contradict it
* ``same-work``: vectors more similar than nearest neighbors in this collection usually are: another
  photograph, a crop, a version

The thresholds are estimated from the works themselves, by the median and the spread (1.4826 median
absolute deviations) of ln(1 - cosine), which the duplicates hardly affect: once for 20,000 random
pairs, once for 4,096 works and their nearest that are not copies by file or hash. The same work is
at least 4 spreads from the nearest and 6 from the random pairs. Where the hashes agree, 2 spreads
from the nearest are enough.

Memory is linear in the works: their vectors, and at most 16 pairs per work.
"""

from artsim.duplicates.evidence import DuplicateEvidence, gather
from artsim.duplicates.groups import DuplicateKind, Group, Pair, find_groups
from artsim.duplicates.threshold import Threshold, draw_threshold

__all__ = [
    "DuplicateEvidence",
    "DuplicateKind",
    "Group",
    "Pair",
    "Threshold",
    "draw_threshold",
    "find_groups",
    "gather",
]
