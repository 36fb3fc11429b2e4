"""From a layer's output to one vector a picture.

A layer's output is brought to ``maps``, shape (B, C, N): C channels at N positions. The class and
register tokens of a transformer are no positions and are left out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["GRAM_DIM", "GRAM_MAX_DIM", "GRAM_SEED", "Gram", "average", "gem", "maximum"]

GRAM_DIM = 1024  # numbers that a Gram matrix is projected to unless the spec says otherwise
GRAM_MAX_DIM = 65_536
GRAM_SEED = 0
_GEM_POWER = 3.0
_EPSILON = 1e-6

Pooling = Callable[[Tensor], Tensor]  # (B, C, N) -> (B, D)


def average(maps: Tensor) -> Tensor:
    """Average over the positions: (B, C, N) -> (B, C)."""
    return maps.mean(dim=-1)


def maximum(maps: Tensor) -> Tensor:
    """Take the largest of the positions: (B, C, N) -> (B, C)."""
    return maps.amax(dim=-1)


def gem(maps: Tensor) -> Tensor:
    """Generalized mean with power 3, negatives counting as 0: (B, C, N) -> (B, C).

    Radenovic et al. 2018, https://arxiv.org/abs/1711.02512.
    """
    powers = maps.clamp(min=_EPSILON) ** _GEM_POWER
    return powers.mean(dim=-1) ** (1 / _GEM_POWER)


class Gram(nn.Module):
    """The Gram matrix of the channels (style), randomly projected: (B, C, N) -> (B, D).

    The matrix itself, C x C, would be 262,144 numbers for VGG16's conv4. Its inner products are
    kept, in expectation, by D products of two random sign vectors: each number is
    mean over positions of (r . x)(s . x), which is r^T G s with the Gram matrix G
    (Kar and Karnick 2012, https://arxiv.org/abs/1201.6530).
    """

    def __init__(self, channels: int, dim: int = GRAM_DIM, seed: int = GRAM_SEED) -> None:
        super().__init__()
        signs = np.random.default_rng(seed).integers(0, 2, (2, dim, channels)) * 2 - 1
        self.register_buffer("signs", torch.from_numpy(signs.astype(np.float32)))
        self.signs: Tensor  # (2, D, C)

    def forward(self, maps: Tensor) -> Tensor:
        """Project the Gram matrix of every picture."""
        _, channels, positions = maps.shape
        left, right = self.signs[0], self.signs[1]  # (D, C) each
        if channels < 2 * positions:  # the Gram matrix is smaller than every position projected
            gram = maps @ maps.transpose(1, 2) / positions  # (B, C, C)
            projected = ((left @ gram) * right).sum(dim=-1)  # (B, D)
        else:
            projected = ((left @ maps) * (right @ maps)).mean(dim=-1)  # (B, D)
        scaled: Tensor = projected / self.signs.shape[1] ** 0.5
        return scaled
