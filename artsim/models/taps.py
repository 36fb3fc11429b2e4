"""Layers of a network by name, and the network that answers with their pooled outputs."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from artsim.datatypes import EMBEDDING, Tap, TapInfo
from artsim.errors import ModelError
from artsim.models import poolings
from artsim.models.networks import Network

__all__ = ["Layer", "TappedNetwork", "friendly_names", "list_layers"]

_TOWER = "visual."  # where an open_clip network keeps its picture half; a spec need not say it


@dataclass(frozen=True)
class Layer:
    """A layer that can be tapped."""

    name: str  # as a spec writes it: the module's path
    alias: str | None  # its name in the papers, which a spec may write too: conv3_3
    kind: str  # the module's class
    shape: tuple[int, ...]  # of its output for one picture


class TappedNetwork(nn.Module):
    """A network that takes uint8 pictures and gives one float32 vector a tap.

    One forward pass serves all taps and stops at the deepest.
    """

    def __init__(self, network: Network, taps: tuple[Tap, ...]) -> None:
        super().__init__()
        self.network = network.module
        mean = torch.tensor(network.preprocessing.mean).view(1, 3, 1, 1) * 255
        std = torch.tensor(network.preprocessing.std).view(1, 3, 1, 1) * 255
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.mean: Tensor
        self.std: Tensor

        modules = [_find_module(network, tap) for tap in taps]
        shapes = _output_shapes(network, set(modules))
        heads = [
            _make_head(network, tap, module, shapes[module])
            for tap, module in zip(taps, modules, strict=True)
        ]
        self.heads = nn.ModuleList(head for head, _ in heads)
        self.taps = tuple(info for _, info in heads)
        self._modules_of_heads = modules
        self._outputs: dict[str, Tensor] = {}
        self._wanted = set(modules)
        for path in self._wanted - {""}:
            self.network.get_submodule(path).register_forward_hook(self._keep(path))

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Embed pictures.

        Args:
            pixels: RGB in 0..255, shape (B, 3, H, W), any dtype.

        Returns:
            For every tap its vectors, shape (B, D), float32, not normalised.
        """
        dtype = next((p.dtype for p in self.network.parameters()), torch.float32)
        images = ((pixels.float() - self.mean) / self.std).to(dtype)  # (B, 3, H, W)
        self._outputs = {}
        try:
            output = self.network(images)
            if "" in self._wanted:
                self._outputs[""] = output
        except _DeepestReached:
            pass
        vectors = tuple(
            head(self._outputs[module].float())
            for head, module in zip(self.heads, self._modules_of_heads, strict=True)
        )
        self._outputs = {}
        return vectors

    def _keep(self, path: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self._outputs.setdefault(path, output[0] if isinstance(output, tuple) else output)
            if self._outputs.keys() == self._wanted:
                raise _DeepestReached

        return hook


class _DeepestReached(Exception):
    """All taps have their output; the rest of the network need not run."""


def list_layers(network: Network) -> list[Layer]:
    """List what can be tapped, in the order it is computed, with output shapes."""
    friendly = {module: name for name, module in friendly_names(network.module).items()}
    paths = {path for path, _ in network.module.named_modules() if path}
    shapes = _output_shapes(network, paths | {""})
    return [
        Layer(
            path.removeprefix(_TOWER) or EMBEDDING,
            friendly.get(path),
            type(network.module.get_submodule(path)).__name__,
            shape,
        )
        for path, shape in shapes.items()
        if path != _TOWER.rstrip(".")
    ]


def friendly_names(module: nn.Module) -> dict[str, str]:
    """Give the layers of VGG-like networks the names of the papers: conv3_3, relu3_3, pool3.

    Returns:
        Module paths by friendly name; empty for networks that are not a plain stack.
    """
    stack = getattr(module, "features", None)
    if not isinstance(stack, nn.Sequential):
        return {}
    names: dict[str, str] = {}
    block, number = 1, 0
    for index, layer in stack.named_children():
        path = f"features.{index}"
        if isinstance(layer, nn.Conv2d):
            number += 1
            names[f"conv{block}_{number}"] = path
        elif isinstance(layer, nn.ReLU):
            names[f"relu{block}_{number}"] = path
        elif isinstance(layer, nn.MaxPool2d):
            names[f"pool{block}"] = path
            block, number = block + 1, 0
    for name, path in (("fc6", "pre_logits.fc1"), ("fc7", "pre_logits.fc2")):
        if any(path == each for each, _ in module.named_modules()):
            names[name] = path
    return names


def _find_module(network: Network, tap: Tap) -> str:
    """Find a tap's module path; the embedding's is empty."""
    if tap.layer == EMBEDDING:
        return ""
    paths = {path for path, _ in network.module.named_modules() if path}
    inside = {path.removeprefix(_TOWER) for path in paths}
    friendly = friendly_names(network.module)
    for path in (tap.layer, friendly.get(tap.layer, ""), f"{_TOWER}{tap.layer}"):
        if path in paths:
            return path
    close = difflib.get_close_matches(tap.layer, [*friendly, *inside], n=3)
    hint = f"did you mean {', '.join(close)}?" if close else "list them with 'artsim layers'"
    raise ModelError(f"the network has no layer {tap.layer!r}; {hint}")


def _output_shapes(network: Network, paths: set[str]) -> dict[str, tuple[int, ...]]:
    """Run one blank picture and note the shape that each module gives for it."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            output = output[0] if isinstance(output, tuple) else output
            if isinstance(output, Tensor):
                shapes.setdefault(path, tuple(output.shape[1:]))

        return hook

    hooks = [network.module.get_submodule(path).register_forward_hook(note(path)) for path in paths]
    parameter = next(network.module.parameters())
    blank = torch.zeros(1, 3, *network.preprocessing.size, device=parameter.device)
    try:
        with torch.inference_mode():
            network.module(blank)
    finally:
        for hook in hooks:
            hook.remove()
    return shapes


def _make_head(
    network: Network, tap: Tap, module: str, shape: tuple[int, ...] | None
) -> tuple[nn.Module, TapInfo]:
    """Choose what turns a layer's output into a vector, and describe it."""
    if shape is None:
        raise ModelError(f"layer {tap.layer!r} gives no tensor, so it cannot be tapped")
    pooling = tap.pooling
    if len(shape) == 1:
        if pooling is not None:
            raise ModelError(
                f"layer {tap.layer!r} gives a vector of {shape[0]} already; "
                f"write {tap.layer} without /{pooling}"
            )
        return nn.Flatten(), TapInfo(name=str(tap), layer=module, pooling="none", dim=shape[0])
    tokens = len(shape) == 2  # (N, C), the class token first where there is one
    if pooling is None:
        pooling = "cls" if tokens and network.prefix_tokens else "avg"
    if pooling == "cls" and not (tokens and network.prefix_tokens):
        raise ModelError(f"layer {tap.layer!r} has no class token; choose another pooling than cls")
    channels = shape[-1] if tokens or network.channels_last else shape[0]
    dim, seed = channels, None
    head: nn.Module
    if pooling == "cls":
        head = _Call(lambda output: output[:, 0])
    elif pooling == "flatten":
        head, dim = nn.Flatten(), int(torch.Size(shape).numel())
    else:
        to_maps = _Call(_maps_from(network, tokens))
        if pooling == "gram":
            dim, seed = tap.dim or poolings.GRAM_DIM, poolings.GRAM_SEED
            head = nn.Sequential(to_maps, poolings.Gram(channels, dim, seed))
        else:
            pool = {"avg": poolings.average, "max": poolings.maximum, "gem": poolings.gem}[pooling]
            head = nn.Sequential(to_maps, _Call(pool))
    return head, TapInfo(name=str(tap), layer=module, pooling=pooling, dim=dim, seed=seed)


class _Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, value: Tensor) -> Tensor:
        return self.function(value)


def _maps_from(network: Network, tokens: bool) -> Callable[[Tensor], Tensor]:
    """Return what brings a layer's output to (B, C, N)."""
    prefix = network.prefix_tokens
    if tokens:
        return lambda output: output[:, prefix:].transpose(1, 2)  # (B, N, C)
    if network.channels_last:
        return lambda output: output.flatten(1, 2).transpose(1, 2)  # (B, H, W, C)
    return lambda output: output.flatten(2)  # (B, C, H, W)
