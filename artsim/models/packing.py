"""A model as a pack, made with torch; `artsim.models.packs` reads it."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from artsim.datatypes import RUN, ExtractorSpec, Tap
from artsim.errors import ModelError
from artsim.models.building import build_network, find_source
from artsim.models.cache import entry_sums, read_entry
from artsim.models.compute import BackendName, Compute
from artsim.models.converted import network_key
from artsim.models.extractor import NetworkRequest
from artsim.models.hub_tokens import pack_tokenizer
from artsim.models.loading import load_network
from artsim.models.network import weights_sha256
from artsim.models.packs import (
    CompiledFacts,
    PackFacts,
    TokenizerFacts,
    is_pack,
    read_facts,
    read_tokenizer,
    unpack_spec,
)
from artsim.models.sources import keras, open_clip, timm
from artsim.models.texts import keep_text_tower, kept_text_tower

if TYPE_CHECKING:
    from torch import Tensor

_UNKNOWN = "unknown"


def pack_model(
    spec: ExtractorSpec,
    name: str,
    *,
    weights: Path | None = None,
    license: str | None = None,
    compiled: bool = False,
) -> tuple[PackFacts, dict[str, Tensor], str | None, dict[str, Path]]:
    """Return the facts, tensors, tokenizer and compiled files of a model for `write_pack`.

    The tensors of a CLIP are those of both halves. A tokenizer that comes with open_clip is None.

    Args:
        spec: Which network; its taps are those that it is compiled for, and otherwise ignored.
        name: Of the pack.
        weights: A local file of weights instead of the spec's.
        license: Of the weights; as far as it is known if None.
        compiled: Pack what OpenVINO computes, too.

    Raises:
        ModelError: If it was trained by artsim, its weights or tokenizer are missing, the
            tokenizer cannot be packed, or OpenVINO cannot compute it.
    """
    spec, weights = unpack_spec(spec, weights)
    tapped, spec = spec, replace(spec, taps=(Tap(),))
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
    files: dict[str, Path] = {}
    if compiled:
        facts, files = _compile(facts, tapped, weights)
    return facts, tensors, None if tokenizer is None else tokenizer[1], files


def _compile(
    facts: PackFacts, spec: ExtractorSpec, weights: Path | None
) -> tuple[PackFacts, dict[str, Path]]:
    """Convert a network as its first use would, and take what is kept of it then."""
    compute = Compute(device="cpu", backend=BackendName.OPENVINO)
    passport = load_network(NetworkRequest(spec=spec, weights=weights, compute=compute))[0].passport
    kinds = ["pictures"]
    if spec.source == "open_clip":
        keep_text_tower(passport, open_clip.load_text_tower(spec, weights=weights))
        kinds += ["words"] if kept_text_tower(passport) else []
    folders = {}
    for kind in kinds:
        key = network_key(passport, kind)
        folder = read_entry(key) if key else None
        if key is None or folder is None:
            raise ModelError(
                f"the compiled form of {spec.network} cannot be kept on this machine (a full "
                "disk, or more than 4 GiB); leave out --compiled"
            )
        folders[key] = folder
    passport = replace(passport, weights_source=facts.weights_source)
    compiled = CompiledFacts(
        passport=passport.to_json(),
        files={key: entry_sums(folder) for key, folder in folders.items()},
    )
    files = {
        f"{key}/{name}": folders[key] / name
        for key, sums in compiled.files.items()
        for name in sums
    }
    return replace(facts, compiled=compiled), files


def _tokenizer(spec: ExtractorSpec, weights: Path | None) -> tuple[TokenizerFacts, str] | None:
    if weights is not None and is_pack(weights):
        return read_tokenizer(weights)
    return pack_tokenizer(open_clip.load_tokenizer(spec))


def _license(spec: ExtractorSpec, weights: Path | None) -> str:
    if weights is not None or spec.source != "timm":
        return _UNKNOWN
    return timm.license_of(spec) or _UNKNOWN
