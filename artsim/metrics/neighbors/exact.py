"""Float64 inner products, and integers that sort by score, then by the lower row."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NO_ROW = -1  # where a query has fewer than k neighbors


def encode(scores: Tensor, rows: Tensor) -> Tensor:
    """Make integers that sort by score, then with the lower row first, so that no two are equal."""
    bits = (scores + 0.0).contiguous().view(torch.int32)  # + 0.0 makes -0 into 0
    bits = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)  # floats sort as their bits now
    return (bits.long() << 32) | (0x7FFFFFFF - rows)


def decode(keys: Tensor) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the scores and rows that `encode` made keys of; row -1 where the score is -inf."""
    bits = (keys >> 32).int()
    scores = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).view(torch.float32)
    rows = 0x7FFFFFFF - (keys & 0x7FFFFFFF)
    return scores.cpu().numpy(), rows.masked_fill(scores.isneginf(), NO_ROW).cpu().numpy()


def inner(queries: Tensor, bank: Tensor, columns: Tensor, needed: Tensor | None = None) -> Tensor:
    """Compute the float64 inner products of each query and some bank rows of its own.

    Args:
        queries: Shape (q, D).
        bank: Shape (N, D).
        columns: Bank rows, shape (q, c).
        needed: Which are needed, shape (q, c): in each row the first few. The rest become -inf.

    Returns:
        Products, rounded to float32, shape (q, c).
    """
    q, c = columns.shape
    counts = np.full(q, c) if needed is None else needed.sum(dim=1).cpu().numpy()
    products = torch.full((q, c), -math.inf, device=columns.device)
    rows = 256 if columns.device.type == "cpu" else 1 << 16  # few enough for the processor's cache
    step = max(1, rows // max(1, c))
    blocks = [slice(start, start + step) for start in range(0, q, step)]
    if columns.device.type == "cpu":
        arrays = (queries.numpy(), bank.numpy(), columns.numpy(), products.numpy())
        _inner_on_cpu(*arrays, counts, blocks)
        return products
    for block in blocks:
        n = counts[block].max()
        vectors = bank[columns[block, :n]].double()  # (s, n, D)
        query = queries[block].double()[:, :, None]  # (s, D, 1)
        products[block, :n] = torch.bmm(vectors, query)[:, :, 0].float()
    return products


def _inner_on_cpu(
    queries: NDArray[np.float32],
    bank: NDArray[np.float32],
    columns: NDArray[np.int64],
    products: NDArray[np.float32],
    counts: NDArray[np.int64],
    blocks: list[slice],
) -> None:
    """Fill in the products of blocks of queries, in buffers that are used again."""
    room = max((counts[block].max() * len(counts[block]) for block in blocks), default=0)
    single = np.empty((room, bank.shape[1]), dtype=np.float32)
    double = np.empty((room, bank.shape[1]), dtype=np.float64)
    for block in blocks:
        wanted = columns[block, : counts[block].max()]  # (s, n)
        bank.take(wanted.ravel(), axis=0, out=single[: wanted.size], mode="clip")
        double[: wanted.size] = single[: wanted.size]
        vectors = double[: wanted.size].reshape(*wanted.shape, bank.shape[1])  # (s, n, D)
        query = queries[block].astype(np.float64)[:, None]  # (s, 1, D)
        products[block, : wanted.shape[1]] = np.vecdot(vectors, query)
