"""Evaluations of an index."""
