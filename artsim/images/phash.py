"""A perceptual hash: near copies of a picture have the same hash, or almost.

The picture is reduced to 32 x 32 grays, and each of the 8 x 8 lowest frequencies of its cosine
transform gives one bit: whether it is above their median. See
https://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html. Scaling, recompression
and small changes of tone turn few of the 64 bits.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BITS = 64
_SIDE = 32  # pixels
_KEPT = 8  # frequencies a side
# Standard deviation, in gray levels, below which a picture is blank: its bits would be noise.
_BLANK = 2.0
_BLOCK = 2048  # hashes compared with each other at a time


def perceptual_hash(pixels: NDArray[np.uint8]) -> int | None:
    """Hash sRGB pixels, shape (H, W, 3), to 64 bits; None for a blank picture."""
    small = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    gray = np.asarray(small, dtype=np.float64)  # (32, 32)
    if gray.std() < _BLANK:
        return None
    return int(hash_grays(gray[None])[0])


def hash_grays(grays: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Hash the grays of N pictures, shape (N, S, S), to 64 bits each, shape (N,)."""
    cosines = _cosines(grays.shape[1])
    low = (cosines @ grays @ cosines.T).reshape(-1, BITS)  # (N, 64)
    # The constant term, left out, is the overall brightness, in which copies often differ.
    bits = low > np.median(low[:, 1:], axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def near_pairs(hashes: NDArray[np.uint64], within: int) -> Iterator[tuple[int, int]]:
    """Yield the pairs of hashes, shape (N,), that differ in at most ``within`` bits.

    Such a pair agrees in at least one of ``within + 1`` bands of bits: only these are compared.
    """
    seen: set[tuple[int, int]] = set()
    edges = np.linspace(0, BITS, within + 2).astype(int)
    for low, high in itertools.pairwise(edges.tolist()):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(band, kind="stable")
        for bucket in np.split(order, np.flatnonzero(np.diff(band[order])) + 1):
            for pair in _close(hashes, bucket, within):
                if pair not in seen:
                    seen.add(pair)
                    yield pair


def groups_of(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Join pairs that share a member; each group is sorted, and so are the groups."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    members, edges = np.unique(ends, return_inverse=True)
    rows, columns = edges.reshape(-1, 2).T
    shape = (len(members), len(members))
    graph = coo_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=shape)
    _, group_of = connected_components(graph, directed=False)
    order = np.argsort(group_of, kind="stable")
    groups = np.split(members[order], np.flatnonzero(np.diff(group_of[order])) + 1)
    return sorted(group.tolist() for group in groups if len(group))


def _close(
    hashes: NDArray[np.uint64], bucket: NDArray[np.int64], within: int
) -> Iterator[tuple[int, int]]:
    for start in range(0, len(bucket), _BLOCK) if len(bucket) > 1 else ():
        rows = bucket[start : start + _BLOCK]
        for other in range(start, len(bucket), _BLOCK):
            columns = bucket[other : other + _BLOCK]
            differing = np.bitwise_count(hashes[rows][:, None] ^ hashes[columns][None, :])
            for i, j in zip(*np.nonzero(differing <= within), strict=True):
                a, b = int(rows[i]), int(columns[j])
                if a != b:
                    yield min(a, b), max(a, b)


@cache
def _cosines(side: int) -> NDArray[np.float64]:
    """Return the lowest rows of the cosine transform, shape (8, S)."""
    return np.cos(np.arange(_KEPT)[:, None] * (np.arange(side) + 0.5) * np.pi / side)
