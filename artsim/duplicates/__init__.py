"""The same thing twice: works that share a file, a picture, or nearly all that a network sees.

* ``exact``: the same bytes
* ``near``: perceptual hashes a few bits apart, and vectors that do not speak against it
* ``same-work``: vectors more similar than nearest neighbors in this collection usually are: another
  photograph, a crop, a version

The thresholds are drawn from the works themselves. ln(1 - cosine) is taken of 20,000 random pairs,
and of 4,096 works and their nearest that are no copies by file or hash; both have a median and a
spread (1.4826 median absolute deviations), which the duplicates hardly affect. A same work is
as far out as 4 spreads of the nearest and 6 of the random pairs; 2 spreads of the nearest do where
the hashes agree, as two kinds of evidence need less of each.

Memory is linear in the works: their vectors, and the pairs found, at most 16 a work.
"""

from artsim.duplicates.evidence import DuplicateEvidence, gather
from artsim.duplicates.groups import DuplicateKind, Group, Pair
from artsim.duplicates.search import find_groups
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
