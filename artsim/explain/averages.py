"""How much each position contributes to a cosine where a vector is the average of positions.

The decomposition of Stylianou et al. 2019, https://arxiv.org/abs/1901.00536, which needs no
gradient, and so no torch: the cosine is the sum over positions of their products with the other
vector, by the number of positions and the vectors' lengths.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from artsim.explain.explanation import Explanation
from artsim.index import unit
from artsim.models import Maps


class AverageExplainer:
    """Explains the vectors of a tap by the positions that are averaged to them.

    Args:
        maps: Computes the positions of pictures.
        layer: The tap's, as it is called in explanations.
    """

    def __init__(self, maps: Maps, layer: str) -> None:
        self._maps, self._layer = maps, layer

    def explain(self, pixels: NDArray[np.uint8], others: NDArray[np.float32]) -> list[Explanation]:
        """Divide the cosine of each picture with its vector among the picture's positions.

        Args:
            pixels: RGB, shape (B, 3, H, W), as preprocessed.
            others: Vectors of the tap, shape (B, D), of any length.
        """
        maps = self._maps(pixels)  # (B, D, h, w)
        lengths = np.linalg.norm(maps.mean(axis=(2, 3)), axis=1)  # (B,)
        shares = np.einsum("bdhw,bd->bhw", maps, unit(others))
        shares /= np.maximum(lengths, 1e-12)[:, None, None] * shares[0].size
        return [Explanation(each, float(each.sum()), self._layer) for each in shares]
