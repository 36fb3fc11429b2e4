"""Where chunks are embedded: this process by default, others behind the same protocol."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from artsim.datatypes import RUN
from artsim.embedding.chunks import Advance, Chunk, EmbedJob, Receipt
from artsim.embedding.pipeline import embed_chunks
from artsim.embedding.processes import ProcessTeam
from artsim.embedding.remote import RemoteEngine
from artsim.errors import EngineError
from artsim.models import Extractor, NetworkRequest, open_extractor


class Engine(Protocol):
    """Embeds chunks, by `artsim.embedding.embed_chunks`."""

    def run(
        self, chunks: Iterable[Chunk], job: EmbedJob, extractor: Extractor, advance: Advance
    ) -> Iterator[Receipt]:
        """Embed chunks, which are made when they are requested; receipts come in any order.

        A remote worker loads its own network and compares the passports. ``advance`` is called in
        the caller's thread with the pictures tried and the failures since the last call; both are
        negative for work that is lost and done again.
        """
        ...

    def status(self) -> str:
        """Describe the workers and their speed in a few words, empty if there are none."""
        ...

    def close(self) -> None:
        """End the workers."""
        ...


class LocalEngine:
    """Embeds in this process."""

    def run(
        self, chunks: Iterable[Chunk], job: EmbedJob, extractor: Extractor, advance: Advance
    ) -> Iterator[Receipt]:
        """Embed one chunk after the other."""
        return embed_chunks(chunks, job, extractor, advance=advance)

    def status(self) -> str:
        """Return nothing: there is one worker."""
        return ""

    def close(self) -> None:
        """End nothing."""


def open_engine(name: str | None, request: NetworkRequest) -> tuple[Engine, Extractor]:
    """Open an engine, and the network that it computes.

    Args:
        name: ``ray`` or ``ray:ADDRESS`` for a Ray cluster, ``devices:LIST`` for a process on each
            device of this machine (``all``, ``0,1`` or ``cpu,cpu``), None for this process.
        request: The network. On a CPU, the workers of the others compute with a thread each unless
            it says how many, so that their vectors are the same on any machine.

    Raises:
        EngineError: If there is no such engine, device or cluster.
        ModelError: If the network cannot be loaded.
    """
    if name is None:
        return LocalEngine(), open_extractor(request)
    kind, _, rest = name.partition(":")
    request = _for_workers(request)
    if kind == "ray":
        from artsim.embedding.ray_team import RayTeam

        engine = RemoteEngine(RayTeam(request, rest))
    elif kind == "devices":
        engine = RemoteEngine(ProcessTeam(request, _devices(rest)))
    else:
        raise EngineError(f"no engine {name!r}; choose ray, ray:ADDRESS or devices:LIST")
    return engine, engine.open()


def _for_workers(request: NetworkRequest) -> NetworkRequest:
    """Return the request without what differs between machines: cores, and a working directory."""
    spec, weights = request.spec, request.weights
    if spec.source == RUN:
        spec = replace(spec, arch=str(Path(spec.arch).absolute()))
    return replace(
        request,
        spec=spec,
        weights=None if weights is None else weights.absolute(),
        compute=replace(request.compute, threads=request.compute.threads or 1),
    )


def _devices(text: str) -> list[str]:
    """Read a list of devices: ``all`` GPUs, numbers of GPUs, or names."""
    import torch

    count = torch.cuda.device_count()
    names = [f"cuda:{number}" for number in range(count)]
    if text != "all":
        names = [
            f"cuda:{name}" if name.isdecimal() else name
            for name in (each.strip() for each in text.split(","))
        ]
    if not names:
        raise EngineError("torch sees no GPU; for two processes on the CPU pass cpu,cpu")
    for name in names:
        if not re.fullmatch(r"cpu|cuda:\d+", name):
            raise EngineError(f"no device {name!r} in {text!r}; write it as all, 0,1 or cpu,cpu")
        if name != "cpu" and int(name.partition(":")[2]) >= count:
            raise EngineError(f"no device {name!r}: torch sees {count} GPUs")
    return names
