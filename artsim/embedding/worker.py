"""A worker: a network in a process of its own, which embeds chunks for another."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass

from artsim.datatypes import Passport
from artsim.embedding.apart import embed_apart
from artsim.embedding.chunks import Advance, Receipt
from artsim.embedding.pipeline import embed_chunk
from artsim.embedding.team import Task
from artsim.errors import EngineError
from artsim.models import NetworkRequest, open_extractor


class Worker:
    """Opens a network once, and embeds one chunk after the other."""

    def __init__(self, request: NetworkRequest) -> None:
        self._request = request
        self._extractor = open_extractor(request)
        _ = self._extractor.backend  # what cannot be opened fails here, not at the first chunk

    @property
    def passport(self) -> Passport:
        """What it makes."""
        return self._extractor.passport

    def embed(self, task: Task, advance: Advance) -> Receipt:
        """Embed a chunk.

        Raises:
            EngineError: If the collection or the index is not on this machine.
            StoreError: If the part cannot be written.
        """
        for folder in (task.job.root, task.job.staging.parent):
            if not folder.exists():
                raise EngineError(
                    f"a worker does not see {str(folder)!r}: every node needs the collection and "
                    "the index at the same path, such as on a network drive; for an index in an "
                    "object store set XDG_CACHE_HOME to such a path"
                )
        task.job.staging.mkdir(exist_ok=True)
        if task.apart:
            return embed_apart(task, self._request, advance)
        return embed_chunk(task.chunk, task.job, self._extractor, advance=advance)


# What a worker's process says, in this order: that it is open, then of each task how far it is and
# its receipt; or an error at any time.


@dataclass(frozen=True)
class Said:
    """A message of a worker's process; the fields that are None are not said."""

    passport: Passport | None = None
    advance: tuple[int, int] | None = None
    receipt: Receipt | None = None
    error: Exception | None = None


def main() -> None:
    """Open the network that is read from stdin, then embed the tasks, until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that reads
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed here

    def say(message: Said) -> None:
        pickle.dump(message, target)
        target.flush()

    with suppress(EOFError, BrokenPipeError):
        try:
            worker = Worker(pickle.load(sys.stdin.buffer))
            say(Said(passport=worker.passport))
            while True:
                task = pickle.load(sys.stdin.buffer)
                receipt = worker.embed(task, lambda *counts: say(Said(advance=counts)))
                say(Said(receipt=receipt))
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:  # it is raised again where the message is read
            say(Said(error=error))
