"""What an explanation of a cosine is, and which part of a picture it covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Preprocessing
from artsim.loader import resized_size

Box = tuple[float, float, float, float]  # left, top, right, bottom in fractions of a picture


@dataclass(frozen=True)
class Explanation:
    """How much each position of a picture contributes to its cosine with another vector."""

    contributions: NDArray[np.float32]  # (H, W) of the layer; negative ones lower the cosine
    score: float  # the cosine
    layer: str  # the module that the positions belong to

    @property
    def explained(self) -> float:
        """The sum of the contributions; equal to the score if it comes from positions alone."""
        return float(self.contributions.sum())


def seen_box(size: tuple[int, int], preprocessing: Preprocessing) -> Box:
    """Return the part of an upright picture that the network sees; beyond 0 to 1 if it is padded.

    ``size`` is its width and height in pixels.
    """
    width, height = resized_size(size, preprocessing)
    shown_height, shown_width = preprocessing.size
    left, top = (width - shown_width) / 2 / width, (height - shown_height) / 2 / height
    return left, top, 1 - left, 1 - top
