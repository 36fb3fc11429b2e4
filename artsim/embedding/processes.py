"""Workers on this machine: a process for each device."""

from __future__ import annotations

import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from artsim.embedding.team import Advanced, Event, Failed, Finished, Lost, Ready, Task
from artsim.models import NetworkRequest

_PROGRAM = "from artsim.embedding.worker import main; main()"


class WorkerProcess:
    """A process that embeds chunks, by `artsim.embedding.worker.main`."""

    def __init__(self, request: NetworkRequest, name: str = "") -> None:
        self._name = name
        self._device = request.compute.device
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.send(request)

    def send(self, message: Any) -> None:
        """Send the network to open, or a task; if the process has ended, `events` says so."""
        assert self._process.stdin is not None
        with suppress(OSError):
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()

    def events(self) -> Iterator[Event]:
        """Wait for the events of this worker; the last is that it is lost."""
        assert self._process.stdout is not None
        with suppress(EOFError, OSError, ValueError, pickle.UnpicklingError):
            while True:
                said = pickle.load(self._process.stdout)
                if said.passport is not None:
                    yield Ready(self._name, said.passport, self._device)
                elif said.advance is not None:
                    yield Advanced(self._name, *said.advance)
                elif said.receipt is not None:
                    yield Finished(self._name, said.receipt)
                else:
                    yield Failed(self._name, said.error)
        status = self._process.wait()
        yield Lost(self._name, f"signal {-status}" if status < 0 else f"exit status {status}")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        with suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()


class ProcessTeam:
    """A process for each device of this machine; one that ends is started again."""

    def __init__(self, request: NetworkRequest, devices: Sequence[str]) -> None:
        self._requests = {
            f"{number}": replace(request, compute=replace(request.compute, device=device))
            for number, device in enumerate(devices)
        }
        self._running: dict[str, tuple[WorkerProcess, threading.Thread]] = {}
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def grow(self, most: int) -> None:
        """Start the processes that do not run."""
        for name, request in list(self._requests.items())[:most]:
            if name not in self._running:
                process = WorkerProcess(request, name)
                thread = threading.Thread(target=self._listen, args=(process,), daemon=True)
                self._running[name] = process, thread
                thread.start()

    def submit(self, worker: str, task: Task) -> None:
        """Give a chunk to a worker."""
        self._running[worker][0].send(task)

    def events(self) -> list[Event]:
        """Return what has happened, after a second at most."""
        found: list[Event] = []
        with suppress(queue.Empty):
            found.append(self._events.get(timeout=1))
            while True:
                found.append(self._events.get_nowait())
        for event in found:
            if isinstance(event, Lost):
                self._end(event.worker)
        return found

    def share(self, threads: int) -> int:
        """Divide the threads among the processes."""
        return max(threads // len(self._requests), 1)

    def close(self) -> None:
        """End all processes."""
        for name in list(self._running):
            self._end(name)

    def _end(self, name: str) -> None:
        process, thread = self._running.pop(name)
        process.close()
        thread.join()

    def _listen(self, process: WorkerProcess) -> None:
        for event in process.events():
            self._events.put(event)
