"""Let writes and allocations fail: a full disk, a folder without permission, no memory."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
from kills import compare, uninterrupted
from museum import JOBS, start
from trials import Findings, run_command
from writes import on_allocation, on_write

_DISK = (errno.ENOSPC, errno.EACCES, errno.EIO)


def inject_faults(museum: Path, trials: int, seed: int) -> Findings:
    """Let one write or one allocation of a command fail, then run it again and compare.

    Faults: a traceback, and whatever `kills` calls one. A command may survive the failure, for a
    file that only saves time; then its results must be right.
    """
    findings, rng = Findings(), np.random.default_rng(seed)
    wanted = {job.name: uninterrupted(museum, job) for job in JOBS}
    for trial in range(trials):
        job = JOBS[trial % len(JOBS)]
        run = wanted[job.name]
        folder = start(museum, job, museum / "scratch")
        if trial // len(JOBS) % 2 == 0 and run.n_writes:
            nth, number = int(rng.integers(run.n_writes)), int(rng.choice(_DISK))
            what = f"write {nth} of {run.n_writes} fails by {errno.errorcode[number]}"
            before = _before(on_write, nth, OSError(number, "made to fail"))
        else:
            nth = int(np.exp(rng.uniform(0, np.log(2_000)))) - 1
            what = f"allocation {nth} fails"
            before = _before(on_allocation, nth, MemoryError())
        failed = run_command(folder, list(job.command), before=before)
        findings.counts["survived" if failed.code == 0 else "failed"] += 1
        if failed.broke:
            findings.faults.append(f"{job.name}, {what}: {failed.broke}")
            continue
        again = run_command(folder, list(job.command))
        findings.faults += [
            f"{job.name}, {what}, then run again: {fault}"
            for fault in compare(again, folder, run.result)
        ]
    return findings


def _before(
    on: Callable[[int, Callable[[], None]], None], nth: int, error: Exception
) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return lambda: on(nth, fail)
