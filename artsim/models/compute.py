"""Where a forward pass runs, and how exactly: what a caller chooses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Precision(StrEnum):
    """The number format of the forward pass."""

    AUTO = "auto"  # bf16 on a GPU that is fast at it, where the vectors agree, else f32
    BF16 = "bf16"
    F32 = "f32"


class BackendName(StrEnum):
    """What computes the forward pass."""

    AUTO = "auto"  # OpenVINO on a CPU, torch where OpenVINO cannot
    OPENVINO = "openvino"
    TORCH = "torch"


class Compile(StrEnum):
    """Whether torch compiles the network before it computes."""

    AUTO = "auto"  # on a GPU, for so many pictures that it pays
    ON = "on"
    OFF = "off"


class Decoder(StrEnum):
    """What decodes JPEGs."""

    CPU = "cpu"
    GPU = "gpu"  # the one that computes; what it cannot decode is decoded by the CPU


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where the forward pass runs, and how exactly."""

    device: str = "cpu"  # cpu, cuda, cuda:1, mps; auto takes the best available
    backend: BackendName = BackendName.AUTO
    precision: Precision = Precision.AUTO
    threads: int = (
        0  # of a CPU that compute; 0: one for each core. Vectors depend on it by rounding
    )
    compile: Compile = Compile.AUTO  # of torch
    decoder: Decoder = Decoder.CPU
