"""A model as a pack, made with torch; `artsim.models.packs` reads it."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from artsim.datatypes import RUN, ExtractorSpec, Tap
from artsim.errors import ModelError
from artsim.models.building import build_network, find_source
from artsim.models.hub_tokens import pack_tokenizer
from artsim.models.network import weights_sha256
from artsim.models.packs import (
    PackFacts,
    TokenizerFacts,
    is_pack,
    read_facts,
    read_tokenizer,
    unpack_spec,
)
from artsim.models.sources import keras, open_clip, timm

if TYPE_CHECKING:
    from torch import Tensor

_UNKNOWN = "unknown"


def pack_model(
    spec: ExtractorSpec, name: str, *, weights: Path | None = None, license: str | None = None
) -> tuple[PackFacts, dict[str, Tensor], str | None]:
    """Return the facts, tensors and tokenizer of a model for `write_pack`.

    The tensors of a CLIP are those of both halves. A tokenizer that comes with open_clip is None.

    Args:
        spec: Which network; its taps are ignored.
        name: Of the pack.
        weights: A local file of weights instead of the spec's.
        license: Of the weights; as far as it is known if None.

    Raises:
        ModelError: If it was trained by artsim, its weights or tokenizer are missing, or the
            tokenizer cannot be packed.
    """
    spec, weights = unpack_spec(replace(spec, taps=(Tap(),)), weights)
    if spec.source == RUN:
        raise ModelError(
            f"{spec.network} was trained here and is one folder already; copy that folder, it "
            "embeds without a network"
        )
    if weights is not None and keras.is_keras(weights):
        raise ModelError(
            f"the Keras weights {str(weights)!r} cannot be packed; take the file itself along and "
            "pass --weights"
        )
    network = build_network(spec, weights=weights)
    tensors = network.module.state_dict()
    tokenizer = None
    if spec.source == "open_clip":
        tensors = open_clip.both_halves(spec, weights)
        tokenizer = _tokenizer(spec, weights)
    packed = read_facts(weights) if weights is not None and is_pack(weights) else None
    package = find_source(spec.source).PACKAGE
    facts = PackFacts(
        name=name,
        spec=spec.network,
        network_sha256=weights_sha256(network.module),
        weights_source=packed.weights_source if packed else network.weights_source,
        license=license or (packed.license if packed else _license(spec, weights)),
        preprocessing=network.preprocessing,
        versions={each: importlib.metadata.version(each) for each in ("artsim", "torch", package)},
        file_sha256="",
        tokenizer=None if tokenizer is None else tokenizer[0],
    )
    return facts, tensors, None if tokenizer is None else tokenizer[1]


def _tokenizer(spec: ExtractorSpec, weights: Path | None) -> tuple[TokenizerFacts, str] | None:
    if weights is not None and is_pack(weights):
        return read_tokenizer(weights)
    return pack_tokenizer(open_clip.load_tokenizer(spec))


def _license(spec: ExtractorSpec, weights: Path | None) -> str:
    if weights is not None or spec.source != "timm":
        return _UNKNOWN
    return timm.license_of(spec) or _UNKNOWN
