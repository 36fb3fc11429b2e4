"""The picture and text halves of open_clip's CLIPs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from artsim.datatypes import RANDOM, ExtractorSpec, Fit, Preprocessing
from artsim.errors import ModelError
from artsim.models.converted import cannot_compute, import_openvino
from artsim.models.hub_tokens import HubTokenizer, missing_package
from artsim.models.network import (
    RANDOM_SEED,
    Network,
    features_of,
    untrained_alike,
    weights_sha256,
)
from artsim.models.packs import is_pack, read_tensors, read_tokenizer, source_of, unpack_spec
from artsim.models.sources.downloads import check_reachable, weights_errors
from artsim.models.tokens import PROBES, Tokenizer

PACKAGE = "open_clip_torch"


class ImageTower(nn.Module):
    """The picture half of a CLIP, without the text half."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: Tensor) -> Tensor:
        """Embed pictures: (B, 3, H, W) -> (B, D)."""
        output: Tensor | tuple[Tensor, ...] = self.visual(images)
        return output[0] if isinstance(output, tuple) else output  # CoCa adds its tokens


def build(
    spec: ExtractorSpec, *, weights: Path | None, meta: bool, keep_classifier: bool
) -> Network:
    """Build a picture tower; see `artsim.models.building.build_network`."""
    import open_clip

    if keep_classifier:
        raise ModelError(f"{spec.network} has no classifier to keep; name a network of timm's")
    model, source = _create(spec, weights, meta)
    visual = model.visual
    return Network(
        ImageTower(visual),
        _open_clip_preprocessing(open_clip.get_model_preprocess_cfg(model)),
        source,
        **features_of(getattr(visual, "trunk", visual)),  # a trunk is a network of timm's
    )


