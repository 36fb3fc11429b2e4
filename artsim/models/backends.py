"""What computes a tapped network's forward pass: OpenVINO on a CPU, torch everywhere."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from artsim.models.converted import cannot_compute, import_openvino, noise
from artsim.models.taps import TappedNetwork


class TorchBackend:
    """Eager torch, channels last, in float32 or bfloat16."""

    name = "torch"

    def __init__(self, network: TappedNetwork, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self.batch_size = 32 if device.type == "cpu" else 256
        # The normalization and the poolings stay in float32: only the network is cast.
        network.network.to(dtype)
        self.network = network.to(device).to(memory_format=torch.channels_last)

    def __call__(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Embed pictures, shape (B, 3, H, W): one (B, D) array per tap."""
        images = torch.from_numpy(pixels)
        if self.device.type == "cuda":
            images = images.pin_memory()  # so that it is copied during the computation
        with torch.inference_mode():
            images = images.to(self.device, non_blocking=True)
            vectors = self.network(images.contiguous(memory_format=torch.channels_last))
        return [vector.cpu().numpy() for vector in vectors]


def convert(network: TappedNetwork, size: tuple[int, int]) -> tuple[Any, list[NDArray[np.float32]]]:
    """Convert a network to OpenVINO; return it, and what torch computes for `noise`.

    Raises:
        ModelError: If OpenVINO is not installed, or cannot convert the network.
    """
    openvino = import_openvino()
    example = torch.from_numpy(noise(size))
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: the agreement with torch is the check
        expected = [vectors.numpy() for vectors in network(example)]
        try:
            model = openvino.convert_model(network, example_input=example)
            model.reshape([-1, 3, *size])
        except Exception as error:  # whatever the converter trips over
            raise cannot_compute(error) from error
    return model, expected
