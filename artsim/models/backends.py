"""What computes a tapped network's forward pass: OpenVINO on a CPU, torch everywhere."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artsim.errors import ModelError
from artsim.models.compute import Compile
from artsim.models.converted import cannot_compute, check_agreement, import_openvino, noise
from artsim.models.taps import TappedNetwork

logger = logging.getLogger(__name__)

# Pictures from which it is compiled by itself. To compile takes 12 to 25 s on an H200; that is
# earned back, where the GPU does not wait for pictures, by 250,000 (VGG16), 800,000 (lite0), 1.3
# million (ViT-L/14) or 4 million (ViT-B/32).
COMPILED_FROM = 1_000_000

_COPY, _COMPUTE, _RETURN = range(3)  # the steps of a batch

Vectors = list[NDArray[np.float32]]


class TorchBackend:
    """Torch, channels last, in float32 or bfloat16; on a GPU it works beside its caller.

    A batch goes through three steps: copied there, computed, its vectors copied back. On a GPU
    each has a stream, so that none waits for another batch than its own; elsewhere they follow
    each other. Torch keeps the pinned memory of finished copies for the next.
    """

    name = "torch"

    def __init__(
        self,
        network: TappedNetwork,
        device: torch.device,
        dtype: torch.dtype,
        *,
        careful: bool = False,
        compiling: Compile = Compile.OFF,
    ) -> None:
        """Move a network to its device.

        Args:
            network: Computed in float32 so far.
            device: Where it is computed.
            dtype: What the network is cast to; normalization and poolings stay in float32.
            careful: Stay in float32 if bfloat16 gives other vectors of noise.
            compiling: See `prepare`.
        """
        self.device, self.dtype = device, torch.float32
        self.batch_size = 32 if device.type == "cpu" else 256
        self.ahead = 3 if device.type == "cuda" else 0  # batches, see `StreamingBackend`
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self._steps = _Steps(device)
        self._compiling, self._prepared = compiling, 0
        self._compiled_from = COMPILED_FROM if device.type == "cuda" else math.inf
        self._compiled: Callable[[Tensor], tuple[Tensor, ...]] | None = None
        if dtype != torch.float32:
            self._cast(dtype, careful)

    def __call__(self, pixels: NDArray[np.uint8]) -> Vectors:
        """Embed pictures, shape (B, 3, H, W): one (B, D) array per tap."""
        return self.begin(list(pixels))()

    def begin(self, pixels: Sequence[NDArray[np.uint8]]) -> Callable[[], Vectors]:
        """Begin to embed pictures, each (3, H, W); return what waits for their vectors."""
        count = len(pixels)
        # A compiled network takes batches of one size. Smaller ones are filled up, unless there
        # was no memory for the whole and this is a half of it.
        compiled = self._compiled if self._prepared // 2 < count <= self._prepared else None
        rows = count if compiled is None else self._prepared
        held = self._steps.memory((rows, *pixels[0].shape), torch.uint8)
        np.stack(pixels, out=held.numpy()[:count])
        held[count:] = 0
        with torch.inference_mode(), self._exactly():
            with self._steps.step(_COPY):
                images = held.to(self.device, non_blocking=self._steps.beside)
            with self._steps.step(_COMPUTE, images):
                images = images.contiguous(memory_format=torch.channels_last)
                if compiled is not None:
                    torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]  # torch's
                vectors = self.network(images) if compiled is None else compiled(images)
                joined = torch.cat([each.flatten(1) for each in vectors], dim=1)  # one copy back
            with self._steps.step(_RETURN, joined):
                found = self._steps.memory(joined.shape, joined.dtype)
                found.copy_(joined, non_blocking=self._steps.beside)
                wait_for_copy = self._steps.end()
        ends = np.cumsum([each.shape[1:].numel() for each in vectors])[:-1]

        def wait() -> Vectors:
            wait_for_copy()
            # Copies: pinned memory is scarce.
            return [each.copy() for each in np.split(found.numpy()[:count], ends, axis=1)]

        return wait

    def prepare(self, batch_size: int, pictures: int) -> None:
        """Compile the network for batches of one size, if that was chosen or pays.

        Raises:
            ModelError: If it was chosen, and torch cannot or computes something else.
        """
        chosen = self._compiling == Compile.ON
        pays = self._compiling == Compile.AUTO and pictures >= self._compiled_from
        if self._prepared == batch_size or not (chosen or pays):
            return
        try:
            self._compile(batch_size)
        except Exception as error:  # whatever the compiler trips over
            self._compiled, self._compiling = None, Compile.OFF
            lines = str(error).strip().splitlines() or [type(error).__name__]
            problem = f"torch cannot compile this network here ({lines[0][:200]})"
            if chosen:
                raise ModelError(f"{problem}; leave out --compile on") from error
            logger.warning("%s; it is computed as it is", problem)

    def _compile(self, batch_size: int) -> None:
        self._compiled, self._prepared = None, batch_size
        pixels = noise(self.network.size, batch_size)
        expected = self(pixels)
        # CUDA graphs: a batch is started at once, not kernel by kernel.
        mode = "reduce-overhead" if self.device.type == "cuda" else None
        self._compiled = torch.compile(self.network, mode=mode, dynamic=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the agreement is the check
            for _ in range(3):  # a graph is recorded at the second
                found = self(pixels)
        check_agreement(found, expected, _name(self.dtype), "compiled torch", "")

    def _cast(self, dtype: torch.dtype, careful: bool) -> None:
        pixels = noise(self.network.size)
        exact = self(pixels) if careful else None
        weights = self.network.network.state_dict()
        self.network.network.to(dtype)
        self.dtype = dtype
        if exact is None:
            return
        try:
            check_agreement(self(pixels), exact, _name(dtype), _name(dtype), "")
        except ModelError as problem:
            logger.warning("%s; it is computed in float32", problem)
            self.network.network.to(torch.float32).load_state_dict(weights)
            self.dtype = torch.float32

    @contextmanager
    def _exactly(self) -> Iterator[None]:
        """Compute float32 as such: by default torch rounds it to TF32 in convolutions on a GPU."""
        if self.device.type != "cuda" or self.dtype != torch.float32:
            yield
            return
        before = torch.backends.cudnn.allow_tf32
        torch.backends.cudnn.allow_tf32 = False
        try:
            yield
        finally:
            torch.backends.cudnn.allow_tf32 = before


class _Steps:
    """The streams of a GPU, each of which waits for the one before; none elsewhere."""

    def __init__(self, device: torch.device) -> None:
        self._streams: list[torch.cuda.Stream] = []
        if device.type == "cuda":
            self._streams = [torch.cuda.Stream(device) for _ in range(3)]  # type: ignore[no-untyped-call]  # torch's

    @property
    def beside(self) -> bool:
        """Whether copies go on beside other work; `end` waits for no others."""
        return bool(self._streams)

    def memory(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return memory of this machine, pinned if it is copied beside other work."""
        return torch.empty(tuple(shape), dtype=dtype, pin_memory=self.beside)

    @contextmanager
    def step(self, number: int, *used: Tensor) -> Iterator[None]:
        """Begin a step of a batch, with what the step before has made."""
        if not self._streams:
            yield
            return
        stream = self._streams[number]
        # The first waits for whatever the caller began, such as moving the weights.
        before = self._streams[number - 1] if number else torch.cuda.current_stream(stream.device)
        stream.wait_stream(before)
        with torch.cuda.stream(stream):
            for tensor in used:
                tensor.record_stream(stream)
            yield

    def end(self) -> Callable[[], None]:
        """Return what waits for all that was begun so far."""
        if not self._streams:
            return lambda: None
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's
        done.record(self._streams[-1])
        return done.synchronize


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


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
