"""What computes a tapped network's forward pass: OpenVINO on a CPU, torch everywhere."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
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
        with torch.inference_mode():
            images = torch.from_numpy(pixels).to(self.device)
            vectors = self.network(images.contiguous(memory_format=torch.channels_last))
        return [vector.cpu().numpy() for vector in vectors]


class CudaBackend(TorchBackend):
    """Torch on a GPU that works beside its caller.

    Three streams each copy pictures there, compute, and copy vectors back, so that none waits for
    another batch than its own. Torch keeps the pinned memory of finished copies for the next.
    """

    ahead = 3

    def __init__(self, network: TappedNetwork, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(network, device, dtype)
        self._there, self._compute, self._back = (torch.cuda.Stream(device) for _ in range(3))  # type: ignore[no-untyped-call]  # torch's
        torch.cuda.synchronize(device)  # the weights are there

    def __call__(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Embed pictures, shape (B, 3, H, W): one (B, D) array per tap."""
        return self.begin(list(pixels))()

    def begin(self, pixels: Sequence[NDArray[np.uint8]]) -> Callable[[], list[NDArray[np.float32]]]:
        """Begin to embed pictures, each (3, H, W); return what waits for their vectors."""
        shape = (len(pixels), *pixels[0].shape)
        pinned = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        np.stack(pixels, out=pinned.numpy())
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's
        with torch.inference_mode():
            with torch.cuda.stream(self._there):
                images = pinned.to(self.device, non_blocking=True)
            self._compute.wait_stream(self._there)
            with torch.cuda.stream(self._compute):
                images.record_stream(self._compute)
                vectors = self.network(images.contiguous(memory_format=torch.channels_last))
                joined = torch.cat([each.flatten(1) for each in vectors], dim=1)  # one copy back
            self._back.wait_stream(self._compute)
            with torch.cuda.stream(self._back):
                joined.record_stream(self._back)
                found = torch.empty(joined.shape, dtype=joined.dtype, pin_memory=True)
                found.copy_(joined, non_blocking=True)
                done.record(self._back)
        ends = np.cumsum([each.shape[1:].numel() for each in vectors])[:-1]

        def wait() -> list[NDArray[np.float32]]:
            done.synchronize()
            # Copies: pinned memory is scarce.
            return [each.copy() for each in np.split(found.numpy(), ends, axis=1)]

        return wait


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
