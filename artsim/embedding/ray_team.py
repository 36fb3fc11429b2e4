"""Workers on a Ray cluster: an actor for each GPU, or for each group of processors, on any node."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace
from types import ModuleType
from typing import Any

from artsim.datatypes import Passport
from artsim.embedding.chunks import Receipt
from artsim.embedding.team import Advanced, Event, Failed, Finished, Lost, Ready, Task
from artsim.embedding.worker import Worker
from artsim.errors import EngineError
from artsim.models import NetworkRequest

_OBJECTS = 128 << 20  # bytes of shared memory, where Ray is started here: chunks are small
_PAUSE = 0.2  # seconds, where no actor can be waited for


class RayWorker:
    """A worker as an actor, whose second thread says how far it is."""

    def __init__(self, request: NetworkRequest) -> None:
        self._request = request
        self._lock = threading.Lock()
        self._tried = self._failed = 0

    def open(self) -> tuple[Passport, str]:
        """Open the network; return what it makes, and the address of the node."""
        self._worker = Worker(self._request)
        return self._worker.passport, str(import_ray().util.get_node_ip_address())

    def embed(self, task: Task) -> tuple[Receipt, tuple[int, int]]:
        """Embed a chunk; return its receipt, and the pictures tried and failed."""
        with self._lock:
            self._tried = self._failed = 0
        return self._worker.embed(task, self._advance), self.counts()

    def counts(self) -> tuple[int, int]:
        """Return how many pictures of the chunk have been tried, and have failed."""
        with self._lock:
            return self._tried, self._failed

    def _advance(self, tried: int, failed: int) -> None:
        with self._lock:
            self._tried += tried
            self._failed += failed


class RayTeam:
    """Actors on all nodes of a cluster, and on those that join it later.

    Args:
        request: The network; ``compute.threads`` is the number of processors of an actor, unless it
            computes on a GPU.
        address: Of the cluster; empty: the one that ``RAY_ADDRESS`` names, or a new one here.

    Raises:
        EngineError: If Ray is not installed, or there is no cluster.
    """

    def __init__(self, request: NetworkRequest, address: str = "") -> None:
        self._ray = import_ray()
        self._owns = not self._ray.is_initialized()
        if self._owns:
            _connect(self._ray, address)
        self._gpus = request.compute.device.startswith(("auto", "cuda")) and bool(self._sum("GPU"))
        device = "cuda" if self._gpus else "cpu"  # Ray shows each worker one GPU
        self._request = replace(request, compute=replace(request.compute, device=device))
        self._names = map(str, itertools.count())
        self._actors: dict[str, Any] = {}
        self._pending: dict[Any, tuple[str, str]] = {}  # by reference: the worker, and its method
        self._counts: dict[str, tuple[int, int]] = {}  # of the workers that have a chunk

    def grow(self, most: int) -> None:
        """Start actors where there is room."""
        needs = {"num_gpus" if self._gpus else "num_cpus": self._size}
        while len(self._actors) < min(most, self._sum("GPU" if self._gpus else "CPU", self._size)):
            name = next(self._names)
            remote = self._ray.remote(max_concurrency=2, max_restarts=0, **needs)(RayWorker)
            self._actors[name] = remote.remote(self._request)
            self._call(name, "open")

    def submit(self, worker: str, task: Task) -> None:
        """Give a chunk to an actor."""
        self._counts[worker] = (0, 0)
        self._call(worker, "embed", task)

    def events(self) -> list[Event]:
        """Return what has happened, after a second at most."""
        polled = {name for name, method in self._pending.values() if method == "counts"}
        for name in self._counts.keys() - polled:
            self._call(name, "counts")
        references = list(self._pending)
        running = [each for each in references if self._pending[each][1] != "counts"]
        if running:
            self._ray.wait(running, timeout=1)
        else:
            time.sleep(_PAUSE)  # no actor has room
        ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        found: list[Event] = []
        for reference in ready:
            # Of a worker that has ended, there is nothing more to know.
            if reference in self._pending:
                found += self._result(reference, *self._pending.pop(reference))
        return found

    def share(self, threads: int) -> int:
        """Give each actor as many as it has processors; with GPUs, what its node has for each."""
        if not self._gpus:
            return self._size
        return max(self._sum("CPU") // self._sum("GPU"), 1)

    def close(self) -> None:
        """End all actors, and what was started here."""
        for actor in self._actors.values():
            self._ray.kill(actor)
        self._actors, self._pending, self._counts = {}, {}, {}
        if self._owns:
            self._ray.shutdown()

    @property
    def _size(self) -> int:
        """GPUs or processors of an actor."""
        return 1 if self._gpus else self._request.compute.threads

    def _sum(self, kind: str, size: int = 1) -> int:
        """Count how often ``size`` of a kind of resource fit on the nodes of the cluster."""
        nodes = [each["Resources"] for each in self._ray.nodes() if each["Alive"]]
        return sum(int(each.get(kind, 0) // size) for each in nodes)

    def _call(self, name: str, method: str, *values: Any) -> None:
        reference = getattr(self._actors[name], method).remote(*values)
        self._pending[reference] = name, method

    def _result(self, reference: Any, name: str, method: str) -> list[Event]:
        errors = self._ray.exceptions
        try:
            value = self._ray.get(reference)
        except errors.RayTaskError as error:
            return [Failed(name, error.cause if isinstance(error.cause, Exception) else error)]
        except errors.RayError as error:  # the actor, its node or what it returned is gone
            self._forget(name)
            return [Lost(name, str(error).split("\n")[0])]
        if method == "open":
            return [Ready(name, *value)]
        if method == "counts":
            return self._advanced(name, value)
        receipt, counts = value
        events = [*self._advanced(name, counts), Finished(name, receipt)]
        del self._counts[name]
        return events

    def _advanced(self, name: str, counts: tuple[int, int]) -> list[Event]:
        if name not in self._counts:  # counted before its chunk was finished
            return []
        tried, failed = self._counts[name]
        self._counts[name] = counts
        return [Advanced(name, counts[0] - tried, counts[1] - failed)]

    def _forget(self, name: str) -> None:
        actor = self._actors.pop(name)
        self._counts.pop(name, None)
        self._pending = {each: of for each, of in self._pending.items() if of[0] != name}
        with suppress(Exception):  # it may be on a node that has gone
            self._ray.kill(actor)


def import_ray() -> ModuleType:
    """Import Ray, which then reports to nobody.

    Raises:
        EngineError: If it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
        import ray.util
    except ImportError as error:
        raise EngineError("Ray is not installed; pip install 'artsim[ray]'") from error
    module: ModuleType = ray
    return module


def _connect(ray: ModuleType, address: str) -> None:
    address = address or os.environ.get("RAY_ADDRESS", "")
    own = {} if address else {"object_store_memory": _OBJECTS, "include_dashboard": False}
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise EngineError(
            f"no Ray cluster can be reached at {address or 'this machine'!r} ({reason}); start one "
            "with 'ray start --head', or leave the address out"
        ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray would exit
