"""The weights of several networks that began alike, averaged.

A model soup: Wortsman et al. 2022, https://arxiv.org/abs/2203.05482
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["average"]


def average(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of weights and batch statistics; what only counts is the first's.

    Args:
        states: State dicts of networks of one architecture.
    """
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0)
        if first.is_floating_point()
        else first
        for name, first in states[0].items()
    }
