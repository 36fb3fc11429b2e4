"""How much each position of a picture contributes to its cosine with a vector.

The cosine of two vectors is a sum over channels, and each pooling makes a channel from positions.
The gradient of the inner product at a layer, times the layer's output, divides it among the
positions. By Euler's theorem these shares sum to the cosine exactly if the vector is a homogeneous
function of the layer, as it is for avg, max, gem and gram; for avg they are the decomposition of
Stylianou et al. 2019, https://arxiv.org/abs/1901.00536. Layer normalization and attention become
homogeneous by holding their divisors and attention weights constant, after Ali et al. 2022,
https://arxiv.org/abs/2202.07304. Biases and a class token have no position in the picture:
``explained`` is the part of the cosine that comes from positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from artsim.errors import ModelError
from artsim.explain.explanation import Explanation
from artsim.index import unit
from artsim.models import Extractor, TensorLayout

_DEGREES = {"gram": 2}  # the degree of homogeneity of a pooling; 1 for the others


class Explainer:
    """Explains the vectors of a tap by the positions of a picture.

    Raises:
        ModelError: If the network is not computed by torch.
    """

    def __init__(self, extractor: Extractor, tap: str) -> None:
        self._network = extractor.network
        self._device = self._network.mean.device
        self._preprocessing = extractor.preprocessing
        self._place = [info.name for info in extractor.passport.taps].index(tap)
        self._degree = _DEGREES.get(extractor.passport.taps[self._place].pooling, 1)
        self._layers = self._network.positional_layers()
        self._tap = tap

    def explain(self, pixels: NDArray[np.uint8], others: NDArray[np.float32]) -> list[Explanation]:
        """Divide the cosine of each picture with its vector among the picture's positions.

        Args:
            pixels: RGB, shape (B, 3, H, W), as preprocessed.
            others: Vectors of the tap, shape (B, D), of any length.

        Raises:
            ModelError: If no layer before the tap has an output for each position.
        """
        with torch.enable_grad(), _Held():
            outputs, vectors = self._run(pixels)
            theirs = torch.from_numpy(unit(others)).to(vectors)
            # With their lengths held constant, the shares sum to the cosine.
            ours = vectors / vectors.detach().norm(dim=1, keepdim=True).clamp(min=1e-12)
            scores = (ours * theirs).sum(dim=1)  # (B,)
            layers = list(outputs.values())
            gradients = (
                torch.autograd.grad(scores.sum(), layers, allow_unused=True) if layers else ()
            )
        found = list(zip(outputs.items(), gradients, strict=True))
        for (path, output), gradient in reversed(found):
            layout = self._layers[path]
            if gradient is None or not layout.maps(gradient).any():
                continue  # the tap does not depend on its positions
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

    def _run(self, pixels: NDArray[np.uint8]) -> tuple[dict[str, Tensor], Tensor]:
        """Embed pictures: the outputs of all positional layers, and the vectors, (B, D)."""
        outputs: dict[str, Tensor] = {}

        def keep(path: str) -> Callable[[torch.nn.Module, Any, Any], None]:
            def hook(_module: torch.nn.Module, _inputs: Any, output: Any) -> None:
                output = output[0] if isinstance(output, tuple) else output
                if output.requires_grad:
                    outputs[path] = output

            return hook

        # They come before the hooks of the taps, the last of which ends the forward pass.
        hooks = [
            self._network.network.get_submodule(path).register_forward_hook(
                keep(path), prepend=True
            )
            for path in self._layers
        ]
        try:
            images = torch.as_tensor(pixels).to(self._device).float().requires_grad_()
            vectors = self._network(images)[self._place]
        finally:
            for hook in hooks:
                hook.remove()
        return outputs, vectors


class _Held(TorchFunctionMode):
    """Makes layer normalization and attention linear for their gradients."""

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
    """Normalize as torch does, with the standard deviation constant for the gradient."""
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
