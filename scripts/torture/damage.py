"""Damage the files of an index: every command answers as before, or says which file is broken."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from museum import INDEX, MODEL, Job, start
from trials import Findings, Outcome, run_command

# Durations, and the sizes of files.
_CHANGING = (
    r'in [\d.]+ s \(\d+/s\)|on disk .*|"bytes": \{[^}]*\}'
    r'|"[a-z_]*(seconds|bytes|_ms|updated|latency)[a-z_]*": [^,}]*'
)
# Digits that depend on how the same neighbors were found.
_NOISE = re.compile(r"(\.\d{5})\d+")
_SPLIT = ("--label", "style", "--split", "stored")
_QUESTIONS = (
    ("info", "--json"),
    ("info", "--check"),
    ("similar", "--id", "msw-0001", "-k", "5", "--json"),
    ("similar", "museum/images/msw-0002.jpg", "--where", "year > 1900", "--json"),
    ("knn-eval", *_SPLIT, "--json"),
    ("probe", *_SPLIT, "--no-save", "--json"),
    ("retrieval-eval", "--label", "style", "--json"),
    ("leaderboard", *_SPLIT, "--json"),
    ("predict", "--id", "msw-0001", "--json"),
    ("leaks", "--split", "stored", "--json"),
    ("label", "--json"),
    ("label", "old = year < 1900"),
    ("split", "--name", "other", "--stratify", "style"),
    ("dupes", "--json"),
    ("index", "--kind", "ivf", "--json"),
    ("embed", "museum/", *MODEL),
)
_PREPARE = (
    ("label", "century = floor(year / 100) + 1"),
    ("index", "--kind", "ivf"),
    ("probe", *_SPLIT),
    ("dupes",),
    ("map",),
    ("similar", "--id", "msw-0001"),
)
_ASKED = 4  # questions of each damaged index
_REPAIRED = (2, 8)  # those that are answered as before after `artsim repair`


def damage_indexes(museum: Path, trials: int, seed: int) -> Findings:
    """Damage one file of an index a trial, ask some commands, then repair it.

    Faults: a traceback, a crash, and an answer that differs from that of the sound index although
    the exit status says that all is well and nothing on stderr says that a file is damaged. Also
    an index that `artsim repair` calls repaired and that is not.
    """
    findings, rng = Findings(), np.random.default_rng(seed)
    whole = start(museum, Job("whole", ()), museum / "whole")
    for command in _PREPARE:
        if run_command(whole, command).code != 0:
            raise SystemExit(f"artsim {' '.join(command)} failed")
    sound = [_answer(_ask(museum, question)) for question in _QUESTIONS]
    files = sorted(
        str(file.relative_to(whole))
        for file in (whole / INDEX).rglob("*")
        if file.is_file() and file.stat().st_size
    )
    for trial in range(trials):
        if trial and trial % 20 == 0:
            print(f"  {findings.summary()}", flush=True)
        file = files[trial % len(files)]
        change = _CHANGES[int(rng.integers(len(_CHANGES)))]
        data = bytes(change(bytearray((whole / file).read_bytes()), rng))
        findings.counts["damaged indexes"] += 1
        for number in rng.choice(len(_QUESTIONS), _ASKED, replace=False):
            question, wanted = _QUESTIONS[number], sound[number]
            outcome = _ask(museum, question, file, data)
            findings.counts["refusals" if outcome.code else "answers"] += 1
            fault = outcome.broke
            if outcome.code == 0 and "damaged" not in outcome.errors:
                fault = fault or (_answer(outcome) != wanted and "another answer, exit 0") or None
            if fault:
                findings.add([f"{trial}: {file} {change.__name__}, {' '.join(question)}: {fault}"])
        findings.add(
            [
                f"{trial}: {file} {change.__name__}, repair: {fault}"
                for fault in _repair(museum, file, data, sound, findings)
            ]
        )
    return findings


def _repair(
    museum: Path, file: str, data: bytes, sound: list[str], findings: Findings
) -> Iterator[str]:
    """Repair the damaged index; its answers must be those of the sound one."""
    outcome = _ask(museum, ("repair",), file, data)
    if outcome.broke:
        yield outcome.broke
    if outcome.code:
        findings.counts["not repaired"] += 1
        return
    findings.counts["repaired"] += 1
    folder = museum / "scratch"
    checked = run_command(folder, ("info", "--check"))
    if checked.code:
        yield f"then info --check: {checked.output[-200:]}{checked.errors[-200:]}"
    for number in _REPAIRED:
        outcome = run_command(folder, _QUESTIONS[number])
        if outcome.broke or (outcome.code == 0 and _answer(outcome) != sound[number]):
            yield f"then {' '.join(_QUESTIONS[number])}: {outcome.broke or 'another answer'}"


def _ask(museum: Path, question: tuple[str, ...], file: str = "", data: bytes = b"") -> Outcome:
    """Run a command on a copy of the index in which one file has other data."""
    folder = start(museum, Job("whole", (), start="whole"), museum / "scratch")
    if file:
        damaged = folder / file
        times = damaged.stat().st_atime_ns, damaged.stat().st_mtime_ns
        damaged.write_bytes(data)
        os.utime(damaged, ns=times)  # as bit rot does
    return run_command(folder, question)


def _answer(outcome: Outcome) -> str:
    """Return what a command printed, without how long it took and the bytes on disk."""
    return _NOISE.sub(r"\1", re.sub(_CHANGING, "", outcome.output))


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


def emptied(_data: bytearray, _rng: np.random.Generator) -> bytearray:
    """Keep the name."""
    return bytearray()


def lengthened(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Add to the end."""
    return data + rng.bytes(int(rng.integers(1, 5_000)))


def zeroed(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Lose a block, as a disk does."""
    at = int(rng.integers(len(data)))
    data[at : at + 4096] = bytes(len(data[at : at + 4096]))
    return data


_CHANGES = (flipped, overwritten, truncated, emptied, lengthened, zeroed)
