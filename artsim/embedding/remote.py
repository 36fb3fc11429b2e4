"""Chunks embedded by workers in other processes, on this machine or on others."""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from artsim.datatypes import Passport
from artsim.embedding.chunks import Advance, Chunk, EmbedJob, Receipt
from artsim.embedding.team import Advanced, Event, Failed, Finished, Lost, Ready, Task, Team
from artsim.errors import EngineError
from artsim.models import Backend, Extractor

_APART = 2  # workers that a chunk may end before it is embedded apart
_TRIES = 10  # of a chunk
_STARTS = 5  # workers in a row that may end before they are ready
_PATIENCE = 300.0  # seconds without a worker
_PLACES = 4  # that are shown


@dataclass(kw_only=True)
class _Attempt:
    """A chunk, and how far the worker is that has it."""

    chunk: Chunk
    tries: int = 0  # before this one: workers that ended
    staging: Path = Path()
    tried: int = 0  # pictures
    failed: int = 0


class RemoteEngine:
    """An `Engine` of workers: each has a network, and one chunk at a time.

    A worker that ends is replaced, and its chunk given to another; a chunk that ended two is
    embedded apart. Each attempt writes to a folder of its own, so that a worker that was believed
    lost overwrites nothing.
    """

    def __init__(self, team: Team) -> None:
        self._team = team
        self._passport: Passport | None = None  # of all workers
        self._places: dict[str, str] = {}  # of the workers that are ready
        self._idle: list[str] = []
        self._attempts: dict[str, _Attempt] = {}  # by worker
        self._again: deque[_Attempt] = deque()
        self._starts_lost = 0
        self._alive = time.monotonic()  # when there was a worker
        self._done: Counter[str] = Counter()  # pictures by place
        self._started = 0.0

    def open(self) -> Extractor:
        """Wait for the first worker; the extractor says what all make, and computes nothing here.

        Raises:
            EngineError: If no worker starts.
            ModelError: If it cannot open the network.
        """
        try:
            while self._passport is None:
                self._team.grow(1)
                for event in self._events():
                    self._take(event, lambda tried, failed: None)
        except BaseException:
            self._team.close()
            raise
        return Extractor(None, self._passport, load=_refuse)

    def run(
        self, chunks: Iterable[Chunk], job: EmbedJob, extractor: Extractor, advance: Advance
    ) -> Iterator[Receipt]:
        """Embed chunks, as many at once as there are workers.

        Raises:
            EngineError: If a worker would make other vectors than ``extractor``, none starts, or
                all end that have a certain chunk.
        """
        self._passport = extractor.passport
        self._started = self._alive = time.monotonic()
        job.staging.mkdir(parents=True, exist_ok=True)
        workers = self._team.share(job.settings.workers)
        job = replace(
            job,
            root=job.root.absolute(),  # the working directory of a worker may be another
            staging=job.staging.absolute(),
            settings=replace(job.settings, workers=workers),
            in_processes=False,  # to start them for each chunk takes longer than they save
        )
        left = iter(chunks)
        with closing(self._team):
            while True:
                while self._idle and (attempt := self._next(left)):
                    self._start(attempt, job)
                if not self._attempts and not self._again and self._idle:
                    return
                self._team.grow(job.chunks)
                for event in self._events():
                    receipt = self._take(event, advance)
                    if receipt is not None:
                        yield self._collect(receipt, job)

    def close(self) -> None:
        """End the workers, if `run` was not called."""
        self._team.close()

    def status(self) -> str:
        """Say how many workers there are, and how many pictures a second each embeds, by place."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        places = sorted(Counter(self._places.values()).items())
        rates = [
            f"{place} {self._done[place] / seconds / workers:.0f}/s"
            + f" x {workers}" * (workers > 1)
            for place, workers in places[:_PLACES]
        ]
        rates += ["..."] * (len(places) > _PLACES)
        count = len(self._places)
        return f"{count} worker{'s' * (count != 1)}" + f" ({', '.join(rates)})" * bool(rates)

    def _next(self, left: Iterator[Chunk]) -> _Attempt | None:
        if self._again:
            return self._again.popleft()
        chunk = next(left, None)
        return None if chunk is None else _Attempt(chunk=chunk)

    def _start(self, attempt: _Attempt, job: EmbedJob) -> None:
        worker = self._idle.pop()
        attempt.staging = job.staging / uuid.uuid4().hex
        self._attempts[worker] = attempt
        own = replace(job, staging=attempt.staging)
        apart = attempt.tries >= _APART
        self._team.submit(worker, Task(chunk=attempt.chunk, job=own, apart=apart))

    def _events(self) -> Sequence[Event]:
        events = self._team.events()
        if self._places:
            self._alive = time.monotonic()
        elif time.monotonic() - self._alive > _PATIENCE:
            raise EngineError(
                f"no worker has started in {_PATIENCE:.0f} s: none of the machines has enough free "
                "processors, or none can be reached"
            )
        return events

    def _take(self, event: Event, advance: Advance) -> Finished | None:
        match event:
            case Ready():
                self._welcome(event)
            case Advanced():
                self._note(event, advance)
            case Lost():
                self._lose(event, advance)
            case Failed():
                raise event.error
            case Finished():
                return event
        return None

    def _welcome(self, event: Ready) -> None:
        self._passport = self._passport or event.passport
        differences = _differences(self._passport, event.passport)
        if differences:
            raise EngineError(
                f"the worker on {event.place} would make other vectors ({'; '.join(differences)}); "
                "all need the same versions, weights and kind of device"
            )
        self._places[event.worker] = event.place
        self._idle.append(event.worker)
        self._starts_lost = 0

    def _note(self, event: Advanced, advance: Advance) -> None:
        attempt = self._attempts[event.worker]
        attempt.tried += event.tried
        attempt.failed += event.failed
        self._done[self._places[event.worker]] += event.tried
        advance(event.tried, event.failed)

    def _collect(self, event: Finished, job: EmbedJob) -> Receipt:
        """Move a part to where the index expects it."""
        attempt = self._attempts.pop(event.worker)
        self._idle.append(event.worker)
        part = event.receipt.part
        if part is not None:
            (attempt.staging / part.file).replace(job.staging / part.file)
        return replace(event.receipt, place=self._places[event.worker], worker=event.worker)

    def _lose(self, event: Lost, advance: Advance) -> None:
        place = self._places.pop(event.worker, None)
        if place is None:
            self._starts_lost += 1
            if self._starts_lost == _STARTS:
                raise EngineError(
                    f"{_STARTS} workers have ended before they could open the network "
                    f"({event.why}); there may be too little memory for so many at once"
                )
            return
        attempt = self._attempts.pop(event.worker, None)
        if attempt is None:
            self._idle.remove(event.worker)
            return
        self._done[place] -= attempt.tried
        advance(-attempt.tried, -attempt.failed)
        if attempt.tries + 1 == _TRIES:
            raise EngineError(
                f"{_TRIES} workers have ended with the same {attempt.chunk.rows.num_rows:,} "
                f"pictures ({event.why}); the others are kept: run the same command again"
            )
        self._again.append(_Attempt(chunk=attempt.chunk, tries=attempt.tries + 1))


def _differences(mine: Passport, theirs: Passport) -> list[str]:
    """List what of two passports may change a vector, by rounding too."""
    found = mine.differences(theirs)
    for name in ("backend", "compute_dtype", "threads"):
        before, now = getattr(mine, name), getattr(theirs, name)
        if before != now:
            found.append(f"{name}: {now}, not {before}")
    for package in sorted(mine.versions.keys() | theirs.versions.keys()):
        before, now = mine.versions.get(package), theirs.versions.get(package)
        if before != now:
            found.append(f"{package}: {now}, not {before}")
    return found


def _refuse() -> Backend:
    raise EngineError("the network is opened by the workers; nothing is computed here")
