"""Exact search on a GPU: all vectors there in half precision, the best compared again exactly."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from artsim.errors import SearchError
from artsim.index.vector_index import VectorIndex

_BLOCK = 1 << 16  # rows copied at a time
_SPARE = 4  # times as many as requested: half precision moves a cosine by about 1e-4
_MOST = 2048  # that faiss finds at a time on a GPU


def count_gpus() -> int:
    """Count the GPUs that faiss can use: none where it was built for the CPU alone."""
    return int(faiss.get_num_gpus()) if hasattr(faiss, "get_num_gpus") else 0


def to_gpu(index: VectorIndex, device: int = 0) -> VectorIndex:
    """Copy an index, which stays open, to the GPU of a number; it must hold two bytes a number.

    Raises:
        SearchError: If there is no such GPU, or it has not the memory.
    """
    gpus = count_gpus()
    if not 0 <= device < gpus:
        raise SearchError(f"faiss sees {gpus} GPUs, none is number {device}; search on the CPU")
    gpu: Any = faiss  # its GPU classes are only in the builds for one
    settings = gpu.GpuIndexFlatConfig()
    settings.device = device
    settings.useFloat16 = True
    try:
        copy = gpu.GpuIndexFlatIP(gpu.StandardGpuResources(), index.info.dim, settings)
        for start in range(0, index.info.rows, _BLOCK):
            copy.add(index.vectors[start : start + _BLOCK])
    except RuntimeError as error:
        size = 2 * index.info.rows * index.info.dim / 1e9
        reason = str(error).strip().splitlines()[-1]
        raise SearchError(
            f"GPU {device} cannot hold the vectors, {size:.2g} GB ({reason}); search on the CPU"
        ) from error
    info = replace(index.info, kind="GPU Flat", k_factor=_SPARE, recall_at_10=1.0)
    locked: Any = _OneAtATime(copy)  # all of faiss's Index that is called
    return VectorIndex(info, locked, index.vectors, most=_MOST)


class _OneAtATime:
    """An index on a GPU, whose memory faiss lets one thread use at a time."""

    def __init__(self, index: Any) -> None:
        self.d = index.d
        self._index = index
        self._lock = threading.Lock()

    def search(
        self, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the k nearest, as faiss does."""
        with self._lock:
            scores, rows = self._index.search(queries, k)
        return scores, rows
