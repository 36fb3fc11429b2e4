"""A network ready to be tapped, and what every source of networks needs to build one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from artsim.datatypes import Preprocessing

RANDOM_SEED = 0  # of untrained weights


@dataclass(frozen=True)
class Network:
    """A network in eval mode, with its preprocessing and the layout of its features."""

    module: nn.Module  # called with (B, 3, H, W) it returns its embedding, (B, D)
    preprocessing: Preprocessing  # with which its authors evaluate it
    weights_source: str  # 'hub:timm/vgg16.tv_in1k', 'file:/data/vgg.pth', 'random:0', ...
    layout: str = ""  # of its features, if declared: NCHW, NHWC or NLC (tokens)
    prefix_tokens: int = 0  # class and register tokens before the patch tokens
    has_class_token: bool = False  # it is the first


def weights_sha256(module: nn.Module) -> str:
    """Hash every tensor with its name, type and shape, whatever the file format."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # numpy has no bfloat16: the raw bytes are read
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def features_of(module: nn.Module) -> dict[str, Any]:
    """Read what a network declares about its features: `Network`'s layout and tokens."""
    names = [name for name, _ in module.named_parameters(recurse=False)]
    has_class_token = getattr(
        module,
        "has_class_token",
        any(name.startswith(("cls_token", "class_embedding")) for name in names),
    )
    is_transformer = hasattr(module, "num_prefix_tokens") or "class_embedding" in names
    return {
        "layout": getattr(module, "output_fmt", "NLC" if is_transformer else ""),
        "prefix_tokens": getattr(module, "num_prefix_tokens", int(has_class_token)),
        "has_class_token": has_class_token,
    }


@contextmanager
def untrained_alike() -> Iterator[None]:
    """Draw random weights from the same seed each time, and leave torch's generator alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        yield


def frozen(module: nn.Module) -> nn.Module:
    """Put a network into eval mode, without gradients and without operations in place."""
    for each in module.modules():
        if isinstance(getattr(each, "inplace", None), bool):
            each.__dict__["inplace"] = False  # a tap's output must not change behind it
    return module.eval().requires_grad_(False)
