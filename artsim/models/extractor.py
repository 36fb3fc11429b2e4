"""A network with its taps, opened when the first picture is embedded, and without torch if kept."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import RUN, ExtractorSpec, Fit, Passport, Preprocessing
from artsim.errors import ModelError, PassportError
from artsim.models.averaged import Maps
from artsim.models.cache import read_entry, write_entry
from artsim.models.compute import BackendName, Compile, Compute, Decoder, Precision
from artsim.models.converted import (
    PACKAGES,
    OpenVinoBackend,
    installed,
    key_of,
    network_key,
    open_kept,
    versions_of,
)
from artsim.models.packs import is_pack, read_facts, source_of, unpack_spec

if TYPE_CHECKING:
    import torch

    from artsim.models.taps import TappedNetwork

_BATCH = 32  # of every backend on a CPU
_PASSPORT = "passport.json"
_DEFAULT = Compute()


class Backend(Protocol):
    """Computes vectors of pictures."""

    name: str
    batch_size: int  # that is fast

    def __call__(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Embed pictures, shape (B, 3, H, W): one (B, D) array per tap."""


@runtime_checkable
class StreamingBackend(Backend, Protocol):
    """Computes batches beside its caller, such as on a GPU."""

    ahead: int  # batches that may be begun before the vectors of the first are fetched

    def begin(self, pixels: Sequence[NDArray[np.uint8]]) -> Callable[[], list[NDArray[np.float32]]]:
        """Begin to embed pictures, each (3, H, W); return what waits for their vectors."""


