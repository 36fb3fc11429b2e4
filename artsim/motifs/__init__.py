"""Motifs: details that several works share, such as a copied figure or a reused ornament.

Near tiles propose pairs of works. Cells of the feature maps of two pictures that correspond, and
that one map of the plane explains, decide.
"""

from artsim.motifs.features import Cells, FeatureMaps
from artsim.motifs.finding import MIN_SCORE, Motif, MotifFinder, find_motifs, in_order
from artsim.motifs.journal import Journal, journal_in
from artsim.motifs.matching import Verified, verify
from artsim.motifs.proposing import candidate_pairs
from artsim.motifs.verifying import candidates, verify_matches

__all__ = [
    "MIN_SCORE",
    "Cells",
    "FeatureMaps",
    "Journal",
    "Motif",
    "MotifFinder",
    "Verified",
    "candidate_pairs",
    "candidates",
    "find_motifs",
    "in_order",
    "journal_in",
    "verify",
    "verify_matches",
]
