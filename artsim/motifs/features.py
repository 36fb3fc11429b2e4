"""The cells of a picture: the feature map of a layer at several scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from artsim.errors import ModelError
from artsim.index import unit
from artsim.models import Extractor, TensorLayout

SIDES = (224, 320, 448)  # pixels of the longer side of a picture, at each scale
_GRID = 14  # cells of a side of the layer that is chosen, at the network's own input
_EDGE = 1  # cells at each edge that are left out: what they see is mostly padding


@dataclass(frozen=True)
class Cells:
    """The cells of the feature maps of a picture, at all scales together."""

    vectors: NDArray[np.float16]  # (n, C), of length 1
    places: NDArray[np.float64]  # (n, 2): x and y of their centers, in pixels of the largest scale
    sizes: NDArray[np.float64]  # (n,): from one to the next, in the same pixels
    extent: tuple[float, float]  # width and height of the picture, in the same pixels

    @property
    def finest(self) -> float:
        """The size of the smallest cells."""
        return float(self.sizes.min())


class FeatureMaps:
    """Computes the feature maps of a layer of a convolutional network.

    Args:
        extractor: The network, computed by torch.
        layer: A module of it; by default the last block whose map has about 14 x 14 cells.
        computing: Held while it computes, where others compute with the same network.

    Raises:
        ModelError: If it has no layer with a map, or not this one.
    """

    def __init__(
        self,
        extractor: Extractor,
        layer: str | None = None,
        *,
        computing: AbstractContextManager[object] | None = None,
    ) -> None:
        self._network = extractor.network
        self._computing = computing or nullcontext()
        with self._computing:
            layouts = self._network.positional_layers()
        self._layouts = {
            name: layout
            for name, layout in layouts.items()
            if len(layout.shape) == 3 and layout.channels is not None
        }
        self.layer = layer or _choose_layer(self._layouts)
        if self.layer not in self._layouts:
            raise ModelError(
                f"{self.layer!r} has no feature map; motifs need a layer of a convolutional "
                "network, see 'artsim layers'"
            )
        self._mean: NDArray[np.float32] | float = 0.0
        self._std: NDArray[np.float32] | float = 1.0

    def standardize(self, pictures: Sequence[NDArray[np.uint8]]) -> None:
        """Take the mean and the spread of each channel from some pictures of a collection."""
        rows = np.concatenate(
            [self._map(each, SIDES[1])[0].reshape(-1, self._channels) for each in pictures]
        )
        self._mean, self._std = rows.mean(axis=0), rows.std(axis=0) + 1e-6

    def cells(self, pixels: NDArray[np.uint8]) -> Cells:
        """Compute the cells of a picture, (H, W, 3).

        Raises:
            ModelError: If the network takes pictures of one size only.
        """
        height, width = pixels.shape[:2]
        unit_size = SIDES[-1] / max(width, height)
        extent = width * unit_size, height * unit_size
        vectors, places, sizes = [], [], []
        for side in SIDES:
            values, (rows, columns) = self._map(pixels, side)
            # A map covers the whole picture, which was resized to whole steps of the network.
            step = np.array([extent[0] / columns, extent[1] / rows])
            y, x = np.mgrid[_EDGE : rows - _EDGE, _EDGE : columns - _EDGE]
            kept = (values[y, x].reshape(-1, values.shape[2]) - self._mean) / self._std
            vectors.append(unit(kept.astype(np.float32)))
            places.append((np.column_stack([x.ravel(), y.ravel()]) + 0.5) * step)
            sizes.append(np.full(x.size, np.sqrt(step.prod())))
        halves = np.concatenate(vectors).astype(np.float16)
        return Cells(halves, np.concatenate(places), np.concatenate(sizes), extent)

    @property
    def _axis(self) -> int:
        axis = self._layouts[self.layer].channels
        assert axis is not None
        return axis

    @property
    def _channels(self) -> int:
        return self._layouts[self.layer].shape[self._axis]

    def _map(
        self, pixels: NDArray[np.uint8], side: int
    ) -> tuple[NDArray[np.float32], tuple[int, int]]:
        """Compute the map of a picture at a scale, (rows, columns, C), and its rows and columns."""
        height, width = pixels.shape[:2]
        step = 32
        down, across = (
            max(round(each * side / max(width, height) / step), 3) * step
            for each in (height, width)
        )
        small = Image.fromarray(pixels).resize((across, down), Image.Resampling.BICUBIC)
        images = torch.from_numpy(np.array(small).transpose(2, 0, 1)[None])
        found = self._output(images.to(self._network.mean.device))
        moved = np.moveaxis(found, self._axis, -1)
        return np.ascontiguousarray(moved), (moved.shape[0], moved.shape[1])

    def _output(self, images: torch.Tensor) -> NDArray[np.float32]:
        with self._computing:
            return self._computed(images)

    def _computed(self, images: torch.Tensor) -> NDArray[np.float32]:
        kept: list[torch.Tensor] = []
        module = self._network.network.get_submodule(self.layer)
        hook = module.register_forward_hook(_keeper(kept), prepend=True)
        mean, std = self._network.mean, self._network.std
        dtype = next(self._network.network.parameters()).dtype
        try:
            with torch.inference_mode():
                self._network.network(((images.float() - mean) / std).to(dtype))
        except _Reached:
            pass
        except (AssertionError, RuntimeError) as error:
            raise ModelError(
                f"the network takes no picture of {images.shape[3]} x {images.shape[2]} pixels; "
                "motifs need a convolutional network"
            ) from error
        finally:
            hook.remove()
        return kept[0][0].float().cpu().numpy()


class _Reached(Exception):
    """The layer has its output; the rest of the network need not run."""


def _keeper(kept: list[torch.Tensor]) -> Callable[[torch.nn.Module, Any, Any], None]:
    def hook(_module: torch.nn.Module, _inputs: Any, output: Any) -> None:
        kept.append(output)
        raise _Reached

    return hook


def _choose_layer(layouts: dict[str, TensorLayout]) -> str:
    """Choose the last of the largest blocks with about 14 x 14 cells; '' without any."""
    if not layouts:
        return ""
    apart = {name: abs(layout.positions - _GRID**2) for name, layout in layouts.items()}
    nearest = [name for name, each in apart.items() if each == min(apart.values())]
    return min(reversed(nearest), key=lambda name: name.count("."))
