"""Workers in other processes, as an engine sees them: tasks go in, events come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from artsim.datatypes import Passport
from artsim.embedding.chunks import Chunk, EmbedJob, Receipt


@dataclass(frozen=True, kw_only=True)
class Task:
    """A chunk for a worker."""

    chunk: Chunk
    job: EmbedJob  # its staging folder is this task's alone
    apart: bool = False  # in another process yet, since it ended workers before


@dataclass(frozen=True)
class Ready:
    """A worker has opened its network."""

    worker: str
    passport: Passport
    place: str  # its node or device


@dataclass(frozen=True)
class Advanced:
    """A worker has tried more pictures of its chunk."""

    worker: str
    tried: int  # since the event before
    failed: int


@dataclass(frozen=True)
class Finished:
    """A worker has embedded its chunk."""

    worker: str
    receipt: Receipt


@dataclass(frozen=True)
class Failed:
    """A worker can not go on, and says why."""

    worker: str
    error: Exception


@dataclass(frozen=True)
class Lost:
    """A worker has ended without a word, or its node has."""

    worker: str
    why: str


Event: TypeAlias = Ready | Advanced | Finished | Failed | Lost


class Team(Protocol):
    """Starts workers and passes messages; `RemoteEngine` decides what they do."""

    def grow(self, most: int) -> None:
        """Start workers where there is room, up to ``most`` in all."""
        ...

    def submit(self, worker: str, task: Task) -> None:
        """Give a chunk to a worker that has none."""
        ...

    def events(self) -> Sequence[Event]:
        """Return what has happened, after a second at most."""
        ...

    def share(self, threads: int) -> int:
        """Return how many of ``threads`` that read pictures are one worker's."""
        ...

    def close(self) -> None:
        """End all workers."""
        ...
