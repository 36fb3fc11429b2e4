"""Kill commands that write, at any moment: the next run finishes as if nothing had happened."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from museum import JOBS, Job, result, start
from trials import Findings, Outcome, run_command
from writes import count_writes, on_write

_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Run:
    """An undisturbed run."""

    seconds: float
    n_writes: int
    result: dict[str, object]  # see `result`


def kill_commands(museum: Path, trials: int, seed: int) -> Findings:
    """Kill each command at random times and at random writes, then run it again and compare.

    At a time it is killed by SIGKILL, SIGTERM or Ctrl-C.

    Faults: a traceback, a run afterwards that fails, a result that differs from that of a run
    that nobody killed, and temporary files that stay.
    """
    findings, rng = Findings(), np.random.default_rng(seed)
    for number, job in enumerate(JOBS):
        run = uninterrupted(museum, job)
        for _ in range(trials // len(JOBS) + (number < trials % len(JOBS))):
            folder = start(museum, job, museum / "scratch")
            if run.n_writes and rng.random() < 0.6:
                nth = int(rng.integers(run.n_writes))
                moment = f"before write {nth} of {run.n_writes}"
                killed = run_command(
                    folder, job.command, before=lambda nth=nth: on_write(nth, _die)
                )
            else:
                after = float(rng.uniform(0, run.seconds))
                how = _SIGNALS[int(rng.integers(len(_SIGNALS)))]
                moment = f"by {how.name} after {after:.2f} of {run.seconds:.2f} s"
                killed = run_command(folder, job.command, kill_after=after, how=how)
            findings.counts["kills"] += 1
            if killed.broke and killed.code != -signal.SIGTERM:  # before artsim runs
                findings.add([f"{job.name} killed {moment}: {killed.broke}"])
            again = run_command(folder, job.second(folder))
            faults = compare(job, again, folder, run.result)
            findings.add([f"{job.name} killed {moment}: {fault}" for fault in faults])
        print(f"  {job.name}: {findings.summary()}", flush=True)
    return findings


def uninterrupted(museum: Path, job: Job) -> Run:
    """Run a job in peace, twice: the first run fills the cache, with the converted network."""
    counted = museum / "writes.log"
    for _ in range(2):
        folder = start(museum, job, museum / "scratch")
        counted.unlink(missing_ok=True)
        began = time.monotonic()
        outcome = run_command(folder, job.command, before=lambda: count_writes(counted))
        if outcome.code != 0:
            raise SystemExit(f"{job.name} failed:\n{outcome.errors}")
        seconds = time.monotonic() - began
    return Run(seconds, len(counted.read_text(encoding="utf-8").split()), result(job, folder))


def compare(job: Job, again: Outcome, folder: Path, wanted: dict[str, object]) -> Iterator[str]:
    """Say in what a second run differs from one that nobody disturbed."""
    had_finished = job.finished and job.finished in again.errors
    if again.broke or (again.code != 0 and not had_finished):
        yield again.broke or f"the next run failed: {again.errors.strip()[-200:]}"
        return
    found = result(job, folder)
    reordered = [
        name.removesuffix("parts")
        for name in found
        if name.endswith("/parts")
        and found[name] != wanted.get(name)
        and sorted(found[name]) == sorted(wanted.get(name, []))
    ]
    for name in sorted(set(found) | set(wanted)):
        if name not in found:
            yield f"{name} is missing"
        elif name not in wanted:
            yield f"{name} is left over"
        elif found[name] != wanted[name] and not any(
            name in (f"{index}parts", f"{index}hashes.parquet") or name.startswith(f"{index}faiss/")
            for index in reordered
        ):
            yield f"{name} differs"


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
