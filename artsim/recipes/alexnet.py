"""AlexNet with ImageNet weights, which torchvision has and timm does not."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.models import AlexNet_Weights

from artsim.datatypes import Fit, Preprocessing
from artsim.errors import ModelError
from artsim.models import Body, Network
from artsim.models.architectures import ARCHITECTURES

ALEXNET = "alexnet"  # its name in ARCHITECTURES

_WEIGHTS = AlexNet_Weights.IMAGENET1K_V1
_TIMEOUT_S = 5.0


def new_alexnet(weights: Path | None = None, *, untrained: bool = False) -> tuple[Body, Network]:
    """Load AlexNet to train it; its embedding is the logits of ImageNet's 1,000 classes.

    Args:
        weights: A local file of weights; otherwise they are downloaded once.
        untrained: Keep its random weights instead.

    Raises:
        ModelError: If they cannot be downloaded, or do not fit.
    """
    module = ARCHITECTURES[ALEXNET]()
    if not untrained:
        _load(module, weights)
    preprocessing = Preprocessing(  # torchvision.transforms._presets.ImageClassification's
        size=(224, 224),
        scale=(256, 256),
        fit=Fit.CROP,
        interpolation="bilinear",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        fill=(124, 116, 104),
    )
    source = _WEIGHTS.url if weights is None else f"file:{weights.resolve()}"
    source = "random" if untrained else source
    return Body(architecture=ALEXNET), Network(module.eval(), preprocessing, source)


def _load(module: nn.Module, weights: Path | None) -> None:
    tensors = _download() if weights is None else _read(weights)
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        problem = " ".join(str(error).split())[:200]
        raise ModelError(
            f"the weights in {str(weights)!r} do not fit {ALEXNET}: {problem}"
        ) from error


def _read(file: Path) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and pickle raise many kinds
        raise ModelError(f"cannot read the weights in {str(file)!r}; name a .pth file") from error


def _download() -> Any:
    url = _WEIGHTS.url
    try:
        if not Path(torch.hub.get_dir(), "checkpoints", Path(url).name).exists():
            # Check first: the download has no timeout.
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=_TIMEOUT_S).close()
        return _WEIGHTS.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except OSError as error:
        raise ModelError(
            f"{ALEXNET} needs a download and {url} cannot be reached; download it elsewhere and "
            "pass --weights FILE; lite0 works offline"
        ) from error
