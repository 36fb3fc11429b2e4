"""Let writes and allocations fail: a full disk, a folder without permission, no memory."""

from __future__ import annotations

import errno
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
from kills import compare, uninterrupted
from museum import JOBS, Job, start
from trials import Findings, run_command
from writes import log_lines, on_line, on_write

_DISK = (errno.ENOSPC, errno.EACCES, errno.EIO)
_LARGEST = 200_000  # bytes of a file

Fault = tuple[str, Callable[[], None]]  # what fails, and what makes it fail


def inject_faults(museum: Path, trials: int, seed: int) -> Findings:
    """Let one write or one allocation of a command fail, then run it again and compare.

    A third of the trials fails one write, a few let no file grow beyond some size, and the others
    have no memory for one line of artsim: any line may allocate.

    Faults: a traceback, and whatever `kills` calls one. A command may survive the failure, for a
    file that only saves time; then its results must be right.
    """
    findings, rng = Findings(), np.random.default_rng(seed)
    for number, job in enumerate(JOBS):
        share = trials // len(JOBS) + (number < trials % len(JOBS))
        run = uninterrupted(museum, job)
        lines = _lines(museum, job)
        findings.counts["sites"] += run.n_writes + len(lines)
        for what, before in _faults(lines, run.n_writes, share, rng):
            folder = start(museum, job, museum / "scratch")
            failed = run_command(folder, job.command, before=before)
            findings.counts["survived" if failed.code == 0 else "failed"] += 1
            if failed.broke:
                findings.add([f"{job.name}, {what}: {failed.broke}"])
                continue
            again = run_command(folder, job.second(folder))
            findings.add(
                [
                    f"{job.name}, {what}, then run again: {fault}"
                    for fault in compare(job, again, folder, run.result)
                ]
            )
        print(f"  {job.name}: {findings.summary()}", flush=True)
    return findings


def _faults(lines: list[str], n_writes: int, share: int, rng: np.random.Generator) -> list[Fault]:
    """Draw faults of a job: writes and lines without repeats, as far as there are enough."""
    writes = rng.permutation(n_writes)[: share // 3]
    sites = rng.permutation(lines)[: share - len(writes) - 1]
    found = []
    for nth in writes.tolist():
        number = int(rng.choice(_DISK))
        what = f"write {nth} of {n_writes} fails by {errno.errorcode[number]}"
        found.append((what, _failing_write(nth, OSError(number, "made to fail"))))
    for site in sites.tolist():
        nth = int(rng.integers(3)) * int(rng.integers(8))
        found.append((f"no memory at {site}, time {nth}", _failing_line(site, nth)))
    size = int(np.exp(rng.uniform(0, np.log(_LARGEST))))
    return [*found, (f"no file above {size} bytes", _limited(size))]


def _lines(museum: Path, job: Job) -> list[str]:
    """Return the lines of artsim that a job runs."""
    log = museum / "lines.log"
    log.unlink(missing_ok=True)
    run_command(start(museum, job, museum / "scratch"), job.command, before=lambda: log_lines(log))
    return log.read_text(encoding="utf-8").split()


def _failing_write(nth: int, error: Exception) -> Callable[[], None]:
    return lambda: on_write(nth, lambda: _fail(error))


def _failing_line(site: str, nth: int) -> Callable[[], None]:
    return lambda: on_line(site, nth, lambda: _fail(MemoryError()))


def _limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _fail(error: Exception) -> None:
    raise error
