"""What the works of one or several indexes are compared by."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.index import open_index
from artsim.metrics.neighbors import check_unit_vectors
from artsim.store import Store

_BLOCK = 16_384  # vectors read at a time

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class DuplicateEvidence:
    """What N works of one or several indexes are compared by."""

    stores: Rows  # (N,): number of the index of each
    files: Sequence[str | None]  # sha256 of the files
    hashes: Sequence[int | None]  # perceptual hashes
    vectors: NDArray[np.float32] | None = None  # (N, D), of length 1 or 0; None: not comparable

    def bits(self, a: int, b: int) -> int | None:
        """Return by how many bits the hashes of two works differ; None without a hash."""
        one, other = self.hashes[a], self.hashes[b]
        return None if one is None or other is None else (one ^ other).bit_count()

    def score(self, a: int, b: int) -> float | None:
        """Return the cosine of two works; None where vectors are not comparable."""
        if self.vectors is None:
            return None
        return min(float(self.vectors[a] @ self.vectors[b]), 1.0)

    def comparable(self) -> tuple[NDArray[np.float32], Rows]:
        """Return the vectors that are not zeros, which are like nothing, and whose they are."""
        assert self.vectors is not None
        usable = np.flatnonzero(self.vectors.any(axis=1))
        every = len(usable) == len(self.vectors)
        bank = self.vectors if every else self.vectors[usable]
        check_unit_vectors(bank, "vectors")
        return bank, usable


def gather(
    stores: Sequence[Store], hashes: Sequence[Sequence[int | None]], tap: str | None = None
) -> tuple[DuplicateEvidence, list[str]]:
    """Put together what the works of indexes are compared by; rows are numbered through them.

    The hashes are those of `artsim.splits.picture_hashes`, and the vectors those of a tap, the
    first index's first if None.

    Returns:
        The evidence, and why the vectors cannot be compared: empty if they can.

    Raises:
        StoreError: If the first index has no such tap.
    """
    first = stores[0]
    name = first.tap(tap).name
    differences = [
        f"{store.path}: {difference}"
        for store in stores[1:]
        for difference in first.manifest.passport.differences(store.manifest.passport)
    ]
    # Imported vectors do not record how they were made.
    differences += [
        f"{store.path} holds imported vectors"
        for store in stores
        if len(stores) > 1 and store.manifest.passport.is_external
    ]
    evidence = DuplicateEvidence(
        stores=np.repeat(np.arange(len(stores)), [store.rows for store in stores]),
        files=[
            value or None
            for store in stores
            for value in store.read(["content_hash"]).column(0).to_pylist()
        ],
        hashes=list(itertools.chain.from_iterable(hashes)),
        vectors=None if differences else _unit_vectors(stores, name),
    )
    return evidence, differences


def _unit_vectors(stores: Sequence[Store], tap: str) -> NDArray[np.float32]:
    """Read the unit vectors of all works, shape (N, D)."""
    count = sum(store.rows for store in stores)
    vectors = np.empty((count, stores[0].tap(tap).dim), dtype=np.float32)
    start = 0
    for store in stores:
        own = open_index(store, tap).vectors if store.rows else ()
        for at in range(0, store.rows, _BLOCK):
            block = own[at : at + _BLOCK]
            vectors[start : start + len(block)] = block
            start += len(block)
    return vectors
