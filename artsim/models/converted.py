"""Networks converted to OpenVINO: they compute without torch, and are kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import RUN, Passport
from artsim.errors import ModelError
from artsim.models.averaged import Maps, averaged_part
from artsim.models.cache import write_entry
from artsim.models.packs import kept_entry

# The distribution of each source's networks. Those of other sources are not kept.
PACKAGES = {"timm": "timm", "open_clip": "open_clip_torch", RUN: "timm"}

# The converted network must agree with torch on noise, which is harder than on pictures.
_AGREEMENT = {"float32": 0.999, "bfloat16": 0.95}  # least cosine
_PRECISION = {"float32": "f32", "bfloat16": "bf16"}
_MODEL, _EXPECTED = "network.xml", "expected.npy"

Vectors = Sequence[NDArray[np.float32]]


class OpenVinoBackend:
    """A converted network, several times faster on a CPU than torch.

    Args:
        model: The network, or its file.
        dtype: What it computes in, float32 or bfloat16.
        expected: What torch computes for `noise`, one (N, D) array for each tap.
        threads: That compute; 0 for one for each core.

    Raises:
        ModelError: If OpenVINO is not installed, cannot compile the network, or disagrees with
            torch.
    """

    name = "openvino"
    batch_size = 32

    def __init__(
        self,
        model: Any,
        dtype: str,
        size: tuple[int, int],
        expected: Vectors,
        *,
        threads: int = 0,
    ) -> None:
        self._model, self._dtype, self._threads = model, dtype, threads
        self._compiled = compiled(model, dtype, threads)
        self._averaged: dict[int, Maps | None] = {}
        pixels = noise(size)[: len(expected[0])]
        check_agreement(self(pixels), expected, dtype)

    def __call__(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Embed pictures, shape (B, 3, H, W): one (B, D) array per tap."""
        outputs = self._compiled(np.ascontiguousarray(pixels))
        return [np.array(outputs[index], dtype=np.float32) for index in range(len(outputs))]

    def averaged_maps(self, place: int) -> Maps | None:
        """Return what computes the positions that are averaged to the vectors of a tap.

        None if they are no average of positions. It is compiled at the first call.
        """
        if place not in self._averaged:
            part = averaged_part(_core(), self._model, place)
            self._averaged[place] = None if part is None else self._first_output(part)
        return self._averaged[place]

    def _first_output(self, part: Any) -> Maps:
        network = compiled(part, self._dtype, self._threads)
        return lambda pixels: np.array(network(np.ascontiguousarray(pixels))[0], dtype=np.float32)


def check_agreement(
    found: Vectors,
    expected: Vectors,
    dtype: str,
    what: str = "OpenVINO",
    advice: str = "; use --backend torch",
) -> None:
    """Compare what a converted or compiled network computes with what torch does.

    Raises:
        ModelError: If they disagree.
    """
    for vectors, wanted in zip(found, expected, strict=True):
        cosine = _least_cosine(vectors, wanted)
        if not cosine >= _AGREEMENT[dtype]:
            raise ModelError(
                f"{what} computes this network wrongly (cosine {cosine:.3f} to torch, "
                f"expected {_AGREEMENT[dtype]}){advice}"
            )


def noise(size: tuple[int, int], count: int = 2) -> NDArray[np.uint8]:
    """Return pictures of noise, the same each time: (N, 3, H, W)."""
    return np.random.default_rng(0).integers(0, 256, (count, 3, *size), dtype=np.uint8)


def compiled(model: Any, dtype: str = "float32", threads: int = 0) -> Any:
    """Compile a network, or its file, for this CPU.

    Raises:
        ModelError: If OpenVINO is not installed, or cannot.
    """
    core = _core()
    hints = {
        "INFERENCE_PRECISION_HINT": _PRECISION[dtype],
        "PERFORMANCE_HINT": "LATENCY",  # one batch at a time on all cores
    }
    if threads:
        # Pinned, several processes with a thread each would all be on the first core.
        hints |= {"INFERENCE_NUM_THREADS": str(threads), "ENABLE_CPU_PINNING": "NO"}
    try:
        return core.compile_model(model, "CPU", hints)
    except Exception as error:  # whatever its compiler trips over
        raise cannot_compute(error) from error


