"""The lasting copy of an index: Parquet parts under a manifest, written so that no kill loses any.

A file is written to a temporary name, synced and renamed; the manifest is swapped last. What the
manifest does not name is not there: a part that was renamed but not yet named is written again.
"""

from __future__ import annotations

import bisect
import glob
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self

import filelock
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from artsim.datatypes import Field, FieldType, Passport, TapInfo
from artsim.errors import StoreError

__all__ = [
    "SPOOL",
    "DerivedLabel",
    "Failure",
    "Manifest",
    "Part",
    "Store",
    "clear_left",
    "floats",
    "indices",
    "is_store",
    "lock_index",
    "part_schema",
    "round_to_half",
    "text_scalar",
    "tile_column",
    "write_whole",
]

FORMAT = 1  # of the folder; raised when an older artsim could not read it
_MANIFEST = "manifest.json"
_FAILURES = "failures.parquet"
_LOCK = ".lock"
SPOOL = ".catalogue.arrow"  # the catalogue as embed reads it; cleared when it is done
_TEMPORARY = ".*.tmp"  # what a file is called while it is written; see `write_whole`
_LEFT_S = 3600  # after so many seconds without a byte, who wrote it was killed
# What a kill may leave of an index before its first manifest.
_LEFTOVERS = (_LOCK, SPOOL, "parts", f".{_MANIFEST}.*.tmp")

# What artsim itself knows of a picture; before the metadata and the vectors.
_OWN_COLUMNS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("image", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),  # sha256 of the file
        pa.field("width", pa.int32(), nullable=False),  # pixels, upright
        pa.field("height", pa.int32(), nullable=False),
        pa.field("file_bytes", pa.int64(), nullable=False),
        pa.field("file_mtime_ns", pa.int64(), nullable=False),
    ]
)
_FAILURE_COLUMNS = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("image", pa.string()),
        pa.field("stage", pa.string(), nullable=False),  # catalogue, read, decode, forward, vector
        pa.field("reason", pa.string(), nullable=False),
        pa.field("file_bytes", pa.int64()),
        pa.field("file_mtime_ns", pa.int64()),
        pa.field("tried_with", pa.string()),  # what a decoding depends on besides the file
        pa.field("chunk", pa.int32(), nullable=False),  # -1: known before any chunk was embedded
    ]
)


@dataclass(frozen=True)
class Failure:
    """A row of the catalogue that could not be embedded, and why."""

    id: str | None
    image: str | None
    stage: str
    reason: str
    file_bytes: int | None = None
    file_mtime_ns: int | None = None
    tried_with: str | None = None
    chunk: int = -1


@dataclass(frozen=True)
class Part:
    """One Parquet file of the index."""

    file: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class DerivedLabel:
    """A label computed from the metadata whenever it is asked for; see `artsim.derive`."""

    name: str
    expression: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an index holds and how it was made."""

    name: str
    reader: str
    source: str  # what the user named
    root: str  # image paths are relative to this folder
    fields: tuple[Field, ...]
    passport: Passport
    tiles: int = 0  # a side, that each picture was divided into besides; see `tile_boxes`
    labels: tuple[DerivedLabel, ...] = ()
    parts: tuple[Part, ...] = ()
    next_part: int = 0  # number of the next part file; chunks without a row use one up too
    complete: bool = False  # every row of the catalogue was tried
    created: str = ""
    updated: str = ""
    format: int = FORMAT

    def to_json(self) -> str:
        """Write it as the text of manifest.json."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the text of a manifest.json."""
        values: dict[str, Any] = json.loads(text)
        return cls(
            **{
                **values,
                "fields": tuple(Field(f["name"], FieldType(f["type"])) for f in values["fields"]),
                "passport": Passport.from_json(values["passport"]),
                "labels": tuple(DerivedLabel(**label) for label in values.get("labels", ())),
                "parts": tuple(Part(**part) for part in values["parts"]),
            }
        )


