"""Load a network by its spec, and embed pictures with it."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artsim.datatypes import ExtractorSpec, Fit, Passport, Preprocessing
from artsim.errors import ModelError
from artsim.models.backends import Backend, OpenVinoBackend, TorchBackend, cpu_computes_bfloat16
from artsim.models.building import build_network, find_source
from artsim.models.network import weights_sha256
from artsim.models.taps import TappedNetwork

logger = logging.getLogger(__name__)


class Precision(StrEnum):
    """The number format of the forward pass."""

    AUTO = "auto"  # bf16 on a GPU that is fast at it, else f32
    BF16 = "bf16"
    F32 = "f32"


class BackendName(StrEnum):
    """What computes the forward pass."""

    AUTO = "auto"  # OpenVINO on a CPU, torch where OpenVINO cannot
    OPENVINO = "openvino"
    TORCH = "torch"


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where the forward pass runs, and how exactly."""

    device: str = "cpu"  # cpu, cuda, cuda:1, mps; auto takes the best available
    backend: BackendName = BackendName.AUTO
    precision: Precision = Precision.AUTO


class Extractor:
    """A network with its taps, ready to embed."""

    def __init__(self, backend: Backend, passport: Passport) -> None:
        self.passport = passport
        self._backend = backend

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are prepared."""
        return self.passport.preprocessing

    @property
    def batch_size(self) -> int:
        """How many pictures at once are fast."""
        return self._backend.batch_size

    @property
    def network(self) -> TappedNetwork:
        """The network itself.

        Raises:
            ModelError: If it is not computed by torch.
        """
        if not isinstance(self._backend, TorchBackend):
            raise ModelError(
                f"explanations need a network computed by torch, not by {self._backend.name}; "
                "use --backend torch"
            )
        return self._backend.network

    def embed_batch(self, pixels: Tensor) -> dict[str, NDArray[np.float32]]:
        """Embed RGB pictures, uint8, shape (B, 3, H, W) with the preprocessing's size.

        Returns:
            Vectors by tap name, each (B, D), not normalized.
        """
        names = (tap.name for tap in self.passport.taps)
        return dict(zip(names, self._backend(pixels), strict=True))


def load_extractor(
    spec: ExtractorSpec,
    *,
    weights: Path | None = None,
    compute: Compute = Compute(),
    fit: Fit | None = None,
    scaled_decoding: int = 2,
) -> Extractor:
    """Load a network, its weights and its taps.

    ``weights`` is a local file of weights instead of those that the spec names; ``fit`` is how a
    picture is fitted to the network's input, by the model's default if None. For
    ``scaled_decoding`` see `Preprocessing`.

    Raises:
        ModelError: If the network, its weights, a tap or the device is missing.
    """
    device = find_device(compute.device)
    network = build_network(spec, weights=weights)
    preprocessing = _refit(network.preprocessing, fit, scaled_decoding)
    sha256 = weights_sha256(network.module)
    tapped = TappedNetwork(network, spec.taps)
    backend, dtype = _choose_backend(tapped, device, compute, preprocessing.size)
    passport = Passport(
        spec=str(spec),
        weights_sha256=sha256,
        weights_source=network.weights_source,
        preprocessing=preprocessing,
        taps=tapped.taps,
        backend=backend.name,
        compute_dtype=str(dtype).removeprefix("torch."),
        versions=_versions(spec.source, backend.name),
    )
    return Extractor(backend, passport)


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


def _refit(preprocessing: Preprocessing, fit: Fit | None, scaled_decoding: int) -> Preprocessing:
    preprocessing = replace(preprocessing, scaled_decoding=scaled_decoding)
    if fit is None or fit == preprocessing.fit:
        return preprocessing
    # Users choose pad and squash to keep the whole picture: nothing is cut off.
    return replace(preprocessing, fit=fit, scale=preprocessing.size)


def _choose_backend(
    tapped: TappedNetwork, device: torch.device, compute: Compute, size: tuple[int, int]
) -> tuple[Backend, torch.dtype]:
    dtype = _choose_dtype(device, compute.precision)
    if device.type != "cpu" and compute.backend == BackendName.OPENVINO:
        raise ModelError(f"OpenVINO computes on the CPU, not on {device}; use --device cpu")
    if device.type == "cpu" and compute.backend != BackendName.TORCH:
        try:
            return OpenVinoBackend(tapped, dtype, size), dtype
        except ModelError as error:
            if compute.backend == BackendName.OPENVINO:
                raise
            logger.warning("%s; torch computes instead", error)
    return TorchBackend(tapped, device, dtype), dtype


def _choose_dtype(device: torch.device, precision: Precision) -> torch.dtype:
    if precision == Precision.BF16:
        if device.type == "cpu" and not cpu_computes_bfloat16():
            logger.warning("this CPU computes bf16 no faster than f32; leave out --precision bf16")
        return torch.bfloat16
    if precision == Precision.F32:
        return torch.float32
    if device.type == "cuda":
        # Since Ampere; torch.cuda.is_bf16_supported() includes emulation, which is slow. ROCm's
        # GPUs have it, but number their capabilities differently.
        ampere = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if torch.version.hip or ampere else torch.float32
    # On a CPU bf16 is 1.6 times as fast, but moved kNN scores of real paintings by up to 0.65
    # points: only on request.
    return torch.float32


def _versions(source: str, backend: str) -> dict[str, str]:
    packages = ["artsim", "torch", "pillow", find_source(source).PACKAGE]
    packages += ["openvino"] if backend == "openvino" else []
    return {package.removesuffix("_torch"): version(package) for package in packages}
