"""The note stored next to a search index, faiss/TAP.json: how it was made, and of which rows.

Only files with a valid note are searched. It is withdrawn before one of them is replaced and
written when all of them are whole, so that an interruption leaves files without a note.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from artsim.errors import SearchError
from artsim.store import Store, is_whole, sealed, unsealed, write_whole

FLAT = "Flat"  # faiss's name for exact search

INDEX = ".index"  # what faiss reads
VECTORS = ".vectors.npy"  # by row, if the index itself does not have them
CODES = ".codes.npy"  # by row, for updates
NOTE = ".json"
SUFFIXES = (INDEX, VECTORS, CODES, NOTE)


class IndexKind(StrEnum):
    """A family of search indexes."""

    AUTO = "auto"
    FLAT = "flat"  # exact: every vector is compared
    PQ = "pq"  # every vector's code is compared, and the best vectors again
    IVF = "ivf"  # only the codes in the cells around the query


@dataclass(frozen=True, kw_only=True)
class Goals:
    """What a search index must achieve; the simplest kind that does is built."""

    recall: float = 0.98  # of the ten nearest, on average over queries; 1 is exact search
    memory: int | None = None  # bytes of the vectors or codes that are scanned; None: any
    latency: float = 0.02  # processor seconds for a single query
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
    """How a search index was made, and how it measured."""

    tap: str
    kind: str  # as faiss names it: Flat, PQ128x4fs, IVF4096,PQ128x4fs
    metric: str = "cosine"  # inner product of unit vectors
    rows: int
    dim: int
    recall_at_10: float = 1.0  # compared with exact search
    queries: int = 0  # rows used to measure recall, each without itself
    latency: float | None = None  # median processor seconds per query; None: not measured
    k_factor: int = 1  # this many times k candidates are compared exactly
    nprobe: int = 0  # cells searched per query
    memory: int  # bytes that are scanned
    trained_rows: int = 0  # rows at the time the codes were learned
    why: str  # why this kind was chosen
    goals: Goals
    fingerprint: str = ""  # of the rows and vectors it was built from
    parts: tuple[tuple[str, int], ...] = ()  # the sha256 and rows of each
    bytes: tuple[int, ...] = ()  # of its files
    sha256: Mapping[str, str] = field(default_factory=dict)  # of its files, by their names
    faiss: str  # version


def index_file(store: Store, tap: str, suffix: str) -> Path:
    """Return the path of one of a search index's `SUFFIXES`."""
    return store.path / "faiss" / f"{tap.replace('/', '-')}{suffix}"


def read_note(store: Store, tap: str) -> IndexInfo | None:
    """Read the note of a tap's search index; None if it is missing or damaged."""
    try:
        values = unsealed(index_file(store, tap, NOTE).read_text(encoding="utf-8"))
        goals = values["goals"]
        return IndexInfo(
            **{
                **values,
                "goals": Goals(**{**goals, "kind": IndexKind(goals["kind"])}),
                "parts": tuple((str(sha256), int(rows)) for sha256, rows in values["parts"]),
                "bytes": tuple(values["bytes"]),
            }
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SearchError):
        return None


def write_note(store: Store, tap: str, info: IndexInfo) -> None:
    """Make the files as they are now valid."""
    data = sealed(asdict(info))
    write_whole(index_file(store, tap, NOTE), lambda stream: stream.write(data))


def withdraw_note(store: Store, tap: str, note: IndexInfo | None) -> None:
    """Mark the index as invalid, but keep its goals."""
    if note is None:
        index_file(store, tap, NOTE).unlink(missing_ok=True)
    else:
        write_note(store, tap, replace(note, fingerprint="", parts=(), bytes=(), sha256={}))


def is_current(store: Store, tap: str) -> bool:
    """Return whether a tap's search index on disk belongs to the current vectors."""
    note = read_note(store, tap)
    return (
        note is not None
        and (note.fingerprint, note.rows) == (store.fingerprint, store.rows)
        and note.bytes == sizes(store, tap, note.kind)
    )


def damaged_files(store: Store, tap: str, *, again: bool = False) -> list[Path]:
    """List the files of a tap's search index whose content is not that of its note.

    A file that was whole is read again only if its size or time has changed, or with ``again``.
    """
    note, file = read_note(store, tap), index_file(store, tap, NOTE)
    if note is None:
        return [file] if file.is_file() else []
    if not note.fingerprint:
        return []  # withdrawn
    files = index_files(store, tap, note.kind)
    return [file for file in files if not is_whole(file, note.sha256.get(file.name), again=again)]


def is_whole_index(store: Store, tap: str) -> bool:
    """Return whether a tap's search index belongs to the current vectors and all of it is sound."""
    return is_current(store, tap) and not damaged_files(store, tap, again=True)


def index_files(store: Store, tap: str, kind: str) -> list[Path]:
    """Return the files of an index besides its note."""
    suffixes = (INDEX,) if kind == FLAT else (INDEX, VECTORS, CODES)
    return [index_file(store, tap, suffix) for suffix in suffixes]


def sizes(store: Store, tap: str, kind: str) -> tuple[int, ...]:
    """Return the bytes of each file of an index; 0 for a missing one."""
    files = index_files(store, tap, kind)
    return tuple(file.stat().st_size if file.is_file() else 0 for file in files)
