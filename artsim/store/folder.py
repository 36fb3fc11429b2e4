"""The index folder: opened, read, and written part by part."""

from __future__ import annotations

import bisect
import hashlib
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from artsim.datatypes import TapInfo
from artsim.errors import StoreError
from artsim.store.arrow import floats, indices, read_parquet, text_scalar
from artsim.store.columns import is_vector, leaves, metadata_fields, part_schema, tile_column
from artsim.store.failures import Failure, failure_table
from artsim.store.files import TEMPORARY, clear_left, sync_folder, write_errors, write_whole
from artsim.store.lock import check_free
from artsim.store.manifest import MANIFEST, DerivedLabel, Manifest, Part, read_manifest

_FAILURES = "failures.parquet"
_LEFT_S = 3600  # seconds without a write, after which the writer must have been interrupted


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
        return cls(path, read_manifest(path))

    @classmethod
    def create(cls, path: Path, manifest: Manifest) -> Self:
        """Create an empty index.

        Raises:
            StoreError: If the folder contains anything else, or cannot be written.
        """
        check_free(path)
        now = _now()
        store = cls(path, replace(manifest, created=now, updated=now))
        with write_errors(path):
            (path / "parts").mkdir(parents=True, exist_ok=True)
        store._write_manifest(store.manifest)
        return store

    @property
    def staging(self) -> Path:
        """The folder for parts that are written and not yet of the index."""
        return self.path / "staging"

    # --- read ---------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """Pictures in the index."""
        return sum(part.rows for part in self.manifest.parts)

    @property
    def fingerprint(self) -> str:
        """A hash of the rows and vectors as they are; a search index belongs to one fingerprint."""
        names = "".join(part.sha256 for part in self.manifest.parts)
        return hashlib.sha256(names.encode()).hexdigest()

    def tap(self, name: str | None) -> TapInfo:
        """Return a tap by name, by default the first.

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
        metadata = metadata_fields(self.manifest.fields)
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
        """Read columns of some rows, in the order given."""
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
            return failure_table([])
        table = read_parquet(file, None, remedy="delete it and run 'artsim embed' again")
        # A chunk whose part the manifest does not list does not count.
        chunks = table.column("chunk").to_numpy()
        return table.filter(pa.array(chunks < self.manifest.next_part))

    def damaged_parts(self) -> list[str]:
        """List the parts whose bytes differ from those that were written."""
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
        file = self.path / "parts" / part.file
        return read_parquet(file, columns, remedy="embed again to a new folder")

    # --- write --------------------------------------------------------------------------

    def append(self, table: pa.Table, failures: Sequence[Failure] = ()) -> None:
        """Add a chunk: its rows (of `part_schema`, or none) as a part, its failures to the list."""
        number = self.manifest.next_part
        part = write_part(self.staging, number, table) if table.num_rows else None
        self.append_many([(part, failures)])

    def append_many(self, chunks: Sequence[tuple[Part | None, Sequence[Failure]]]) -> None:
        """Add chunks whose parts are in the staging folder, all at once and in their order.

        Each is its part, written by `write_part` under the next number, or None without rows; and
        what of it could not be embedded.
        """
        number, parts, new = self.manifest.next_part, list(self.manifest.parts), []
        for part, failures in chunks:
            if part is not None:
                with write_errors(self.path):
                    staged = self.staging / part.file
                    if staged.exists():  # else it was moved before an interrupt
                        staged.replace(self.path / "parts" / part.file)
                parts.append(part)
            new += [replace(failure, chunk=number) for failure in failures]
            number += 1
        sync_folder(self.path / "parts")
        if new:
            self._write_failures(pa.concat_tables([self.failures(), failure_table(new)]))
        self._write_manifest(replace(self.manifest, parts=tuple(parts), next_part=number))

    def rewrite(
        self,
        replacements: Iterable[tuple[int, pa.Table]],
        *,
        failures: Sequence[Failure],
        manifest: Manifest,
    ) -> None:
        """Replace parts by other tables, all in one commit.

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
            parts[place] = (
                write_part(self.path / "parts", number, table) if table.num_rows else None
            )
            number += 1
        self._write_failures(failure_table(failures))
        kept = tuple(part for part in parts if part is not None)
        self._write_manifest(replace(manifest, parts=kept, next_part=number))
        for file in outdated:
            (self.path / "parts" / file).unlink(missing_ok=True)

    def set_labels(self, labels: Sequence[DerivedLabel]) -> None:
        """Replace the derived labels."""
        self._write_manifest(replace(self.manifest, labels=tuple(labels)))

    def finish(self) -> None:
        """Mark the index complete and remove what interrupted runs left behind."""
        self._write_manifest(replace(self.manifest, complete=True))
        named = {part.file for part in self.manifest.parts}
        for file in (self.path / "parts").iterdir():
            if file.name not in named:
                file.unlink()
        shutil.rmtree(self.staging, ignore_errors=True)
        clear_left(self.path / MANIFEST, self.path / _FAILURES)
        # Other processes may be writing files that need no lock: thumbnails, a map.
        for file in self.path.rglob(TEMPORARY):
            with suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > _LEFT_S:
                    file.unlink()

    def _write_failures(self, table: pa.Table) -> None:
        write_whole(self.path / _FAILURES, lambda stream: pq.write_table(table, stream))

    def _write_manifest(self, manifest: Manifest) -> None:
        manifest = replace(manifest, updated=_now())
        text = manifest.to_json().encode()
        write_whole(self.path / MANIFEST, lambda stream: stream.write(text))
        self.manifest = manifest


def write_part(folder: Path, number: int, table: pa.Table) -> Part:
    """Write a part's rows into a folder, whole or not at all.

    Raises:
        StoreError: If the disk is full, or the folder cannot be written.
    """
    file = folder / f"{number:06}.parquet"
    vectors = [name for name in table.column_names if is_vector(table.schema.field(name))]
    write_whole(
        file,
        lambda stream: pq.write_table(
            table,
            stream,
            compression="zstd",
            # By column and not for all: a dictionary of floats would only cost time. Rounded
            # floats split into bytes are smaller than half-precision ones, and every program
            # reads them.
            use_dictionary=leaves(table.schema, set(table.column_names) - set(vectors)),
            use_byte_stream_split=leaves(table.schema, set(vectors)),
        ),
    )
    return Part(file.name, table.num_rows, _sha256(file))


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
