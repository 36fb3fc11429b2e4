"""The outcome of every picture: one line of JSON each, appended the moment it is known."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Self

from artsim.errors import StoreError
from artsim.store import write_whole

STATUS_FILE = "status.jsonl"


class Outcome(StrEnum):
    """How the fetching of a picture ended."""

    OK = "ok"
    HTTP = "http"  # the server answered with an error: its code is in http_code
    NOT_AN_IMAGE = "not_an_image"  # what came cannot be decoded whole
    TOO_LARGE = "too_large"  # more bytes than allowed
    REFUSED = "refused"  # neither http nor https, or a local address
    ROBOTS = "robots"  # the server's robots.txt disallows it
    REDIRECTS = "redirects"  # too many, or to an invalid address
    TIMEOUT = "timeout"
    CONNECTION = "connection"  # no such host, no answer, broken off


@dataclass(frozen=True)
class Wanted:
    """A picture to fetch."""

    id: str
    url: str
    stem: str  # of its file's name


@dataclass(frozen=True, kw_only=True)
class Status:
    """One picture's row of the status file."""

    id: str
    url: str
    status: Outcome
    http_code: int | None = None
    reason: str | None = None  # why not, in one line
    file: str | None = None  # its name in the folder of images
    file_bytes: int | None = None
    sha256: str | None = None  # of the file
    attempts: int = 1
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def to_json(self) -> bytes:
        """Write it as one line."""
        return json.dumps(asdict(self), ensure_ascii=False).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> Self | None:
        """Read a line; None if it is torn or of something else."""
        try:
            values = json.loads(line)
            known = {each.name: values[each.name] for each in fields(cls)}
            return cls(**known | {"status": Outcome(known["status"])})
        except (ValueError, TypeError, KeyError):
            return None


class StatusFile:
    """The status file of a folder, open for appending; the last line of an id counts.

    Each line is written whole and at once, so a killed process loses none and tears at most the one
    that it was writing, which is cut off when the file is opened again.

    Raises:
        StoreError: If it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / STATUS_FILE
        self.rows, lines = read_status(folder)
        if lines != len(self.rows):
            kept = [row.to_json() for row in self.rows.values()]
            write_whole(self.path, lambda stream: stream.writelines(kept))
        self._stream = self.path.open("ab", buffering=0)

    def append(self, status: Status) -> None:
        """Add a picture's row, or replace it."""
        self._stream.write(status.to_json())
        self.rows[status.id] = status

    def close(self) -> None:
        """Sync and close."""
        os.fsync(self._stream.fileno())
        self._stream.close()


def read_status(folder: Path) -> tuple[dict[str, Status], int]:
    """Return the last row of each id in a folder's status file, and how many lines it has."""
    path, rows = folder / STATUS_FILE, dict[str, Status]()
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    for line in lines:
        if line.endswith(b"\n") and (status := Status.from_json(line)):
            rows[status.id] = status
    return rows, len(lines)


def cannot_write(path: Path, error: OSError) -> StoreError:
    """Return the error of a run that can be resumed."""
    return StoreError(
        f"cannot write {str(path)!r}: {error.strerror or error}; what is finished is safe: make "
        "room, then run the same command again"
    )


def unfinished(name: str) -> str:
    """Name a picture's file until its line is written; hidden, so that no reader takes it."""
    return f".{name}.part"
