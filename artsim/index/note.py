"""What is stored next to a search index: how it was made, and of which rows; faiss/TAP.json.

The note is what vouches for the files. It is withdrawn before one of them is replaced and written
when all of them are whole, so that a kill leaves files that nothing vouches for.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from artsim.errors import SearchError
from artsim.store import Store, write_whole

FLAT = "Flat"  # faiss's name of exact search


class IndexKind(StrEnum):
    """A family of search indexes."""

    AUTO = "auto"
    FLAT = "flat"  # exact: every vector is compared
    PQ = "pq"  # every vector's code is compared, and the best vectors again
    IVF = "ivf"  # only the codes in the cells around the query


@dataclass(frozen=True, kw_only=True)
class Goals:
    """What a search index is to keep; the simplest kind that does is built."""

    recall: float = 0.98  # of the ten nearest, on average over queries; 1 is exact search
    memory: int | None = None  # bytes held to be scanned, vectors or codes; None: any
    latency: float = 0.02  # seconds of processor, for a query that comes alone
    kind: IndexKind = IndexKind.AUTO

    def __post_init__(self) -> None:
        if not 0 < self.recall <= 1:
            raise SearchError(f"recall must be above 0 and at most 1, got {self.recall:g}")
        if self.memory is not None and self.memory <= 0:
            raise SearchError(f"memory must be more than 0 bytes, got {self.memory}")
        if self.latency <= 0:
            raise SearchError(f"latency must be more than 0 s, got {self.latency:g}")


@dataclass(frozen=True, kw_only=True)
class IndexInfo:
    """How a search index was made, and what it was measured to do."""

    tap: str
    kind: str  # as faiss names it: Flat, PQ128x4fs, IVF4096,PQ128x4fs
    metric: str = "cosine"  # inner product of unit vectors
    rows: int
    dim: int
    recall_at_10: float = 1.0  # against exact search; 1 by construction where that is done
    queries: int = 0  # rows of the index that recall was measured by, themselves left out
    latency: float | None = None  # seconds of processor a query, median; None: not measured
    k_factor: int = 1  # so many times k candidates are compared exactly
    nprobe: int = 0  # cells looked into
    memory: int  # bytes that are scanned
    trained_rows: int = 0  # rows there were when the codes were learned
    why: str  # how it was chosen
    goals: Goals
    fingerprint: str = ""  # of the rows and vectors it was built from
    parts: tuple[tuple[str, int], ...] = ()  # the sha256 and rows of each
    bytes: tuple[int, ...] = ()  # of the files it vouches for
    faiss: str  # version


def index_file(store: Store, tap: str) -> Path:
    """Name what faiss reads."""
    return store.path / "faiss" / f"{tap.replace('/', '-')}.index"


def vectors_file(store: Store, tap: str) -> Path:
    """Name the vectors by row, where the index itself does not hold them."""
    return index_file(store, tap).with_suffix(".vectors.npy")


def codes_file(store: Store, tap: str) -> Path:
    """Name the codes by row, which an update takes over."""
    return index_file(store, tap).with_suffix(".codes.npy")


def _note_file(store: Store, tap: str) -> Path:
    return index_file(store, tap).with_suffix(".json")


def files_of(store: Store, tap: str) -> tuple[Path, ...]:
    """Name all files that an index of any kind has."""
    names = (index_file, vectors_file, codes_file, _note_file)
    return tuple(name(store, tap) for name in names)


def read_note(store: Store, tap: str) -> IndexInfo | None:
    """Read the note of a tap's search index; None if it is missing or damaged."""
    try:
        values: dict[str, Any] = json.loads(_note_file(store, tap).read_text(encoding="utf-8"))
        goals = values["goals"]
        return IndexInfo(
            **{
                **values,
                "goals": Goals(**{**goals, "kind": IndexKind(goals["kind"])}),
                "parts": tuple((str(sha256), int(rows)) for sha256, rows in values["parts"]),
                "bytes": tuple(values["bytes"]),
            }
        )
    except (OSError, ValueError, KeyError, TypeError, SearchError):
        return None


def write_note(store: Store, tap: str, info: IndexInfo) -> None:
    """Vouch for the files as they are now."""
    text = json.dumps(asdict(info), indent=1) + "\n"
    write_whole(_note_file(store, tap), lambda stream: stream.write(text.encode()))


def withdraw_note(store: Store, tap: str, note: IndexInfo | None) -> None:
    """Mark the index as invalid, but keep its goals."""
    if note is None:
        _note_file(store, tap).unlink(missing_ok=True)
    else:
        write_note(store, tap, replace(note, fingerprint="", parts=(), bytes=()))


def is_current(store: Store, tap: str) -> bool:
    """Return whether a tap's search index on disk belongs to the current vectors."""
    note = read_note(store, tap)
    return (
        note is not None
        and (note.fingerprint, note.rows) == (store.fingerprint, store.rows)
        and note.bytes == sizes(store, tap, note.kind)
    )


def sizes(store: Store, tap: str, kind: str) -> tuple[int, ...]:
    """Return the bytes of each file of an index; 0 for one that is missing."""
    files = [index_file(store, tap)]
    if kind != FLAT:
        files += [vectors_file(store, tap), codes_file(store, tap)]
    return tuple(file.stat().st_size if file.is_file() else 0 for file in files)


def parts_of(store: Store) -> tuple[tuple[str, int], ...]:
    """Name the parts of an index by their content."""
    return tuple((part.sha256, part.rows) for part in store.manifest.parts)
