"""Keras' weights of MobileNetV1 in timm's network of that name.

Keras pads at the right and bottom where the stride is 2, and its batch normalization has another
epsilon; the converted network does the same. Photographs are scaled to -1..1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from artsim.datatypes import Fit, Preprocessing
from artsim.errors import ModelError

SUFFIXES = (".h5", ".hdf5")

PREPROCESSING = Preprocessing(
    size=(224, 224),
    scale=(224, 224),
    fit=Fit.SQUASH,
    interpolation="bilinear",
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    fill=(128, 128, 128),
)

_ARCH = "mobilenetv1_100"
_EPSILON = 1e-3
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
         "moving_variance": "running_var"}  # fmt: skip


def is_keras(file: Path) -> bool:
    """Whether a file has Keras' weights, by its name."""
    return file.suffix.lower() in SUFFIXES


def keras_mobilenet(arch: str, file: Path) -> nn.Module:
    """Build MobileNetV1 (alpha 1, without a classifier) with the weights of a Keras file.

    Raises:
        ModelError: If h5py is not installed, the file cannot be read, or it has other layers.
    """
    import timm

    if arch != _ARCH:
        raise ModelError(
            f"the Keras weights {str(file)!r} are read into mobilenet alone, not into {arch}; "
            "pass -m mobilenet"
        )
    module: nn.Module = timm.create_model(_ARCH, num_classes=0, pad_type="same", bn_eps=_EPSILON)
    layers = _read_layers(file)
    for name, wanted in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        layer, weight = _keras_name(name)
        found = layers.get((layer, weight))
        if found is None:
            raise ModelError(
                f"{str(file)!r} has no {layer}/{weight}; name Keras' mobilenet_1_0_224_tf_no_top.h5"
            )
        tensor = _in_torch_order(found)
        if tensor.shape != wanted.shape:
            raise ModelError(
                f"{layer}/{weight} of {str(file)!r} has the shape {found.shape}; name the weights "
                "of alpha 1: mobilenet_1_0_224_tf_no_top.h5"
            )
        wanted.copy_(tensor)
    return module


def _read_layers(file: Path) -> dict[tuple[str, str], NDArray[np.float32]]:
    """Read all arrays by layer and name: ('conv1', 'kernel')."""
    try:
        import h5py
    except ImportError as error:
        raise ModelError(
            "Keras weights need h5py; install it with pip install 'artsim[keras]'"
        ) from error
    found: dict[tuple[str, str], NDArray[np.float32]] = {}

    def collect(path: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and "/" in path:
            *_, layer, name = path.split("/")
            found[layer, name.partition(":")[0]] = np.asarray(item, dtype=np.float32)

    try:
        with h5py.File(file, "r") as stored:
            stored.visititems(collect)
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read the Keras weights in {str(file)!r}: {error}") from error
    return found


def _keras_name(name: str) -> tuple[str, str]:
    """Name a tensor of timm's network as Keras does: its layer, and the array in the layer."""
    *path, last = name.split(".")
    if path[0] != "blocks":
        norm = path[-1] == "bn1"
        return ("conv1_bn", _norm_name(last)) if norm else ("conv1", "kernel")
    number = _block_number(int(path[1]), int(path[2]))
    part = {"conv_dw": "dw", "bn1": "dw", "conv_pw": "pw", "bn2": "pw"}[path[3]]
    layer = f"conv_{part}_{number}"
    if path[3].startswith("bn"):
        return f"{layer}_bn", _norm_name(last)
    return layer, "depthwise_kernel" if part == "dw" else "kernel"


def _norm_name(last: str) -> str:
    return next(keras for keras, torch_name in _NORM.items() if torch_name == last)


_STAGES = (1, 2, 2, 6, 2)  # blocks of each stage


def _block_number(stage: int, block: int) -> int:
    """Count the blocks from 1, as Keras does."""
    return sum(_STAGES[:stage]) + block + 1


def _in_torch_order(array: NDArray[np.float32]) -> Tensor:
    """Reorder a kernel: (H, W, in, out) to (out, in, H, W), and depthwise (H, W, C, 1) likewise."""
    tensor = torch.from_numpy(array)
    if tensor.ndim != 4:
        return tensor
    return tensor.permute(2, 3, 0, 1) if array.shape[3] == 1 else tensor.permute(3, 2, 0, 1)
