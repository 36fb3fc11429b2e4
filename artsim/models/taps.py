"""Layers of a network by name, and the network that returns their pooled outputs."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from artsim.datatypes import EMBEDDING, PALETTE, Tap, TapInfo
from artsim.errors import ModelError
from artsim.models.layouts import PROBED, TensorLayout, find_layout, output_shapes
from artsim.models.network import Network
from artsim.models.palette import PALETTE_DIM, ColorHistogram
from artsim.models.poolings import POOLINGS

_PIXELS = "the pixels"  # instead of a module's path; no path contains a space
_TOWER = "visual."  # where an open_clip network has its picture half; a spec may leave it out


@dataclass(frozen=True)
class Layer:
    """A layer that can be tapped."""

    name: str  # as a spec writes it: the module's path
    alias: str | None  # its name in the papers, which a spec may write too: conv3_3
    kind: str  # the module's class
    shape: tuple[int, ...]  # of its output for one picture


class TappedNetwork(nn.Module):
    """A network that takes uint8 pictures and returns one float32 vector per tap.

    One forward pass serves all taps and stops at the deepest.
    """

    def __init__(self, network: Network, taps: tuple[Tap, ...]) -> None:
        super().__init__()
        self.network, self.size = network.module, network.preprocessing.size
        for name in ("mean", "std"):
            values = torch.tensor(getattr(network.preprocessing, name))
            self.register_buffer(name, values.view(1, 3, 1, 1) * 255)
        self.mean: Tensor
        self.std: Tensor

        modules = [_find_module(network, tap) for tap in taps]
        shapes = output_shapes(network)
        heads = [
            _make_head(network, tap, module, shapes)
            for tap, module in zip(taps, modules, strict=True)
        ]
        self.heads = nn.ModuleList(head for head, _ in heads)
        self.taps = tuple(info for _, info in heads)
        self._modules_of_heads = modules
        self._source, self._shapes = network, shapes
        self._outputs: dict[str, Tensor] = {}
        self._wanted = set(modules) - {_PIXELS}
        for path in self._wanted - {""}:
            self.network.get_submodule(path).register_forward_hook(self._keep(path))

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Embed pictures.

        Args:
            pixels: RGB in 0..255, shape (B, 3, H, W), any dtype.

        Returns:
            For every tap its vectors, shape (B, D), float32, not normalized.
        """
        self._outputs = {}  # of a pass that failed, too
        dtype = next((p.dtype for p in self.network.parameters()), torch.float32)
        images = ((pixels.float() - self.mean) / self.std).to(dtype)  # (B, 3, H, W)
        try:
            if self._wanted:
                output = self.network(images)
                if "" in self._wanted:
                    self._outputs[""] = output
        except _DeepestReached:
            pass
        outputs, self._outputs = self._outputs, {}  # memory that is free once they are used
        outputs[_PIXELS] = pixels
        return tuple(
            head(outputs[module].float())
            for head, module in zip(self.heads, self._modules_of_heads, strict=True)
        )

    def positional_layers(self) -> dict[str, TensorLayout]:
        """Return the layers with an output per position, in the order they are computed."""
        layouts = {
            path: find_layout(self._source, path, self._shapes)
            for path, shape in self._shapes.items()
            if shape[:1] == (PROBED,)
        }
        return {path: layout for path, layout in layouts.items() if layout.positions > 1}

    def _keep(self, path: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if path in self._outputs:
                return
            output = output[0] if isinstance(output, tuple) else output
            if self._outputs.keys() | {path} == self._wanted:
                self._outputs[path] = output
                raise _DeepestReached
            # Later layers may write into it: timm's ResNets add the shortcut in place.
            self._outputs[path] = output.clone()

        return hook


class _DeepestReached(Exception):
    """All taps have their output; the rest of the network need not run."""


def list_layers(network: Network) -> list[Layer]:
    """List what can be tapped, in the order it is computed, with output shapes.

    Layers without one output per picture, such as those on windows, are left out.
    """
    friendly = {module: name for name, module in friendly_names(network.module).items()}
    return [
        Layer(
            path.removeprefix(_TOWER) or EMBEDDING,
            friendly.get(path),
            type(network.module.get_submodule(path)).__name__,
            shape[1:],
        )
        for path, shape in output_shapes(network).items()
        if path != _TOWER.rstrip(".") and shape[:1] == (PROBED,)
    ]


def friendly_names(module: nn.Module) -> dict[str, str]:
    """Return the module paths of VGG-like networks by their names in papers, such as conv3_3.

    Empty for networks that are not a plain stack.
    """
    stack = getattr(module, "features", None)
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d)
    if not isinstance(stack, nn.Sequential) or not all(isinstance(m, kinds) for m in stack):
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
    if tap.layer == PALETTE:
        return _PIXELS
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


def _make_head(
    network: Network, tap: Tap, module: str, shapes: dict[str, tuple[int, ...]]
) -> tuple[nn.Module, TapInfo]:
    """Choose what turns a layer's output into a vector, and describe it."""
    if module == _PIXELS:
        if tap.pooling is not None:
            raise ModelError(f"{PALETTE!r} is a vector already; write it without /{tap.pooling}")
        info = TapInfo(name=PALETTE, layer=PALETTE, pooling=PALETTE, dim=PALETTE_DIM)
        return ColorHistogram(), info
    if module not in shapes:
        raise ModelError(
            f"layer {tap.layer!r} does not return a tensor, so it cannot be a tap; "
            f"list those that can with 'artsim layers'"
        )
    if shapes[module][:1] != (PROBED,):
        raise ModelError(
            f"layer {tap.layer!r} gives {' x '.join(map(str, shapes[module]))} for {PROBED} "
            f"pictures, not one output per picture; list those that do with 'artsim layers'"
        )
    layout = find_layout(network, module, shapes)
    pooling = tap.pooling
    if len(layout.shape) == 1:
        (dim,) = layout.shape
        if pooling is not None:
            raise ModelError(
                f"layer {tap.layer!r} gives a vector of {dim} already; "
                f"write {tap.layer} without /{pooling}"
            )
        return nn.Flatten(), TapInfo(name=str(tap), layer=module, pooling="none", dim=dim)
    pooling = pooling or ("cls" if layout.has_class_token else "avg")
    if pooling not in POOLINGS:
        raise ModelError(f"no pooling {pooling!r} in {tap}; choose from {', '.join(POOLINGS)}")
    if tap.dim and not POOLINGS[pooling].takes_size:
        raise ModelError(f"only gram takes a size, as in gram512; {tap} gives {pooling} one")
    head, dim, seed = POOLINGS[pooling].make(tap, layout)
    return head, TapInfo(name=str(tap), layer=module, pooling=pooling, dim=dim, seed=seed)
