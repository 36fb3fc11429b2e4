"""One trial: a command in a forked process, its output, and what a user would call broken."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

MEMORY = 8 << 30  # bytes of address space of a trial
SECONDS = 120  # of a trial, before it counts as hanging


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
            return "traceback: " + self.errors.strip().splitlines()[-1]
        if self.code < 0 and self.code != -signal.SIGKILL:
            return f"crashed: {signal.Signals(-self.code).name}"
        return None


@dataclass
class Findings:
    """What the trials of one part showed."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """One line of figures."""
        figures = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        return f"{figures}; {len(self.faults)} faults"


def run_command(
    folder: Path,
    command: list[str],
    *,
    before: Callable[[], None] | None = None,
    kill_after: float | None = None,
) -> Outcome:
    """Run one artsim command in a folder.

    The process is forked from this one, which has imported the heavy packages already: that saves
    the seconds of their import in each of hundreds of trials.

    Args:
        folder: The working directory.
        command: The arguments of artsim.
        before: Called in the new process before the command starts.
        kill_after: Seconds after which it is killed (SIGKILL).
    """
    output, errors = folder / "stdout.log", folder / "stderr.log"
    child = os.fork()
    if child == 0:
        _be_artsim(folder, command, before, output, errors)
    code = _wait(child, kill_after)
    return Outcome(
        code,
        output.read_text(encoding="utf-8", errors="replace"),
        errors.read_text(encoding="utf-8", errors="replace"),
    )


def _be_artsim(
    folder: Path,
    command: list[str],
    before: Callable[[], None] | None,
    output: Path,
    errors: Path,
) -> None:
    """Become the command; never returns."""
    code = 1
    try:
        os.chdir(folder)
        for stream, file in ((sys.stdout, output), (sys.stderr, errors)):
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, stream.fileno())
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        from artsim.cli import cli

        if before:
            before()
        cli(command, prog_name="artsim")
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _wait(child: int, kill_after: float | None) -> int | None:
    """Wait for a process; None if it had to be ended because it hung."""
    began = time.monotonic()
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        passed = time.monotonic() - began
        if passed > min(kill_after or SECONDS, SECONDS):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return -signal.SIGKILL if kill_after is not None else None
        time.sleep(0.002)
