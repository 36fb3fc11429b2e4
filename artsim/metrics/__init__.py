"""Scores, votes, neighbors and fits as pure functions on arrays."""
