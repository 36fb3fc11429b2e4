"""A small synthetic museum, drawn on the spot: a collection to try artsim with."""

from artsim.sample.museum import make_sample

__all__ = ["make_sample"]
