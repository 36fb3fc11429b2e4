"""Embed museum collections, search them by likeness, and measure how well a picture can tell."""

__version__ = "0.1.0"
