"""A coarse product that picks candidates, and a bound on its error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

MAX_GROUP = 16  # bank rows that share one maximum while candidates are picked


@dataclass(frozen=True)
class CoarseBank:
    """The bank as the coarse product takes it, and how much rounding changed it.

    In bfloat16 the mean is subtracted from the vectors. That shifts all scores of a query equally,
    so their order stays, and smaller vectors and products lose less to rounding.
    """

    vectors: Tensor  # (N, D)
    mean: Tensor  # (D,)
    radius: float  # length of the longest vector
    error: float  # the farthest that rounding moved a vector

    @classmethod
    def of(cls, bank: Tensor, device: torch.device) -> CoarseBank:
        """Round the bank on this device, in blocks."""
        bank = bank.to(device)
        if not _has_bfloat16(device):
            radius = float(_norms(bank).max())
            return cls(bank, torch.zeros(bank.shape[1], device=device), radius, 0.0)
        vectors = torch.empty_like(bank, dtype=torch.bfloat16)
        mean = bank.mean(dim=0)
        radius = error = 0.0
        step = 1 << 9 if device.type == "cpu" else 1 << 15  # few enough for the processor's cache
        for start in range(0, len(bank), step):
            centered = bank[start : start + step] - mean
            vectors[start : start + step] = centered
            radius = max(radius, float(_norms(centered).max()))
            moved = _norms(centered - vectors[start : start + step])
            error = max(error, float(moved.max()))
        return cls(vectors, mean, radius, error)

    def most_true(self, queries: Tensor, coarse: Tensor, products: Tensor) -> Tensor:
        """Return upper bounds of the true scores behind coarse products, shape (q, c).

        With b the centered row and a prime for rounded, |q.b - q'.b'| is at most
        |q - q'| |b| + |q'| |b - b'|, and the product is itself summed and rounded.
        """
        error = _norms(queries - coarse) * self.radius + _norms(coarse.float()) * self.error
        length = _norms(queries)
        longest = self.radius + float(torch.linalg.vector_norm(self.mean))
        error += 2.0**-23 * self.vectors.shape[1] * longest * length  # float32 sums
        # room for the bound's own rounding
        shift = queries @ self.mean + error * 1.01 + 1e-6 * length * (1 + longest)
        if self.vectors.dtype is torch.bfloat16:
            products = products * torch.where(products < 0, 1 - 2.0**-8, 1 + 2.0**-8)
        return products + shift[:, None]


def top(similarity: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    """Return the largest values of each row, largest first, and their columns, each (q, wanted).

    Columns a fixed stride apart share one maximum: the largest values are all in the groups of the
    largest maxima, so only those groups are searched.
    """
    q, n = similarity.shape
    if n <= 4 * wanted:
        return _topk(similarity, min(wanted, n))
    size = min(MAX_GROUP, 1 << round(math.log2(n / wanted) / 2))  # the fewest comparisons
    groups = n // size
    maxima = similarity[:, : groups * size].view(q, size, groups).amax(dim=1)  # (q, groups)
    best = maxima.float().topk(wanted, dim=1, sorted=False).indices  # (q, wanted)
    strides = torch.arange(0, groups * size, groups, device=similarity.device)  # (size,)
    tail = torch.arange(groups * size, n, device=similarity.device).expand(q, -1)
    columns = torch.cat([(best[:, :, None] + strides).view(q, -1), tail], dim=1)
    values, places = _topk(similarity.gather(1, columns), wanted)
    return values, columns.gather(1, places)


def merge(found: list[tuple[Tensor, Tensor]], wanted: int) -> tuple[Tensor, Tensor]:
    """Keep the largest values from several blocks of the bank."""
    if len(found) == 1:
        return found[0]
    values = torch.cat([block for block, _ in found], dim=1)
    columns = torch.cat([block for _, block in found], dim=1)
    values, places = _topk(values, wanted)
    return values, columns.gather(1, places)


def _topk(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    best = values.float().topk(k, dim=1)
    return best.values, best.indices


def _norms(vectors: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(vectors, dim=1)
    return norms


def _has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 faster than float32."""
    if device.type != "cpu":
        return device.type == "cuda"
    instructions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in instructions)