def _create(spec: ExtractorSpec, weights: Path | None, meta: bool) -> tuple[Any, str]:
    """Create both halves of a CLIP, and say where their weights came from; see `build`."""
    import open_clip

    if spec.arch not in open_clip.list_models():
        raise ModelError(f"open_clip has no network {spec.arch!r}; see artsim models 'open_clip:*'")
    tags = open_clip.list_pretrained_tags_by_model(spec.arch)
    if spec.tag not in (None, RANDOM) and spec.tag not in tags:
        raise ModelError(
            f"open_clip has no weights {spec.tag!r} of {spec.arch}; it has {', '.join(tags)}"
        )
    config = open_clip.get_pretrained_cfg(spec.arch, spec.tag or "")  # empty without such a tag
    # open_clip reads these only when it downloads the tag's weights itself
    preprocessing = {
        key: config[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in config
    }
    # open_clip only warns of a mismatch; the vectors would be wrong.
    needs_quick_gelu = config.get("quick_gelu", False)
    if config and not needs_quick_gelu and open_clip.get_model_config(spec.arch).get("quick_gelu"):
        raise ModelError(
            f"{spec.network} is built with QuickGELU, but open_clip says its weights were trained "
            f"without; choose other weights, see artsim models 'open_clip:*'"
        )
    if weights is not None:
        pretrained = None if is_pack(weights) else str(weights)
        source = source_of(weights)
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
        check_reachable(spec, hub_id)
    # open_clip moves what it built to a device, which a network without memory refuses
    with weights_errors(spec, source), torch.device("cpu"):
        model = open_clip.create_model(
            spec.arch,
            pretrained=pretrained,
            force_quick_gelu=needs_quick_gelu,
            force_preprocess_cfg=preprocessing,
        )
        if weights is not None and is_pack(weights) and not meta:
            model.load_state_dict(read_tensors(weights))
    return model, source


def both_halves(spec: ExtractorSpec, weights: Path | None) -> dict[str, Tensor]:
    """Return the tensors of both halves of a CLIP, by name."""
    with untrained_alike():
        model, _ = _create(spec, weights, meta=False)
    tensors: dict[str, Tensor] = model.state_dict()
    return tensors


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


def list_architectures() -> list[str]:
    """Name every ARCH.TAG whose weights can be downloaded."""
    import open_clip

    return [f"{arch}.{tag}" for arch, tag in open_clip.list_pretrained()]


class TextTower:
    """The text half of a CLIP: words as vectors in the space of its pictures."""

    def __init__(self, model: Any, tokenize: Any) -> None:
        self.pictures_sha256 = weights_sha256(ImageTower(model.visual))  # of the other half
        model.visual = None
        # From a cosine to a logit. With a bias each class has a probability of its own (SigLIP),
        # without one those of all classes add up to 1 (CLIP).
        self.scale = float(model.logit_scale.exp())
        bias = model.logit_bias
        self.bias = None if bias is None else float(bias)
        self._model = model
        self._tokenize = tokenize

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: (B, D), comparable with the embeddings of pictures, not normalized."""
        with torch.inference_mode():
            vectors = self._model.encode_text(self._tokenize(list(texts)))
        return vectors.numpy()  # type: ignore[no-any-return]  # open_clip ships no types

    def tables(self) -> dict[str, Any] | None:
        """Return the tables of its tokenizer for `Tokenizer`; None if it is of another kind."""
        own = self._tokenize
        if type(own).__name__ != "SimpleTokenizer" or own.reduction_fn is not None:
            return None
        tables = {
            "pattern": own.pat.pattern,
            "letters": [own.byte_encoder[byte] for byte in range(256)],
            "numbers": own.encoder,
            "merges": [list(pair) for pair in own.bpe_ranks],
            "special": list(own.encoder)[-len(own.all_special_ids) :],
            "length": own.context_length,
        }
        mine, theirs = Tokenizer(tables)(PROBES), self._tokenize(list(PROBES)).numpy()
        return tables if np.array_equal(mine, theirs) else None

    def convert(self) -> Any:
        """Convert it to OpenVINO: tokens, (B, length), to vectors.

        Raises:
            ModelError: If OpenVINO is not installed, or cannot.
        """
        openvino = import_openvino()
        tokens = self._tokenize(list(PROBES))
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tracing
            try:
                model = openvino.convert_model(_Words(self._model), example_input=tokens)
                model.reshape([-1, tokens.shape[1]])
            except Exception as error:  # whatever the converter trips over
                raise cannot_compute(error) from error
        return model


class _Words(nn.Module):
    """The text half of a CLIP as a module."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        vectors: Tensor = self.model.encode_text(tokens)
        return vectors


def load_text_tower(spec: ExtractorSpec, *, weights: Path | None = None) -> TextTower:
    """Load the text half of a CLIP, on the CPU in float32.

    Args:
        spec: Which CLIP; its taps are ignored.
        weights: A local file of the weights of both halves instead of the spec's.

    Raises:
        ModelError: If the network has no text half, or its weights or tokenizer are missing.
    """
    spec, weights = unpack_spec(spec, weights)
    if spec.source != "open_clip":
        raise ModelError(
            f"{spec.network} cannot read text; embed the collection with a model that can, such as "
            "'artsim embed COLLECTION -m clip'"
        )
    with untrained_alike():
        model, _ = _create(spec, weights, meta=False)
    return TextTower(model.eval().requires_grad_(False), load_tokenizer(spec, weights))


def load_tokenizer(spec: ExtractorSpec, weights: Path | None = None) -> Any:
    """Load what splits texts into tokens for a CLIP: that of its pack, or open_clip's.

    Raises:
        ModelError: If it is missing, or the package that reads it.
    """
    import open_clip

    if weights is not None and is_pack(weights) and (packed := read_tokenizer(weights)):
        return HubTokenizer(*packed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return open_clip.get_tokenizer(spec.arch)
    except ImportError as error:
        raise missing_package(spec.network, error) from error
    except Exception as error:  # whatever the hub's client of the day raises
        raise ModelError(
            f"the tokenizer of {spec.network} is not on this machine and cannot be downloaded; "
            "run the same command once while online"
        ) from error
