"""Neighbors as integers that sort by score, then by the lower row, so that no two are equal."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NO_ROW = -1  # stands where fewer than k rows may be neighbors


def encode(scores: Tensor, rows: Tensor) -> Tensor:
    """Make integers that sort as (score, then the lower row first), so that no two are equal."""
    bits = (scores + 0.0).contiguous().view(torch.int32)  # + 0.0 makes -0 into 0
    bits = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)  # floats sort as their bits now
    return (bits.long() << 32) | (0x7FFFFFFF - rows)


def decode(keys: Tensor) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the scores and rows that `encode` made keys of; row -1 where the score is -inf."""
    scores = _scores(keys)
    rows = 0x7FFFFFFF - (keys & 0x7FFFFFFF)
    return scores.cpu().numpy(), rows.masked_fill(scores.isneginf(), NO_ROW).cpu().numpy()


def _scores(keys: Tensor) -> Tensor:
    bits = (keys >> 32).int()
    bits = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    scores: Tensor = bits.view(torch.float32)
    return scores
