"""The passport of an index: everything needed to make the same vectors again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Self


class Fit(StrEnum):
    """How a picture of any shape is fitted to the network's input."""

    CROP = "crop"  # the shorter side to the size, the middle kept
    PAD = "pad"  # the longer side to the size, the rest filled
    SQUASH = "squash"  # both sides to the size, the aspect lost


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """From an upright sRGB picture to a network's input. Sizes are (height, width) in pixels."""

    size: tuple[int, int]  # what the network sees
    scale: tuple[int, int]  # what the picture is resized to before its middle is cut out
    fit: Fit
    interpolation: str  # bicubic, bilinear, ...
    mean: tuple[float, float, float]  # of RGB in 0..1
    std: tuple[float, float, float]
    fill: tuple[int, int, int]  # RGB in 0..255 of what pad adds
    # A JPEG is decoded at the smallest scale that is still this many times what it is resized
    # to; 0 decodes every pixel.
    scaled_decoding: int = 2
    color: str = "sRGB"  # embedded profiles are converted to it; EXIF orientation is applied


@dataclass(frozen=True, kw_only=True)
class TapInfo:
    """A tap, resolved: the vector column ``name`` and how its numbers are made."""

    name: str  # as in the spec: 'conv3_3/gram'; the name of the column
    layer: str  # the module in the network: 'features.14'
    pooling: str  # what pools its output, 'none' where it is a vector already
    dim: int  # numbers a vector
    seed: int | None = None  # of a random projection (gram)


@dataclass(frozen=True, kw_only=True)
class Passport:
    """How the vectors of an index were made. Without `differences`, two indexes are comparable."""

    spec: str
    weights_sha256: str  # of the tensors, by name: the same for .bin, .pth and .safetensors
    weights_source: str  # where they came from, for people
    preprocessing: Preprocessing
    taps: tuple[TapInfo, ...]
    backend: str  # openvino or torch
    compute_dtype: str  # float32 or bfloat16: how the forward pass was computed
    versions: dict[str, str]
    threads: int = 0  # of the CPU that computed it, if their number was fixed
    decoder: str = ""  # of JPEGs that a GPU decoded: nvjpeg

    EXTERNAL = "external:"  # begins the spec of vectors that were made elsewhere

    # What changes a vector for good. Backend, precision and decoder do so only by rounding.
    _IDENTITY = ("spec", "weights_sha256", "preprocessing", "taps")

    @property
    def is_external(self) -> bool:
        """Whether the vectors were imported, and nothing is known of the network."""
        return self.spec.startswith(self.EXTERNAL)

    @property
    def takes_words(self) -> bool:
        """Whether pictures can be found by words: the network has a text encoder."""
        return self.spec.startswith("open_clip:") and self.tap("embedding") is not None

    def differences(self, other: Passport) -> list[str]:
        """List what makes the two incomparable, as 'field: mine, not theirs'; empty if nothing."""
        found = []
        for name in self._IDENTITY:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine == theirs or (name == "spec" and _are_runs(mine, theirs)):
                continue
            if isinstance(mine, Preprocessing):
                found += [
                    f"{field.name}: {getattr(mine, field.name)}, not {getattr(theirs, field.name)}"
                    for field in fields(Preprocessing)
                    if getattr(mine, field.name) != getattr(theirs, field.name)
                ]
            elif name == "taps":
                found.append(f"taps: {_describe(mine)}, not {_describe(theirs)}")
            else:
                found.append(f"{name}: {_shorten(mine)}, not {_shorten(theirs)}")
        return found

    def tap(self, name: str) -> TapInfo | None:
        """Return the tap of that name."""
        return next((tap for tap in self.taps if tap.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values; `from_json` reads them back."""
        values = asdict(self)
        if not self.threads:
            del values["threads"]  # as indexes were written before it could be fixed
        if not self.decoder:
            del values["decoder"]
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read the values of `to_json`, whether or not they went through JSON."""
        preprocessing = read_preprocessing(values["preprocessing"])
        taps = tuple(TapInfo(**tap) for tap in values["taps"])
        return cls(**{**values, "preprocessing": preprocessing, "taps": taps})


def read_preprocessing(values: Mapping[str, Any]) -> Preprocessing:
    """Read the plain values of a preprocessing, whether or not they went through JSON."""
    tuples = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return Preprocessing(**{**values, **tuples, "fit": Fit(values["fit"])})


def _are_runs(mine: str, theirs: str) -> bool:
    """Return whether both are trained networks: where their folders are does not matter."""
    return mine.startswith("run:") and theirs.startswith("run:")


def _describe(taps: tuple[TapInfo, ...]) -> str:
    seeds = ("" if tap.seed is None else f", seed {tap.seed}" for tap in taps)
    pairs = zip(taps, seeds, strict=True)
    return ", ".join(f"{t.name} ({t.layer}, {t.pooling}, {t.dim}{seed})" for t, seed in pairs)


def _shorten(value: str) -> str:
    return f"{value[:12]}..." if len(value) == 64 else value  # a sha256
