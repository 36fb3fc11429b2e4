"""Which axis of a layer's output has the channels, and which tokens are not positions.

Networks mix layouts: ConvNeXt's maps are (B, C, H, W) between its blocks and (B, H, W, C) inside
them; a mixer alternates between (B, N, C) and (B, C, N). So each layer's layout is found from the
shape of its output; if that is ambiguous, from its kind or from what the network declares.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from artsim.models.network import Network

PROBED = 2  # pictures in the batch that shapes are read from


@dataclass(frozen=True)
class TensorLayout:
    """How to read a layer's output for one picture."""

    shape: tuple[int, ...]
    channels: int | None  # their axis; None if unknown
    prefix: int = 0  # class and register tokens before the patch tokens
    has_class_token: bool = False  # it is the first

    @property
    def positions(self) -> int:
        """How many positions of the picture it has outputs for; 0 if unknown."""
        if self.channels is None or len(self.shape) == 1:
            return 0
        sides = [side for axis, side in enumerate(self.shape) if axis != self.channels]
        return math.prod(sides) - self.prefix

    def maps(self, output: Tensor) -> Tensor:
        """Reshape a batch of outputs to (B, C, N): C channels at N positions, row by row."""
        if self.channels == 0:
            return output.flatten(2)  # (B, C, H, W) or (B, C, N)
        if len(self.shape) == 2:
            return output[:, self.prefix :].transpose(1, 2)  # (B, N, C)
        return output.flatten(1, 2).transpose(1, 2)  # (B, H, W, C)


def output_shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Run two blank pictures and return the shape of each module's output, batch included.

    They are keyed by module path, "" for the network, in the order they are computed; modules that
    return no tensor or are not called are left out.
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def note(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            output = output[0] if isinstance(output, tuple) else output
            if isinstance(output, Tensor):
                shapes.setdefault(path, tuple(output.shape))

        return hook

    hooks = [
        module.register_forward_hook(note(path)) for path, module in network.module.named_modules()
    ]
    parameter = next(network.module.parameters())
    blank = torch.zeros(PROBED, 3, *network.preprocessing.size, device=parameter.device)
    try:
        with torch.inference_mode():
            network.module(blank)
    finally:
        for hook in hooks:
            hook.remove()
    return shapes


def find_layout(network: Network, path: str, shapes: dict[str, tuple[int, ...]]) -> TensorLayout:
    """Find the layout of the output of the module at a path, from the `output_shapes`."""
    shape = shapes[path][1:]
    module = network.module.get_submodule(path)
    if len(shape) == 2:
        return _token_layout(network, module, shape, _grids(network, shapes))
    if len(shape) == 3:
        return TensorLayout(shape, _channels_of_maps(network, module, shape))
    return TensorLayout(shape, channels=None)


def _channels_of_maps(network: Network, module: nn.Module, shape: tuple[int, ...]) -> int | None:
    """Find the channels of (C, H, W) or (H, W, C)."""
    picture = network.preprocessing.size
    first, last = _is_like(picture, shape[1:]), _is_like(picture, shape[:2])
    if first != last:
        return 0 if first else 2
    # 56 channels of 56 x 56, or no map at all. LayerNorm2d is a LayerNorm too: 2d comes first.
    if any(kind.__name__.endswith("2d") for kind in type(module).__mro__):
        return 0
    if isinstance(module, nn.Linear | nn.LayerNorm):
        return 2
    return {"NCHW": 0, "NHWC": 2}.get(network.layout) if first else None


def _is_like(picture: tuple[int, int], sides: tuple[int, ...]) -> bool:
    """Return whether two sides have the picture's proportions, as a map's height and width do."""
    (height, width), (rows, columns) = picture, sides
    if height == width:
        return rows == columns
    return abs(rows * width - columns * height) <= max(picture)  # one more or less by rounding


def _token_layout(
    network: Network, module: nn.Module, shape: tuple[int, ...], grids: set[int]
) -> TensorLayout:
    """Find the channels and the prefix of (N, C) or (C, N)."""
    prefix = network.prefix_tokens
    counts = {1} | grids | {grid + prefix for grid in grids}
    first, last = (length in counts for length in shape)
    is_feature_last = isinstance(module, nn.Linear | nn.LayerNorm) and (first or not grids)
    channels: int | None = None
    if first != last:
        channels = 1 if first else 0
    elif network.layout == "NLC" or is_feature_last:
        channels = 1
    # Some networks add their class token late: it is there if the count says so.
    if channels != 1 or (grids and shape[0] - prefix not in grids):
        prefix = 0
    return TensorLayout(shape, channels, prefix, network.has_class_token and prefix > 0)


def _grids(network: Network, shapes: dict[str, tuple[int, ...]]) -> set[int]:
    """Return how many positions the maps of convolutions have, also when halved again.

    A patch embedding is a convolution too, or has its number of patches as an attribute.
    """
    grids: set[int] = set()
    for path, shape in shapes.items():
        module = network.module.get_submodule(path)
        if isinstance(getattr(module, "num_patches", None), int):
            grids.add(module.num_patches)  # type: ignore[arg-type]  # checked above
        if isinstance(module, nn.Conv2d) and shape[0] == PROBED:
            height, width = shape[2:]
            while height * width > 1:
                grids.add(height * width)
                height, width = (height + 1) // 2, (width + 1) // 2
    return grids