class Store:
    """An index folder. Rows are numbered through all parts, from 0."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    # --- open ---------------------------------------------------------------------------

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an index.

        Raises:
            StoreError: If there is none, or its manifest cannot be read.
        """
        file = path / _MANIFEST
        try:
            text = file.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StoreError(
                f"no index at {str(path)!r}; make one with 'artsim embed COLLECTION -o {path}'"
            ) from error
        except OSError as error:
            raise StoreError(f"cannot read {str(file)!r}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise StoreError(
                f"{str(file)!r} is damaged ({error.reason}); embed again to a new folder"
            ) from error
        try:
            found = json.loads(text)["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{str(file)!r} is damaged ({error}); embed again to a new folder"
            ) from error
        if found != FORMAT:
            raise StoreError(
                f"{str(path)!r} has index format {found}, this artsim reads {FORMAT}; "
                "pip install -U artsim, or embed again"
            )
        try:
            return cls(path, Manifest.from_json(text))
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{str(file)!r} is damaged ({error!r}); embed again to a new folder"
            ) from error

    @classmethod
    def create(cls, path: Path, manifest: Manifest) -> Self:
        """Make an empty index.

        Raises:
            StoreError: If the folder holds something else, or cannot be written.
        """
        _check_free(path)
        now = _now()
        store = cls(path, replace(manifest, created=now, updated=now))
        with _write_errors(path):
            (path / "parts").mkdir(parents=True, exist_ok=True)
        store._write_manifest(store.manifest)
        return store

    # --- read ---------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """Pictures in the index."""
        return sum(part.rows for part in self.manifest.parts)

    @property
    def fingerprint(self) -> str:
        """Name the rows and vectors as they are now; a search index is of one fingerprint."""
        names = "".join(part.sha256 for part in self.manifest.parts)
        return hashlib.sha256(names.encode()).hexdigest()

    def tap(self, name: str | None) -> TapInfo:
        """Return a tap by name, or the only or first one.

        Raises:
            StoreError: If there is no such tap.
        """
        taps = self.manifest.passport.taps
        found = taps[0] if name is None else self.manifest.passport.tap(name)
        if found is None:
            known = ", ".join(tap.name for tap in taps)
            raise StoreError(f"{str(self.path)!r} has no tap {name!r}; choose from {known}")
        return found

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Read columns of all rows."""
        tables = [self._read_part(part, columns) for part in self.manifest.parts]
        if tables:
            return pa.concat_tables(tables)
        metadata = [pa.field(f.name, _ARROW_TYPES[f.type]) for f in self.manifest.fields]
        schema = part_schema(metadata, self.manifest.passport.taps, self.manifest.tiles)
        return pa.schema([schema.field(name) for name in columns]).empty_table()

    def read_part(self, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Read one part, by its place in the manifest."""
        return self._read_part(self.manifest.parts[number], columns)

    def iter_vectors(self, tap: str) -> Iterator[NDArray[np.float32]]:
        """Read the vectors of a tap part by part, each (rows, D)."""
        for number in range(len(self.manifest.parts)):
            yield from self.iter_part_vectors(number, tap)

    def iter_part_vectors(self, number: int, tap: str) -> Iterator[NDArray[np.float32]]:
        """Read the vectors of a tap in one part, by its place in the manifest, each (rows, D)."""
        dim = self.tap(tap).dim
        for chunk in self.read_part(number, [tap]).column(0).chunks:
            yield floats(chunk.flatten()).reshape(-1, dim)

    def vectors(self, tap: str) -> NDArray[np.float32]:
        """Read the vectors of a tap, shape (N, D)."""
        vectors = np.empty((self.rows, self.tap(tap).dim), dtype=np.float32)
        start = 0
        for block in self.iter_vectors(tap):
            vectors[start : start + len(block)] = block
            start += len(block)
        return vectors

    def iter_tile_vectors(self, tap: str) -> Iterator[NDArray[np.float32]]:
        """Read the vectors of the tiles part by part, each (rows * tiles, D), row by row."""
        info = self.tap(tap)
        for number in range(len(self.manifest.parts)):
            for chunk in self.read_part(number, [tile_column(info)]).column(0).chunks:
                yield floats(chunk.flatten()).reshape(-1, info.dim)

    def take(self, rows: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Read columns of some rows, in the order asked for."""
        starts = self._part_starts()
        by_part: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            by_part.setdefault(bisect.bisect_right(starts, row) - 1, []).append(place)
        tables, order = [], []
        for number, places in by_part.items():
            inside = [rows[place] - starts[number] for place in places]
            tables.append(self.read_part(number, columns).take(indices(inside)))
            order += places
        if not tables:
            return self.read(columns).slice(0, 0)
        return pa.concat_tables(tables).take(indices(np.argsort(order)))

    def find(self, id_: str) -> int | None:
        """Return the row of an id."""
        return self._find("id", id_)

    def find_content(self, content_hash: str) -> int | None:
        """Return the first row of a file's sha256."""
        return self._find("content_hash", content_hash)

    def failures(self) -> pa.Table:
        """Read what could not be embedded."""
        file = self.path / _FAILURES
        if not file.exists():
            return _FAILURE_COLUMNS.empty_table()
        table = _read_parquet(file, None)
        # A chunk whose part the manifest does not name has not happened.
        chunks = table.column("chunk").to_numpy()
        return table.filter(pa.array(chunks < self.manifest.next_part))

    def damaged_parts(self) -> list[str]:
        """Name the parts whose bytes are not those that were written."""
        return [
            part.file
            for part in self.manifest.parts
            if not (file := self.path / "parts" / part.file).exists()
            or _sha256(file) != part.sha256
        ]

    def _find(self, column: str, value: str) -> int | None:
        start, wanted = 0, text_scalar(value)
        for number, part in enumerate(self.manifest.parts):
            found = pc.index(self.read_part(number, [column]).column(0), wanted).as_py()
            if found >= 0:
                return start + int(found)
            start += part.rows
        return None

    def _part_starts(self) -> list[int]:
        starts, start = [], 0
        for part in self.manifest.parts:
            starts.append(start)
            start += part.rows
        return starts

    def _read_part(self, part: Part, columns: Sequence[str] | None) -> pa.Table:
        return _read_parquet(self.path / "parts" / part.file, columns)

    # --- write --------------------------------------------------------------------------

    def append(self, table: pa.Table, failures: Sequence[Failure] = ()) -> None:
        """Add a chunk: its rows as a part, its failures to the list.

        Args:
            table: Rows of `part_schema`; with none, only the failures are noted.
            failures: What of the chunk could not be embedded.
        """
        number = self.manifest.next_part
        parts = self.manifest.parts
        if table.num_rows:
            parts += (self._write_part(number, table),)
        if failures:
            new = [replace(failure, chunk=number) for failure in failures]
            self._write_failures(pa.concat_tables([self.failures(), _failure_table(new)]))
        self._write_manifest(replace(self.manifest, parts=parts, next_part=number + 1))

    def rewrite(
        self,
        replacements: Iterable[tuple[int, pa.Table]],
        *,
        failures: Sequence[Failure],
        manifest: Manifest,
    ) -> None:
        """Put other tables in the place of parts, all at once.

        Args:
            replacements: A part's place and its new rows; with no rows the part is dropped.
            failures: The new list of failures.
            manifest: Name, source, fields and completeness are taken from it.
        """
        parts: list[Part | None] = list(self.manifest.parts)
        number = self.manifest.next_part
        outdated = []
        for place, table in replacements:
            outdated.append(self.manifest.parts[place].file)
            parts[place] = self._write_part(number, table) if table.num_rows else None
            number += 1
        self._write_failures(_failure_table(failures))
        kept = tuple(part for part in parts if part is not None)
        self._write_manifest(replace(manifest, parts=kept, next_part=number))
        for file in outdated:
            (self.path / "parts" / file).unlink(missing_ok=True)

    def set_labels(self, labels: Sequence[DerivedLabel]) -> None:
        """Put derived labels in the place of those there are."""
        self._write_manifest(replace(self.manifest, labels=tuple(labels)))

    def finish(self) -> None:
        """Note that every row of the catalogue was tried, and clear what kills left behind."""
        self._write_manifest(replace(self.manifest, complete=True))
        named = {part.file for part in self.manifest.parts}
        for file in (self.path / "parts").iterdir():
            if file.name not in named:
                file.unlink()
        clear_left(self.path / _MANIFEST, self.path / _FAILURES)
        # Others may be writing just now what needs no lock: thumbnails, a map.
        for file in self.path.rglob(_TEMPORARY):
            with suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > _LEFT_S:
                    file.unlink()

    def _write_part(self, number: int, table: pa.Table) -> Part:
        file = self.path / "parts" / f"{number:06}.parquet"
        vectors = [name for name in table.column_names if _is_vector(table.schema.field(name))]
        write_whole(
            file,
            lambda stream: pq.write_table(
                table,
                stream,
                compression="zstd",
                # By column and not for all: a dictionary of floats would only cost time. Rounded
                # floats split into bytes are smaller than half-precision ones, and every
                # program reads them.
                use_dictionary=_leaves(table.schema, set(table.column_names) - set(vectors)),
                use_byte_stream_split=_leaves(table.schema, set(vectors)),
            ),
        )
        return Part(file.name, table.num_rows, _sha256(file))

    def _write_failures(self, table: pa.Table) -> None:
        write_whole(self.path / _FAILURES, lambda stream: pq.write_table(table, stream))

    def _write_manifest(self, manifest: Manifest) -> None:
        manifest = replace(manifest, updated=_now())
        text = manifest.to_json().encode()
        write_whole(self.path / _MANIFEST, lambda stream: stream.write(text))
        self.manifest = manifest


@contextmanager
def lock_index(path: Path) -> Iterator[None]:
    """Hold an index folder for writing, making it if need be.

    Raises:
        StoreError: If another process holds it, or the folder cannot be made.
    """
    if not is_store(path):
        _check_free(path)
    lock = filelock.FileLock(path / _LOCK, timeout=0)
    with _write_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise StoreError(
                f"another 'artsim embed' is writing {str(path)!r}; wait until it is done"
            ) from error
    try:
        yield
    finally:
        lock.release()


def _check_free(path: Path) -> None:
    """Refuse a folder that holds something else than the beginnings of an index."""
    if path.is_dir() and not all(
        any(entry.match(leftover) for leftover in _LEFTOVERS) for entry in path.iterdir()
    ):
        raise StoreError(f"{str(path)!r} is not empty and no index; choose another with -o")


def is_store(path: Path) -> bool:
    """Say whether a folder is an index."""
    return (path / _MANIFEST).is_file()


def part_schema(metadata: Sequence[pa.Field], taps: Sequence[TapInfo], tiles: int = 0) -> pa.Schema:
    """Return the columns of a part: artsim's own, the metadata, the vectors, those of the tiles.

    The vectors of a picture's tiles, tiles x tiles of them, stand one after the other in one list.
    """
    vectors = [pa.field(tap.name, vector_type(tap.dim), nullable=False) for tap in taps]
    details = [
        pa.field(tile_column(tap), vector_type(tap.dim * tiles**2), nullable=False)
        for tap in (taps if tiles else ())
    ]
    return pa.schema([*_OWN_COLUMNS, *metadata, *vectors, *details])


def tile_column(tap: TapInfo) -> str:
    """Return the column that holds a tap's vectors of the tiles."""
    return f"{tap.name}:tiles"


def vector_type(dim: int) -> pa.DataType:
    """Return the type of a vector column: a fixed-size list of float32, none of them null."""
    return pa.list_(pa.field("element", pa.float32(), nullable=False), dim)


def round_to_half(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to the 11 significant bits of half precision, keeping float32's range.

    It is within half precision's own error, and lets Parquet store two bytes a number.
    """
    bits = np.ascontiguousarray(vectors, dtype=np.float32).view(np.uint32)
    bits = bits + (0x0FFF + ((bits >> 13) & 1))  # to nearest, ties to even
    return (bits & np.uint32(0xFFFFE000)).view(np.float32)


_ARROW_TYPES = {
    FieldType.TEXT: pa.string(),
    FieldType.LIST: pa.list_(pa.string()),
    FieldType.NUMBER: pa.float64(),
    FieldType.YEARS: pa.struct([("begin", pa.int32()), ("end", pa.int32())]),
}


# pa.array, pa.scalar and to_numpy import pandas where it is installed, which takes longer than the
# rest of a query by id; these three do not.


def indices(numbers: Sequence[int] | NDArray[np.int64]) -> pa.Array:
    """Return whole numbers as Arrow's int64, as `take` wants them."""
    buffer = pa.py_buffer(np.asarray(numbers, dtype=np.int64))
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, buffer])


