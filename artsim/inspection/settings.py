"""What is looked at, and what counts as odd."""

from __future__ import annotations

from dataclasses import dataclass

from artsim.images import MAX_PIXELS


@dataclass(frozen=True, kw_only=True)
class InspectSettings:
    """What is looked at, and what counts as odd."""

    hashes: bool = False  # read and decode every picture
    max_pixels: int = MAX_PIXELS  # what embed will refuse to decode
    min_side: int = 64  # pixels of the shorter side; less is tiny
    workers: int = 2  # threads
    examples: int = 5  # of each kind of fault that are kept
    samples: int = 0  # pictures of each class that are drawn
    sampled_classes: int = 24  # of each label, the most common ones
    seed: int = 0  # of the baselines' folds and the samples


DEFAULTS = InspectSettings()
