"""Vectors as short codes: product quantization with 4-bit codes, which faiss scans in registers.

A vector is cut into M pieces, and each is encoded as the nearest of 16 learned ones. Scanning reads
M / 2 bytes per row instead of the vector. With over half a million rows even that takes long: then
rows are sorted into cells around learned centers, and only the cells near a query are scanned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

_PIECES = 16  # learned for each cut: four bits
_SAMPLE = 1 << 14  # rows to train the pieces on
_CELL_SAMPLE = 40  # rows per cell to train its center on
_ROUNDS = 10  # of k-means for the cells


@dataclass(frozen=True)
class Coder:
    """A trained encoding of vectors as codes."""

    base: Any  # faiss.IndexPQ or IndexIVFPQ, without rows
    dim: int  # of the vectors; the index takes them padded with zeros

    def encode(self, vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Encode unit vectors (n, D) as codes (n, bytes); a row's cell is part of its code."""
        if not len(vectors):
            return np.empty((0, self.base.sa_code_size()), dtype=np.uint8)
        codes: NDArray[np.uint8] = self.base.sa_encode(fill(vectors, self.base.d))
        return codes

    def pack(self, codes: NDArray[np.uint8]) -> Any:
        """Pack codes (N, bytes) so that they are scanned 32 rows at a time."""
        has_cells = isinstance(self.base, faiss.IndexIVFPQ)
        self.base.reset()
        self.base.add_sa_codes(codes, np.arange(len(codes)) if has_cells else None)
        kind: Any = faiss.IndexIVFPQFastScan if has_cells else faiss.IndexPQFastScan
        packed = kind(self.base)
        self.base.reset()
        return packed


def learn(sample: NDArray[np.float32], pieces: int, cells: int = 0) -> Coder:
    """Learn codes from unit vectors, (n, D): at most D ``pieces``, and ``cells``, none if 0."""
    dim = sample.shape[1]
    filled = math.ceil(dim / pieces) * pieces
    # A collection may have fewer rows than pieces to learn.
    rows = np.resize(np.arange(len(sample)), max(len(sample), _PIECES, cells))
    sample = fill(sample[rows], filled)
    base: Any = faiss.IndexPQ(filled, pieces, 4, faiss.METRIC_INNER_PRODUCT)
    if cells:
        centers = faiss.IndexFlatIP(filled)
        base = faiss.IndexIVFPQ(centers, filled, cells, pieces, 4, faiss.METRIC_INNER_PRODUCT)
        base.cp.min_points_per_centroid = 1  # no warning: the collection is as small as it is
        base.cp.max_points_per_centroid = _CELL_SAMPLE
        base.cp.niter = _ROUNDS
    base.pq.cp.min_points_per_centroid = 1
    base.train(sample)
    return Coder(base, dim)


def sample_size(cells: int) -> int:
    """Return how many rows codes are trained on."""
    return max(_SAMPLE, _CELL_SAMPLE * cells)


def restore(packed: Any, dim: int) -> Coder:
    """Return the coder of an index that `Coder.pack` made."""
    pq = packed.pq
    base: Any
    if isinstance(packed, faiss.IndexIVFPQFastScan):
        base = faiss.IndexIVFPQ(
            packed.quantizer, packed.d, packed.nlist, pq.M, 4, faiss.METRIC_INNER_PRODUCT
        )
        base.by_residual = packed.by_residual
    else:
        base = faiss.IndexPQ(packed.d, pq.M, 4, faiss.METRIC_INNER_PRODUCT)
    base.pq = pq
    base.is_trained = True
    base.referenced_objects = [packed]  # it owns the centers
    return Coder(base, dim)


def fill(vectors: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Pad vectors with zeros, which changes no inner product."""
    missing = width - vectors.shape[1]
    return np.pad(vectors, ((0, 0), (0, missing))) if missing else np.ascontiguousarray(vectors)
