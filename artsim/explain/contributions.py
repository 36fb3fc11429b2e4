"""How much each position of a picture gave of its cosine with a vector.

The cosine of two vectors is a sum over channels, and each pooling makes a channel from positions.
The gradient of the cosine's inner product at a layer, times the layer's output, shares it out over
the positions. By Euler's theorem the shares add up to the cosine exactly wherever the way from the
layer to the vector is homogeneous, as it is for avg, max, gem and gram; for avg they are the
decomposition of Stylianou et al. 2019, https://arxiv.org/abs/1901.00536. Layer normalizations and
attention are made so by holding what they divide by and what they attend to, after Ali et al. 2022,
https://arxiv.org/abs/2202.07304. What biases and a class token gave has no place in the picture:
``explained`` is what the positions gave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from artsim.datatypes import Preprocessing
from artsim.errors import ModelError
from artsim.index import unit
from artsim.loader import resized_size
from artsim.models import Extractor, TensorLayout

Box = tuple[float, float, float, float]  # left, top, right, bottom in fractions of a picture

_DEGREES = {"gram": 2}  # the power by which a pooling grows with its layer; 1 for the others


@dataclass(frozen=True)
class Explanation:
    """How much each position of a picture gave of its cosine with another vector."""

    contributions: NDArray[np.float32]  # (H, W) of the layer; below 0 where it spoke against
    score: float  # the cosine
    layer: str  # the module whose positions these are

    @property
    def explained(self) -> float:
        """What the positions gave altogether; the score where they gave all of it."""
        return float(self.contributions.sum())


class Explainer:
    """A network that shows which positions of a picture made its vector similar to another."""

    def __init__(self, extractor: Extractor, tap: str) -> None:
        """Make ready to explain a tap.

        Args:
            extractor: Computed by torch.
            tap: Which of its vectors.

        Raises:
            ModelError: If torch does not compute it, or no layer before the tap answers position
                by position.
        """
        self._network = extractor.network
        self._device = self._network.mean.device
        self._preprocessing = extractor.preprocessing
        self._place = [info.name for info in extractor.passport.taps].index(tap)
        self._degree = _DEGREES.get(extractor.passport.taps[self._place].pooling, 1)
        self._layers = self._network.positional_layers()
        self._tap = tap

    def explain(self, pixels: Tensor, others: NDArray[np.float32]) -> list[Explanation]:
        """Share out the cosines of pictures with vectors, one vector a picture.

        Args:
            pixels: RGB, uint8, shape (B, 3, H, W) with the preprocessing's size.
            others: Of the tap, shape (B, D), of any length.

        Raises:
            ModelError: If no layer answers position by position.
        """
        with torch.enable_grad(), _Held():
            outputs, vectors = self._run(pixels)
            theirs = torch.from_numpy(unit(others)).to(vectors)
            # The lengths are held fixed: the shares are of this cosine, not of its change.
            ours = vectors / vectors.detach().norm(dim=1, keepdim=True).clamp(min=1e-12)
            scores = (ours * theirs).sum(dim=1)  # (B,)
            layers = list(outputs.values())
            gradients = (
                torch.autograd.grad(scores.sum(), layers, allow_unused=True) if layers else ()
            )
        for (path, output), gradient in reversed(
            list(zip(outputs.items(), gradients, strict=True))
        ):
            layout = self._layers[path]
            if gradient is None or not layout.maps(gradient).any():
                continue  # the tap does not hear of its positions
            shares = layout.maps((gradient * output).detach()).sum(dim=1)  # (B, N)
            grid = _grid(layout, self._preprocessing.size)
            maps = (shares.float() / self._degree).reshape(-1, *grid).cpu().numpy()
            return [
                Explanation(map_, score, path)
                for map_, score in zip(maps, scores.tolist(), strict=True)
            ]
        raise ModelError(
            f"the tap {self._tap!r} has no layer before it with an output for each position; "
            "use another --tap"
        )

    def _run(self, pixels: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Embed pictures, keeping what every positional layer gave: with it the vectors, (B, D)."""
        outputs: dict[str, Tensor] = {}

        def keep(path: str) -> Callable[[torch.nn.Module, Any, Any], None]:
            def hook(_module: torch.nn.Module, _inputs: Any, output: Any) -> None:
                output = output[0] if isinstance(output, tuple) else output
                if output.requires_grad:
                    outputs[path] = output

            return hook

        # Before the hooks of the taps: the deepest of those ends the forward pass.
        hooks = [
            self._network.network.get_submodule(path).register_forward_hook(
                keep(path), prepend=True
            )
            for path in self._layers
        ]
        try:
            images = pixels.to(self._device).float().requires_grad_()
            vectors = self._network(images)[self._place]
        finally:
            for hook in hooks:
                hook.remove()
        return outputs, vectors


def seen_box(size: tuple[int, int], preprocessing: Preprocessing) -> Box:
    """Return which part of a picture the network sees, and so what a map of positions lies on.

    Beyond 0 to 1 where the picture is padded.

    Args:
        size: Of the upright picture, (width, height) in pixels.
        preprocessing: What brings it to the network's shape.
    """
    width, height = resized_size(size, preprocessing)
    shown_height, shown_width = preprocessing.size
    left, top = (width - shown_width) / 2 / width, (height - shown_height) / 2 / height
    return left, top, 1 - left, 1 - top


class _Held(TorchFunctionMode):
    """Layer normalization and attention whose gradients see them as linear."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is functional.layer_norm:
            return _layer_norm(*args, **(kwargs or {}))
        if func is functional.scaled_dot_product_attention:
            query, key, *others = args
            args = (query.detach(), key.detach(), *others)
        return func(*args, **(kwargs or {}))


def _layer_norm(
    values: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize as torch does, the standard deviation being a constant to the gradient."""
    axes = tuple(range(-len(normalized_shape), 0))
    centered = values - values.mean(axes, keepdim=True)
    scale = centered.detach().square().mean(axes, keepdim=True).add(eps).rsqrt()
    normal = centered * scale
    normal = normal if weight is None else normal * weight
    return normal if bias is None else normal + bias


def _grid(layout: TensorLayout, size: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of a layer's positions."""
    if len(layout.shape) == 3:
        rows, columns = (side for axis, side in enumerate(layout.shape) if axis != layout.channels)
        return rows, columns
    height, width = size
    count = layout.positions  # tokens, in the picture's proportions
    rows = max(
        (n for n in range(1, count + 1) if count % n == 0),
        key=lambda n: -abs(np.log(n * n * width / count / height)),
    )
    return rows, count // rows