def open_kept(passport: Passport, dtype: str, pack: Path | None = None) -> OpenVinoBackend | None:
    """Open the network that makes such vectors, if it is kept and computes here what it should.

    ``pack`` is a pack of the network, which may have it compiled.
    """
    key = network_key(passport)
    folder = kept_entry(key, pack) if key else None
    if folder is None:
        return None
    try:
        places = np.cumsum([tap.dim for tap in passport.taps])[:-1]
        expected = np.split(load_array(folder / _EXPECTED)[:1], places, axis=1)
        size = passport.preprocessing.size
        threads = passport.threads
        return OpenVinoBackend(folder / _MODEL, dtype, size, expected, threads=threads)
    except (ModelError, OSError, ValueError, KeyError):
        return None


def keep(passport: Passport, model: Any, expected: Vectors) -> None:
    """Keep a converted network for `open_kept`."""
    key = network_key(passport)
    if key is None:
        return

    def fill(folder: Path) -> None:
        save(model, folder / _MODEL)
        np.save(folder / _EXPECTED, np.concatenate(expected, axis=1))

    write_entry(key, fill)


def save(model: Any, file: Path) -> None:
    """Write a network to a file, and its weights beside it."""
    import_openvino().save_model(model, file, compress_to_fp16=False)


def load_array(file: Path) -> NDArray[np.float32]:
    """Read an array; what its header promises is not believed.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no array, or shorter than its header says.
    """
    return np.array(np.load(file, mmap_mode="r"), dtype=np.float32)


def network_key(passport: Passport, kind: str = "pictures") -> str | None:
    """Name all that determines what a converted network computes; None if it is not kept."""
    source = passport.spec.partition(":")[0]
    if source not in PACKAGES:
        return None
    seen = passport.preprocessing
    return key_of(
        kind,
        # Where the folder of a trained network is does not matter.
        RUN if source == RUN else passport.spec,
        passport.weights_sha256,
        [asdict(tap) for tap in passport.taps],
        [seen.size, seen.mean, seen.std],
        installed("openvino", PACKAGES[source]),
    )


def key_of(*values: Any) -> str:
    """Return a name for values that can be JSON."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]


def installed(*packages: str) -> list[str]:
    """Return what identifies this artsim's networks, and the versions of packages it uses."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    found = [digest.hexdigest()]
    for package in packages:
        try:
            found.append(version(package))
        except PackageNotFoundError:
            found.append("")
    return found


def versions_of(package: str, backend: str) -> dict[str, str]:
    """Return the versions of what computes vectors: ``package`` has the network."""
    packages = ["artsim", "torch", "pillow", package]
    packages += ["openvino"] if backend == OpenVinoBackend.name else []
    return {each.removesuffix("_torch"): version(each) for each in packages}


def cpu_computes_bfloat16() -> bool:
    """Return whether OpenVINO finds that this CPU multiplies bfloat16 faster than float32."""
    try:
        core = _core()
    except ModelError:
        return False
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def cannot_compute(error: Exception) -> ModelError:
    """Return the error of a network that OpenVINO cannot convert or compile."""
    reason = " ".join(str(error).split())[:200]
    return ModelError(f"OpenVINO cannot compute this network ({reason}); use --backend torch")


@cache
def _core() -> Any:
    """OpenVINO's, one for as long as the process runs.

    Each would install a stack for signal handlers (for the AMX registers), and put the one before
    it back when it goes. Once two have gone in another order, Ctrl-C runs on freed memory.
    """
    return import_openvino().Core()


def import_openvino() -> Any:
    """Import OpenVINO.

    Raises:
        ModelError: If it is not installed.
    """
    # Where openvino_telemetry can be imported, importing OpenVINO is reported to its makers.
    # artsim sends nothing to anyone.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise ModelError("OpenVINO is not installed; pip install openvino") from error
    return openvino


def _least_cosine(mine: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    lengths = np.linalg.norm(mine, axis=1) * np.linalg.norm(theirs, axis=1)
    return float(((mine * theirs).sum(axis=1) / np.maximum(lengths, 1e-12)).min())