class Extractor:
    """A network with its taps.

    Args:
        backend: What computes it, or None if it is opened later.
        passport: What it makes.
        load: Opens what computes it, when the first picture is embedded.
    """

    def __init__(
        self,
        backend: Backend | None,
        passport: Passport,
        *,
        load: Callable[[], Backend] | None = None,
    ) -> None:
        self.passport = passport
        self._backend = backend
        self._load = load

    @property
    def backend(self) -> Backend:
        """What computes the network, opened at the first call.

        Raises:
            ModelError: If it cannot be loaded.
            PassportError: If it would make other vectors than the passport says.
        """
        if self._backend is None:
            assert self._load is not None
            self._backend = self._load()
        return self._backend

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are prepared."""
        return self.passport.preprocessing

    @property
    def batch_size(self) -> int:
        """How many pictures at once are fast."""
        return self._backend.batch_size if self._backend is not None else _BATCH

    @property
    def ahead(self) -> int:
        """How many batches may be begun before the vectors of the first are fetched."""
        return self._backend.ahead if isinstance(self._backend, StreamingBackend) else 0

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        import torch

        return getattr(self.backend, "device", torch.device("cpu"))

    @property
    def network(self) -> TappedNetwork:
        """The network itself.

        Raises:
            ModelError: If it is not computed by torch.
        """
        network: TappedNetwork | None = getattr(self.backend, "network", None)
        if network is None:
            raise ModelError(
                f"explanations need a network computed by torch, not by {self.backend.name}; "
                "use --backend torch"
            )
        return network

    def embed_batch(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Embed RGB pictures, shape (B, 3, H, W) with the preprocessing's size.

        Returns:
            Vectors by tap name, each (B, D), not normalized.
        """
        return self._by_tap(self.backend(np.asarray(pixels)))

    def begin(
        self, pixels: Sequence[NDArray[np.uint8]]
    ) -> Callable[[], dict[str, NDArray[np.float32]]]:
        """Begin to embed pictures, each (3, H, W); what is returned waits for their vectors.

        Only a `StreamingBackend` computes meanwhile; any other does when it is waited for.
        """
        if not isinstance(self.backend, StreamingBackend):
            return lambda: self.embed_batch(np.stack(pixels))
        wait = self.backend.begin(pixels)
        return lambda: self._by_tap(wait())

    def prepare(self, batch_size: int, pictures: int) -> None:
        """Prepare for so many pictures in batches of this size, such as by compiling the network.

        Raises:
            ModelError: If it was chosen to be compiled, and cannot.
        """
        prepare = getattr(self.backend, "prepare", None)
        if prepare is not None:
            prepare(batch_size, pictures)

    def averaged_maps(self, tap: str) -> Maps | None:
        """Return what computes the positions that are averaged to a tap's vectors, without torch.

        None if a tap is no average of positions, or torch computes the network.
        """
        if not isinstance(self.backend, OpenVinoBackend):
            return None
        return self.backend.averaged_maps([each.name for each in self.passport.taps].index(tap))

    def _by_tap(self, vectors: list[NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        return dict(zip((tap.name for tap in self.passport.taps), vectors, strict=True))


@dataclass(frozen=True, kw_only=True)
class NetworkRequest:
    """The arguments of `load_extractor`; they can be sent to another process."""

    spec: ExtractorSpec
    weights: Path | None = None
    compute: Compute = _DEFAULT
    fit: Fit | None = None
    scaled_decoding: int = 2


def load_extractor(
    spec: ExtractorSpec,
    *,
    weights: Path | None = None,
    compute: Compute = _DEFAULT,
    fit: Fit | None = None,
    scaled_decoding: int = 2,
) -> Extractor:
    """Load a network, its weights and its taps.

    ``weights`` is a local file of weights instead of those that the spec names; ``fit`` is how a
    picture is fitted to the network's input, by the model's default if None. For
    ``scaled_decoding`` see `Preprocessing`.

    A network that was loaded before, and whose files have not changed since, is loaded only when a
    picture is embedded.

    Raises:
        ModelError: If the network, its weights, a tap or the device is missing.
    """
    wanted = NetworkRequest(
        spec=spec, weights=weights, compute=compute, fit=fit, scaled_decoding=scaled_decoding
    )
    return open_extractor(wanted)


def open_extractor(wanted: NetworkRequest) -> Extractor:
    """Load a network as `load_extractor` does."""
    spec, weights = unpack_spec(wanted.spec, wanted.weights)
    wanted = replace(wanted, spec=spec, weights=weights)
    passport = _recall(wanted) or _packed(wanted)
    if passport is not None:
        return Extractor(None, passport, load=partial(_open, wanted, passport))
    return _load(wanted)


def kept_extractor(passport: Passport, pack: Path | None = None) -> Extractor | None:
    """Open the network that made an index's vectors, in float32, if it is kept on this machine.

    ``pack`` is a pack of the network, which may have it compiled.
    """
    now = replace(passport, compute_dtype="float32", threads=0)
    backend = open_kept(now, now.compute_dtype, pack)
    if backend is None:
        return None
    now = replace(now, backend=backend.name)
    return Extractor(backend, now)


def _load(wanted: NetworkRequest) -> Extractor:
    from artsim.models.loading import load_network

    extractor, files = load_network(wanted)
    if files is not None:
        _remember(wanted, extractor.passport, files)
    return extractor


def _open(wanted: NetworkRequest, passport: Passport) -> Backend:
    if passport.backend == OpenVinoBackend.name:
        pack = wanted.weights if is_pack(wanted.weights) else None
        kept = open_kept(passport, passport.compute_dtype, pack)
        if kept is not None:
            return kept
    else:  # OpenVINO could not compute it before
        wanted = replace(wanted, compute=replace(wanted.compute, backend=BackendName.TORCH))
    extractor = _load(wanted)
    differences = passport.differences(extractor.passport)
    if differences:
        raise PassportError(
            f"{wanted.spec.network} has changed on this machine ({'; '.join(differences)}); run "
            "the same command again"
        )
    return extractor.backend


def _recall(wanted: NetworkRequest) -> Passport | None:
    """Return the passport of a network that was loaded before, if no file of it has changed."""
    key = _key(wanted)
    folder = read_entry(key) if key else None
    if folder is None:
        return None
    try:
        values = json.loads((folder / _PASSPORT).read_text(encoding="utf-8"))
        if any(_status(name) != status for name, status in values["files"].items()):
            return None
        return Passport.from_json(values["passport"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _packed(wanted: NetworkRequest) -> Passport | None:
    """Return the passport of a network that a pack has compiled for what is installed here."""
    file, compute = wanted.weights, wanted.compute
    settings = {compute.backend, compute.precision, compute.compile, compute.decoder}
    other = settings & {BackendName.TORCH, Precision.BF16, Compile.ON, Decoder.GPU}
    if file is None or not is_pack(file) or not file.is_file() or other or not _key(wanted):
        return None
    compiled = read_facts(file).compiled
    if compiled is None:
        return None
    made = Passport.from_json(dict(compiled.passport))
    if made.spec != str(wanted.spec) or wanted.fit not in (None, made.preprocessing.fit):
        return None
    made = replace(
        made,
        weights_source=source_of(file),
        preprocessing=replace(made.preprocessing, scaled_decoding=wanted.scaled_decoding),
        versions=versions_of(PACKAGES[wanted.spec.source], made.backend),
        threads=compute.threads,
    )
    return made if network_key(made) in compiled.files else None


def _remember(wanted: NetworkRequest, passport: Passport, files: list[Path]) -> None:
    key = _key(wanted)
    if key is None:
        return
    status = {str(file): _status(file) for file in files}
    text = json.dumps({"passport": passport.to_json(), "files": status})
    write_entry(key, lambda folder: _write(folder / _PASSPORT, text))


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


def _status(file: Path | str) -> list[int] | None:
    """Return what changes with a file's content."""
    try:
        found = os.stat(file)  # noqa: PTH116 - of a name, too
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _key(wanted: NetworkRequest) -> str | None:
    """Name a passport; None if it has to be made each time."""
    package = PACKAGES.get(wanted.spec.source)
    if package is None or not _is_cpu(wanted.compute.device):
        return None
    settings = [
        wanted.compute.backend,
        wanted.compute.precision,
        wanted.compute.threads,
        wanted.fit,
        wanted.scaled_decoding,
        *[wanted.compute.compile] * (wanted.compute.compile == Compile.ON),
    ]
    weights = None if wanted.weights is None else str(wanted.weights.absolute())
    spec = wanted.spec
    if spec.source == RUN:
        spec = replace(spec, arch=str(Path(spec.arch).absolute()))
    versions = installed("torch", "pillow", "openvino", package)
    return key_of("passport", str(spec), weights, settings, versions)


def _is_cpu(device: str) -> bool:
    """Return whether it is the CPU for sure, without importing torch."""
    if device != "auto" or sys.platform != "linux":
        return device == "cpu"
    nodes = ("nvidia0", "nvidiactl", "kfd", "dxg")  # of CUDA, ROCm and Windows' subsystem
    return not any(Path("/dev", name).exists() for name in nodes)
