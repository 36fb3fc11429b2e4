"""Evaluations of an index."""

from artsim.evaluation.reading import rows_of, unit_vectors

__all__ = ["rows_of", "unit_vectors"]
