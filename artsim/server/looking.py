"""Looks for duplicates in a process of its own: visitors' questions do not wait for its lock.

A thread of this process would hold Python's lock for long, the longer the lower its priority is.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import pyarrow as pa

from artsim.duplicates import KeptGroups, find_groups, gather, pack_groups
from artsim.errors import ResourcesError, StoreError
from artsim.images import limit_memory, process_budget
from artsim.server.guard import Limits
from artsim.server.pictures import collection_decoders
from artsim.server.priority import NICENESS
from artsim.splits import picture_looks
from artsim.store import Store

__all__ = ["find_apart", "main"]

_PROGRAM = "from artsim.server.looking import main; main()"
_WORKERS = 1  # threads that read pictures

Report = Callable[[str, int, int], None]  # a step, what of it is done, of how many works


def find_apart(store: Store, device: str, report: Report) -> KeptGroups:
    """Find the duplicates of an index; ends with this process, whatever ends that.

    Raises:
        ArtsimError: As `gather` does.
        ResourcesError: If the process cannot be started, or is killed.
    """
    wanted = (store.path, store.roots, store.fingerprint, device, process_budget().total)
    try:
        with _started() as process:
            try:
                return _answer(process, wanted, report)
            finally:
                process.kill()
    except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
        raise ResourcesError("the search was broken off; try again") from error


def _started() -> subprocess.Popen[bytes]:
    try:
        # In the session of this process: on Linux, priorities of two sessions do not compare.
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
    except OSError as error:
        raise ResourcesError("no process could be started to look for them; try again") from error


def _answer(process: subprocess.Popen[bytes], wanted: object, report: Report) -> KeptGroups:
    assert process.stdin is not None
    assert process.stdout is not None
    pickle.dump(wanted, process.stdin)
    process.stdin.flush()
    while True:
        said = pickle.load(process.stdout)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, pa.Table):
            return KeptGroups(said)
        report(*said)


# ---- in the other process ----


def main() -> None:
    """Find the duplicates of the index that is read from stdin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed here

    def say(message: object) -> None:
        pickle.dump(message, target)
        target.flush()

    path, roots, fingerprint, device, memory = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_server, daemon=True).start()
    limit_memory(memory)
    with suppress(BrokenPipeError):
        try:
            store = Store.open(path, roots=roots)
            if hasattr(os, "nice"):
                os.nice(NICENESS)
            say(_find(store, fingerprint, device, lambda *step: say(step)))
        except BrokenPipeError:
            raise
        except Exception as error:  # it is raised again where the message is read
            say(error)


def _find(store: Store, fingerprint: str, device: str, report: Report) -> pa.Table:
    if store.fingerprint != fingerprint:
        raise StoreError(f"{str(store)!r} was embedded again meanwhile; look once more")

    def step(name: str) -> Callable[[int, int, int], None]:
        return lambda done, works, _: report(name, done, works)

    with collection_decoders(Limits()).in_use(everywhere=True):
        looks = picture_looks(store, workers=_WORKERS, progress=step("Reading"))
    evidence, _ = gather([store], [looks])
    groups, _ = find_groups(evidence, device=device, progress=step("Comparing"))
    return pack_groups(groups).table


def _end_with_server() -> None:
    sys.stdin.buffer.read()
    os._exit(1)