def floats(values: pa.Array) -> NDArray[np.float32]:
    """Return an Arrow array of float32 as numpy's, without a copy."""
    return np.from_dlpack(values)  # type: ignore[return-value]  # numpy's stub does not know the type


def text_scalar(value: str) -> pa.Scalar:
    """Return a text as Arrow's; bytes of a file name that are not UTF-8 stay as they are."""
    data = value.encode("utf-8", "surrogateescape")
    ends = pa.py_buffer(np.array([0, len(data)], dtype=np.int32))
    return pa.Array.from_buffers(pa.string(), 1, [None, ends, pa.py_buffer(data)])[0]


def _failure_table(failures: Sequence[Failure]) -> pa.Table:
    return pa.Table.from_pylist([asdict(each) for each in failures], schema=_FAILURE_COLUMNS)


def _is_vector(field: pa.Field) -> bool:
    return bool(pa.types.is_fixed_size_list(field.type))


def _leaves(schema: pa.Schema, columns: set[str]) -> list[str]:
    """Name the columns as Parquet does, where a list's values are a column below the list."""
    leaves = []
    for name in sorted(columns):
        type_ = schema.field(name).type
        if pa.types.is_struct(type_):
            leaves += [f"{name}.{field.name}" for field in type_]
        else:
            is_list = pa.types.is_list(type_) or pa.types.is_fixed_size_list(type_)
            leaves.append(f"{name}.list.element" if is_list else name)
    return leaves


def _read_parquet(file: Path, columns: Sequence[str] | None) -> pa.Table:
    try:
        with pq.ParquetFile(file, memory_map=True) as parquet:
            return parquet.read(columns=None if columns is None else list(columns))
    except FileNotFoundError as error:
        raise StoreError(
            f"{str(file)!r} is missing; if 'artsim embed' has just changed the index, try again, "
            "otherwise embed again"
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"{str(file)!r} is damaged ({str(error).splitlines()[0]}); "
            + (
                "delete it and run 'artsim embed' again"
                if file.name == _FAILURES
                else "embed again to a new folder"
            )
        ) from error


def write_whole(file: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that its name only ever shows the whole of it.

    Of several that write one file at the same time the last stays.

    Raises:
        StoreError: If the disk is full, or the folder cannot be written.
    """
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    with _write_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(file)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(file.parent)


def clear_left(*files: Path) -> None:
    """Remove what kills left of files that nobody else can be writing: see `lock_index`."""
    for file in files:
        for left in file.parent.glob(f".{glob.escape(file.name)}.*.tmp"):
            left.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows has no handle of a folder to sync
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write {str(path)!r}: {error.strerror or error}; what is finished is safe: "
            "make room or choose another folder with -o, then run the same command again"
        ) from error


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
