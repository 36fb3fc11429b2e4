"""The positions whose average a converted network gives as a vector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Maps = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # (B, 3, H, W) to (B, C, h, w)

_SPATIAL = {3: {2}, 4: {2, 3}}  # the axes of an average over positions, by rank


def averaged_part(core: Any, model: Any, place: int) -> Any | None:
    """Return the part of a network that ends in the positions, (B, C, h, w), that are averaged.

    None if the vector is no such average.

    Args:
        core: OpenVINO's.
        model: The network, or its file.
        place: The number of the vector among its outputs.
    """
    model = core.read_model(model) if isinstance(model, Path) else model.clone()
    vectors = model.output(place)
    mean = _without_reshape(vectors.get_node().input_value(0))
    node = mean.get_node()
    if node.get_type_name() != "ReduceMean":
        return None
    maps, reduced = node.input_value(0), node.input_value(1).get_node()
    if maps.get_partial_shape().rank.is_dynamic or reduced.get_type_name() != "Constant":
        return None
    rank = len(maps.get_partial_shape())
    axes = {int(axis) % rank for axis in np.ravel(reduced.get_data())}
    if axes != _SPATIAL.get(rank):
        return None
    maps = _without_reshape(maps)
    shape, dims = maps.get_partial_shape(), vectors.get_partial_shape()
    if len(shape) != 4 or shape[1] != dims[1]:
        return None
    import openvino

    return openvino.Model([maps], model.get_parameters())


def _without_reshape(value: Any) -> Any:
    node = value.get_node()
    return node.input_value(0) if node.get_type_name() in ("Reshape", "Squeeze") else value
