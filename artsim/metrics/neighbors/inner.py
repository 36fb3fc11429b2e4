"""Inner products in float64 of each query and some rows of its own."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


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
    rows = 256 if columns.device.type == "cpu" else 1 << 16  # so few stay in the processor's cache
    step = max(1, rows // max(1, c))
    blocks = [slice(start, start + step) for start in range(0, q, step)]
    if columns.device.type != "cpu":
        for block in blocks:
            n = counts[block].max()
            vectors = bank[columns[block, :n]].double()  # (s, n, D)
            query = queries[block].double()[:, :, None]  # (s, D, 1)
            products[block, :n] = torch.bmm(vectors, query)[:, :, 0].float()
        return products

    arrays = (queries.numpy(), bank.numpy(), columns.numpy(), products.numpy())
    _inner_on_cpu(*arrays, counts, blocks)
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
