"""Damage the files of an index: every command answers as before, or says which file is broken."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from museum import INDEX, MODEL, Job, start
from trials import Findings, Outcome, run_command

_QUESTIONS = (
    ("info",),
    ("info", "--check"),
    ("similar", "--id", "msw-0001", "-k", "5", "--json"),
    ("knn-eval", "--label", "style", "--split", "stored", "--json"),
    ("probe", "--label", "style", "--split", "stored", "--no-save", "--json"),
    ("predict", "--id", "msw-0001", "--json"),
    ("dupes", "--json"),
    ("map", "--json"),
    ("embed", "museum/", *MODEL),
)
_PREPARE = (
    ("index", "--kind", "ivf"),
    ("probe", "--label", "style", "--split", "stored"),
    ("dupes",),
    ("map",),
    ("similar", "--id", "msw-0001"),
)


def damage_indexes(museum: Path, trials: int, seed: int) -> Findings:
    """Damage one file of an index a trial, then ask three commands.

    Faults: a traceback, a crash, and an answer that differs from that of the sound index although
    the exit status says that all is well and nothing on stderr says that a file is damaged.
    """
    findings, rng = Findings(), np.random.default_rng(seed)
    whole = start(museum, Job("whole", ()), museum / "whole")
    for command in _PREPARE:
        run_command(whole, list(command))
    sound = {question: _ask(museum, question) for question in _QUESTIONS}
    files = sorted(
        str(file.relative_to(whole))
        for file in (whole / INDEX).rglob("*")
        if file.is_file() and file.stat().st_size
    )
    for trial in range(trials):
        file = files[trial % len(files)]
        change = _CHANGES[int(rng.integers(len(_CHANGES)))]
        for number in rng.choice(len(_QUESTIONS), 3, replace=False):
            question = _QUESTIONS[number]
            outcome = _ask(museum, question, file, partial(change, rng=rng))
            findings.counts["refused" if outcome.code else "answered"] += 1
            what = f"{file} {change.__name__}, {' '.join(question)}"
            if outcome.broke:
                findings.faults.append(f"{what}: {outcome.broke}")
            elif outcome.code == 0 and "damaged" not in outcome.errors:
                if _answer(outcome) == _answer(sound[question]):
                    continue
                findings.faults.append(f"{what}: another answer, exit 0")
    return findings


def _ask(
    museum: Path,
    question: tuple[str, ...],
    file: str = "",
    change: Callable[[bytearray], bytearray] = bytearray,
) -> Outcome:
    """Run a command on a copy of the index in which one file was changed."""
    folder = start(museum, Job("whole", (), start="whole"), museum / "scratch")
    if file:
        damaged = folder / file
        times = damaged.stat().st_atime_ns, damaged.stat().st_mtime_ns
        damaged.write_bytes(change(bytearray(damaged.read_bytes())))
        os.utime(damaged, ns=times)  # as bit rot does
    return run_command(folder, list(question))


def _answer(outcome: Outcome) -> str:
    """Return what a command printed, without how long it took and the bytes on disk."""
    return re.sub(r"in [\d.]+ s \(\d+/s\)|on disk .*", "", outcome.output)


def flipped(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Flip one bit."""
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return data


def overwritten(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Write 400 random bytes over the file."""
    at = int(rng.integers(max(len(data) - 400, 1)))
    data[at : at + 400] = rng.bytes(min(400, len(data) - at))
    return data


def truncated(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Keep the beginning."""
    return data[: int(rng.integers(len(data)))]


def zeroed(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Lose a block, as a disk does."""
    at = int(rng.integers(len(data)))
    data[at : at + 4096] = bytes(len(data[at : at + 4096]))
    return data


_CHANGES = (flipped, overwritten, truncated, zeroed)
