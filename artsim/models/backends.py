"""What computes a tapped network's forward pass: OpenVINO on a CPU, torch everywhere."""

from __future__ import annotations

import sys
import warnings
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artsim.errors import ModelError
from artsim.models.taps import TappedNetwork

# The converted network must agree with torch on noise, which is harder than on pictures.
_AGREEMENT = {torch.float32: 0.999, torch.bfloat16: 0.95}  # least cosine
_PRECISION = {torch.float32: "f32", torch.bfloat16: "bf16"}


class Backend(Protocol):
    """Computes vectors of uint8 pictures."""

    name: str
    batch_size: int  # that is fast

    def __call__(self, pixels: Tensor) -> list[NDArray[np.float32]]:
        """Embed pictures, shape (B, 3, H, W), uint8: one (B, D) array per tap."""


class TorchBackend:
    """Eager torch, channels last, in float32 or bfloat16."""

    name = "torch"

    def __init__(self, network: TappedNetwork, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self.batch_size = 32 if device.type == "cpu" else 256
        # The normalization and the poolings stay in float32: only the network is cast.
        network.network.to(dtype)
        self.network = network.to(device).to(memory_format=torch.channels_last)

    def __call__(self, pixels: Tensor) -> list[NDArray[np.float32]]:
        """Embed pictures, shape (B, 3, H, W), uint8: one (B, D) array per tap."""
        if self.device.type == "cuda":
            pixels = pixels.pin_memory()  # so that it is copied during the computation
        with torch.inference_mode():
            pixels = pixels.to(self.device, non_blocking=True)
            vectors = self.network(pixels.contiguous(memory_format=torch.channels_last))
        return [vector.cpu().numpy() for vector in vectors]


class OpenVinoBackend:
    """The network converted to OpenVINO, which computes it several times faster on a CPU.

    Raises:
        ModelError: If OpenVINO is not installed, cannot convert the network, or disagrees with
            torch.
    """

    name = "openvino"
    batch_size = 32

    def __init__(self, network: TappedNetwork, dtype: torch.dtype, size: tuple[int, int]) -> None:
        openvino = _import_openvino()
        noise = torch.randint(
            0, 256, (2, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
        )
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tracing: the agreement below is the check
            expected = network(noise)
            try:
                model = openvino.convert_model(network, example_input=noise)
                model.reshape([-1, 3, *size])
                hints = {
                    "INFERENCE_PRECISION_HINT": _PRECISION[dtype],
                    "PERFORMANCE_HINT": "LATENCY",  # one batch at a time on all cores
                }
                self._compiled = openvino.Core().compile_model(model, "CPU", hints)
            except Exception as error:  # whatever the converter trips over
                reason = " ".join(str(error).split())[:200]
                raise ModelError(
                    f"OpenVINO cannot compute this network ({reason}); use --backend torch"
                ) from error
        for vectors, wanted in zip(self(noise), expected, strict=True):
            cosine = torch.cosine_similarity(torch.from_numpy(vectors), wanted).min().item()
            if not cosine >= _AGREEMENT[dtype]:
                raise ModelError(
                    f"OpenVINO computes this network wrongly (cosine {cosine:.3f} to torch, "
                    f"expected {_AGREEMENT[dtype]}); use --backend torch"
                )

    def __call__(self, pixels: Tensor) -> list[NDArray[np.float32]]:
        """Embed pictures, shape (B, 3, H, W), uint8: one (B, D) array per tap."""
        outputs = self._compiled(pixels.contiguous().numpy())
        return [np.array(outputs[index], dtype=np.float32) for index in range(len(outputs))]


def cpu_computes_bfloat16() -> bool:
    """Return whether OpenVINO finds that this CPU multiplies bfloat16 faster than float32."""
    try:
        core = _import_openvino().Core()
    except ModelError:
        return False
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _import_openvino() -> Any:
    # Where openvino_telemetry can be imported, importing OpenVINO is reported to its makers.
    # artsim sends nothing to anyone.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise ModelError("OpenVINO is not installed; pip install openvino") from error
    return openvino
