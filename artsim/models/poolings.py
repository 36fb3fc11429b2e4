"""Poolings: from a layer's output to one vector per picture. `POOLINGS` lists them.

Most work on ``maps``, shape (B, C, N): C channels at N positions. The class and register tokens
of a transformer are not positions and are left out.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from artsim.datatypes import Tap
from artsim.errors import ModelError
from artsim.models.layouts import TensorLayout

GRAM_DIM = 1024  # numbers that a Gram matrix is projected to, if the spec names none
GRAM_MAX_DIM = 65_536
GRAM_SEED = 0
_GEM_POWER = 3.0
_EPSILON = 1e-6


class Pooled(NamedTuple):
    """What turns the output of a layer into vectors, and their length."""

    head: nn.Module  # the layer's output to (B, D)
    dim: int
    seed: int | None = None  # of a random projection


class Pooling(NamedTuple):
    """A row of `POOLINGS`."""

    what: str  # one line, for people
    make: Callable[[Tap, TensorLayout], Pooled]
    takes_size: bool = False  # gram512


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


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, value: Tensor) -> Tensor:
        """Call it."""
        return self.function(value)


def pool_maps(pool: Callable[[Tensor], Tensor]) -> Callable[[Tap, TensorLayout], Pooled]:
    """Make a pooling from a function of the maps, (B, C, N) -> (B, C)."""

    def make(tap: Tap, layout: TensorLayout) -> Pooled:
        return Pooled(nn.Sequential(Call(layout.maps), Call(pool)), _channels(tap, layout))

    return make


def _flatten(tap: Tap, layout: TensorLayout) -> Pooled:
    return Pooled(nn.Flatten(), int(torch.Size(layout.shape).numel()))


def _class_token(tap: Tap, layout: TensorLayout) -> Pooled:
    if not layout.has_class_token:
        raise ModelError(f"layer {tap.layer!r} has no class token; choose another pooling than cls")
    return Pooled(Call(lambda output: output[:, 0]), _channels(tap, layout))


def _gram(tap: Tap, layout: TensorLayout) -> Pooled:
    channels, dim = _channels(tap, layout), tap.dim or GRAM_DIM
    if dim > GRAM_MAX_DIM:
        raise ModelError(
            f"{tap} asks for {dim} numbers a vector; "
            f"write {tap.layer}/gramN with N at most {GRAM_MAX_DIM}"
        )
    head = nn.Sequential(Call(layout.maps), Gram(channels, dim, GRAM_SEED))
    return Pooled(head, dim, GRAM_SEED)


def _channels(tap: Tap, layout: TensorLayout) -> int:
    if layout.channels is None:
        raise ModelError(
            f"layer {tap.layer!r} cannot be pooled by {tap.pooling or 'avg'}: its layout is "
            f"unknown; use {tap.layer}/flatten or another layer"
        )
    return layout.shape[layout.channels]


# To add a pooling, write its function and a row here.
POOLINGS: MutableMapping[str, Pooling] = {
    "avg": Pooling("average over the positions", pool_maps(average)),
    "cls": Pooling("class token of a transformer", _class_token),
    "flatten": Pooling("every number of the layer's output", _flatten),
    "gem": Pooling("generalized mean with power 3", pool_maps(gem)),
    "gram": Pooling("Gram matrix (style), projected to 1,024 numbers", _gram, takes_size=True),
    "max": Pooling("largest over the positions", pool_maps(maximum)),
}
