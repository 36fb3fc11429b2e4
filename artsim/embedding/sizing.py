"""What a large collection takes to embed and to search: hours, processors, bytes and memory.

Rates that were measured are in docs/benchmarks.md; what is assumed instead is in `ASSUMED`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from artsim.datatypes import ExtractorSpec
from artsim.errors import ModelError
from artsim.index import Goals, choose_shapes
from artsim.models import TappedNetwork, build_network

# Dense bf16 (fp16 of the T4), in 1e12 operations a second, by NVIDIA's data sheets.
GPUS: Mapping[str, float] = {
    "h200": 989,
    "h100": 989,
    "a100": 312,
    "l40s": 362,
    "l4": 121,
    "t4": 65,
}
_UTILIZATION = 0.25  # of that, in a forward pass
_MOST = 30_000  # pictures a second of a GPU: small networks wait for memory
_CORE = 50e9  # operations a second of a core in float32: lite0 embeds 73 pictures a second with one
_DECODE = (0.0029, 0.0023)  # seconds of a core for a JPEG, and for each million pixels of it
_ASPECT = 0.75  # shorter side to longer
_BYTES_PER_PIXEL = 0.22  # of a JPEG: 430 kB at 1,600 px
_PART = (100, 1.6)  # bytes of a row in the parts without its metadata, and of each number
_HALF = 2  # bytes of a number in the vectors' file

ASSUMED = (
    f"a GPU computes at {_UTILIZATION:.0%} of its data sheet's dense bf16 (an H200: 19% to 44%), "
    f"and at most {_MOST:,} pictures a second",
    f"a core computes {_CORE / 1e9:.0f} GFLOP a second (measured with lite0)",
    f"a core decodes a JPEG in {1000 * _DECODE[0]:.1f} ms + {1000 * _DECODE[1]:.1f} ms for each "
    "million pixels (measured, with artsim[fast])",
    f"pictures are JPEGs of 4:3 with {_BYTES_PER_PIXEL} bytes a pixel",
)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A collection, the network's needs, and the machines."""

    pictures: int
    flops: float  # of a forward pass for one picture
    dims: tuple[int, ...]  # of the vectors, one for each tap
    side: int = 1600  # pixels of a picture's longer side
    cores: int  # of all machines
    gpus: int = 0
    gpu: str = "h100"  # see `GPUS`


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """What a workload takes; each number is an estimate."""

    pictures_per_s: float
    hours: float  # from the first picture to the last
    limit: str  # what is waited for: decoding, or the network
    cores_to_feed: int  # cores whose decoding keeps the GPUs busy; 0 without GPUs
    decode_core_hours: float
    forward_hours: float  # of all GPUs together, or of all cores
    read_bytes: float  # of the pictures
    index_bytes: float  # of the parts and the vectors, without metadata
    search_bytes: float  # in memory, of the search index of the first tap
    search_kind: str  # as faiss names it


def workload_of(
    spec: ExtractorSpec, *, pictures: int, side: int, cores: int, gpus: int, gpu: str
) -> Workload:
    """Count what a network computes, from its shapes alone: no weights are needed.

    Raises:
        ModelError: If there is no such network, tap or GPU.
    """
    if gpu not in GPUS:
        raise ModelError(f"no figures for the GPU {gpu!r}; choose from {', '.join(GPUS)}")
    network = build_network(spec, meta=True)
    tapped = TappedNetwork(network, spec.taps).to("meta")
    picture = torch.zeros(1, 3, *network.preprocessing.size, device="meta")
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        tapped(picture)
    return Workload(
        pictures=pictures,
        flops=counter.get_total_flops(),
        dims=tuple(tap.dim for tap in tapped.taps),
        side=side,
        cores=cores,
        gpus=gpus,
        gpu=gpu,
    )


def estimate(workload: Workload) -> Sizing:
    """Estimate hours, bytes and memory.

    On GPUs all cores decode; without them they decode and compute in turn.
    """
    work = workload
    pixels = work.side**2 * _ASPECT
    decode = _DECODE[0] + _DECODE[1] * pixels / 1e6  # seconds of a core
    if work.gpus:
        operations = GPUS[work.gpu] * 1e12 * _UTILIZATION
        forward = max(work.flops / operations, 1 / _MOST)  # seconds of a GPU
        rates = {"the network": work.gpus / forward, "decoding": work.cores / decode}
        limit = min(rates, key=rates.__getitem__)
        rate = rates[limit]
        feed = math.ceil(work.gpus * decode / forward)
    else:
        forward = work.flops / _CORE  # seconds of a core
        limit = "the network" if forward > decode else "decoding"
        rate = work.cores / (decode + forward)
        feed = 0
    shape = choose_shapes(work.pictures, work.dims[0], Goals())[0][-1]
    numbers = sum(work.dims)
    return Sizing(
        pictures_per_s=rate,
        hours=work.pictures / rate / 3600,
        limit=limit,
        cores_to_feed=feed,
        decode_core_hours=work.pictures * decode / 3600,
        forward_hours=work.pictures * forward / 3600,
        read_bytes=work.pictures * pixels * _BYTES_PER_PIXEL,
        index_bytes=work.pictures * (_PART[0] + numbers * (_PART[1] + _HALF)),
        search_bytes=shape.memory(work.pictures, work.dims[0]),
        search_kind=shape.name,
    )
