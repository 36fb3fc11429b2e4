"""Similarity search and honest baselines for museum collections."""

__version__ = "0.1.0"
