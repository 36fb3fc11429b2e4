"""One trial: a command in a forked process, its output, and what a user would call broken."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pkgutil
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MEMORY = 8 << 30  # bytes of address space of a trial
SECONDS = 900  # of a trial, before it counts as hanging: a loaded machine is slow


@dataclass
class Outcome:
    """How a command ended."""

    code: int | None  # exit status; negative: ended by that signal; None: it hung
    output: str  # stdout
    errors: str  # stderr

    @property
    def broke(self) -> str | None:
        """What is wrong with this end whatever was done to the command; None if nothing is."""
        if self.code is None:
            return f"still running after {SECONDS} s"
        if "Traceback (most recent call last)" in self.errors:
            return "traceback: " + " | ".join(self.errors.strip().splitlines()[-4:])
        if self.code < 0 and self.code != -signal.SIGKILL:
            return f"crashed: {signal.Signals(-self.code).name}"
        return None


@dataclass
class Findings:
    """What the trials of one part showed."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, faults: Sequence[str]) -> None:
        """Keep faults and print them at once: a part takes long."""
        self.faults += faults
        for fault in faults:
            print(f"  {fault}", flush=True)

    def summary(self) -> str:
        """One line of figures."""
        figures = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        return f"{figures}; {len(self.faults)} faults"


def preload() -> None:
    """Import here, once, what commands need: it takes longer than any trial.

    Nothing may start threads in this process, as forks do not have them.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["NUMBA_THREADING_LAYER"] = "workqueue"  # OpenMP's ends forked processes
    gc.disable()  # it would walk all that is imported again and again
    import artsim

    for module in pkgutil.walk_packages(artsim.__path__, "artsim."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("faiss", "sklearn.ensemble", "timm"):
        importlib.import_module(name)
    gc.freeze()
    gc.enable()


def compile_maps() -> None:
    """Lay a few points out here: numba compiles UMAP, once instead of in each trial."""
    import numpy as np
    from umap import UMAP

    points = np.eye(20, dtype=np.float32)
    UMAP(n_neighbors=5, init="pca", metric="cosine", random_state=0, n_jobs=1).fit(points)
    gc.freeze()


def run_command(
    folder: Path,
    command: Sequence[str],
    *,
    before: Callable[[], None] | None = None,
    kill_after: float | None = None,
    how: signal.Signals = signal.SIGKILL,
) -> Outcome:
    """Run one artsim command in a folder.

    The process is forked from this one, which has imported everything already: see `preload`.

    Args:
        folder: The working directory.
        command: The arguments of artsim.
        before: Called in the new process before the command starts.
        kill_after: Seconds after which it is killed.
        how: The signal that kills it.
    """
    logs = [folder.with_name(f"{folder.name}.{name}.log") for name in ("stdout", "stderr")]
    child = os.fork()
    if child == 0:
        _be_artsim(folder, command, before, logs)
    code = _wait(child, kill_after, how)
    output, errors = (log.read_text(encoding="utf-8", errors="replace") for log in logs)
    return Outcome(code, output, errors)


def _be_artsim(
    folder: Path, command: Sequence[str], before: Callable[[], None] | None, logs: list[Path]
) -> None:
    """Become the command; never returns."""
    code = 1
    try:
        os.chdir(folder)
        for stream, log in zip((sys.stdout, sys.stderr), logs, strict=True):
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, stream.fileno())
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        from artsim.__main__ import main

        sys.argv = ["artsim", *command]
        if before:
            before()
        main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _wait(child: int, kill_after: float | None, how: signal.Signals) -> int | None:
    """Wait for a process; None if it had to be ended because it hung."""
    began = time.monotonic()
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        passed = time.monotonic() - began
        if kill_after is not None and passed > kill_after:
            os.kill(child, how)
            kill_after = None
        if passed > SECONDS:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.002)
