"""Predictions scored by the hierarchy of their classes."""

from artsim.evaluation.hierarchy.scoring import (
    BackOff,
    HierarchyEvaluation,
    place_label,
    probe_hierarchy,
    score_hierarchy,
    sure_votes,
    with_back_off,
)

__all__ = [
    "BackOff",
    "HierarchyEvaluation",
    "place_label",
    "probe_hierarchy",
    "score_hierarchy",
    "sure_votes",
    "with_back_off",
]
