"""The registry of sources, and networks built from any of them."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import torch

from artsim.datatypes import RUN, ExtractorSpec, parse_spec
from artsim.errors import ModelError
from artsim.models.network import Network, frozen, untrained_alike
from artsim.models.packs import is_pack, read_facts, unpack_spec
from artsim.models.sources import keras, open_clip, run, timm
from artsim.models.trained import BACKBONE, KEPT, Body, read_model


class ModelSource(Protocol):
    """A module of `artsim.models.sources`."""

    @property
    def PACKAGE(self) -> str:
        """The distribution whose version is recorded in the passport."""
        ...

    def build(
        self, spec: ExtractorSpec, *, weights: Path | None, meta: bool, keep_classifier: bool
    ) -> Network:
        """Build the network of a spec; see `build_network`."""
        ...

    def list_architectures(self) -> list[str]:
        """Name every ARCH.TAG whose weights can be downloaded."""
        ...


# To add a source, write its module and name it here.
SOURCES: MutableMapping[str, ModelSource] = {"timm": timm, "open_clip": open_clip, RUN: run}


def find_source(name: str) -> ModelSource:
    """Return a source by its name.

    Raises:
        ModelError: If there is none of that name.
    """
    if name not in SOURCES:
        raise ModelError(f"no model source {name!r}; choose from {', '.join(SOURCES)}")
    return SOURCES[name]


def build_network(
    spec: ExtractorSpec,
    *,
    weights: Path | None = None,
    meta: bool = False,
    keep_classifier: bool = False,
) -> Network:
    """Build the network of a spec, its weights loaded.

    Args:
        spec: Which network; its taps are ignored, and the folder of ``run:FOLDER`` is a path.
        weights: A local file of weights (.safetensors, .pth, .pt, .bin; for mobilenet also Keras'
            .h5) instead of the spec's.
        meta: Build the shapes only, without weights or memory for them.
        keep_classifier: Return the output of a timm network's classifier, 1,000 numbers for
            ImageNet's classes, instead of its embedding.

    Raises:
        ModelError: If there is no such source or network, its weights are not on this machine and
            cannot be downloaded, the file does not fit, or it has no classifier to keep.
    """
    spec, weights = unpack_spec(spec, weights)
    source = find_source(spec.source)
    if weights is not None and not weights.is_file():
        raise ModelError(f"no weights file {str(weights)!r}; name a .safetensors or .pth file")
    facts = read_facts(weights) if weights is not None and is_pack(weights) else None
    if facts is not None and facts.spec != spec.network:
        raise ModelError(f"the pack {str(weights)!r} holds {facts.spec}, not {spec.network}")
    with untrained_alike(), torch.device("meta" if meta else "cpu"):
        network = source.build(spec, weights=weights, meta=meta, keep_classifier=keep_classifier)
    if facts is not None and facts.preprocessing != network.preprocessing:
        versions = ", ".join(f"{name} {each}" for name, each in facts.versions.items())
        raise ModelError(
            f"the pack {str(weights)!r} was made with another preprocessing than {spec.network} "
            f"has here; install {versions}"
        )
    frozen(network.module)
    return network


def list_architectures(source: str) -> list[str]:
    """Name every ARCH.TAG of a source whose weights can be downloaded."""
    return find_source(source).list_architectures()


def new_body(
    spec: str, *, weights: Path | None = None, keep_classifier: bool = False
) -> tuple[Body, Network]:
    """Load a pretrained network to train further: how to build it again, and the network.

    All its parameters require gradients. For the arguments and errors see `build_network`.
    """
    parsed = parse_spec(spec)
    if weights is not None and keras.is_keras(weights):
        raise ModelError(
            f"the Keras weights {str(weights)!r} are read to embed pictures, not to train further; "
            "name a .safetensors or .pth file"
        )
    network = build_network(parsed, weights=weights, keep_classifier=keep_classifier)
    network.module.requires_grad_(True)
    if parsed.source == RUN:
        return read_model(Path(parsed.arch)).body, network
    name = str(replace(parsed, tag=None).network)
    arguments = {"spec": name} | ({KEPT: True} if keep_classifier else {})
    return Body(architecture=BACKBONE, arguments=arguments), network
