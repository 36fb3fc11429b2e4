"""Exact search on a GPU: all vectors there in half precision, the best compared again exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import faiss

from artsim.errors import SearchError
from artsim.index.vector_index import VectorIndex

__all__ = ["to_gpu"]

_BLOCK = 1 << 16  # rows copied at a time
_SPARE = 4  # times as many as asked for: half precision moves a cosine by about 1e-4
_MOST = 2048  # that faiss finds at a time on a GPU


def to_gpu(index: VectorIndex, device: int = 0) -> VectorIndex:
    """Copy an index to a GPU; it must hold two bytes a number.

    Args:
        index: The index, which stays open.
        device: The GPU's number.

    Raises:
        SearchError: If there is no such GPU.
    """
    gpus = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    if not 0 <= device < gpus:
        raise SearchError(f"faiss sees {gpus} GPUs, none is number {device}; search on the CPU")
    gpu: Any = faiss  # its GPU classes are only in the builds for one
    settings = gpu.GpuIndexFlatConfig()
    settings.device = device
    settings.useFloat16 = True
    copy = gpu.GpuIndexFlatIP(gpu.StandardGpuResources(), index.info.dim, settings)
    for start in range(0, index.info.rows, _BLOCK):
        copy.add(index.vectors[start : start + _BLOCK])
    info = replace(index.info, kind="GPU Flat", k_factor=_SPARE, recall_at_10=1.0)
    return VectorIndex(info, copy, index.vectors, most=_MOST)
