"""The index folder: opened, read, and written part by part."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim import places
from artsim.datatypes import Field, TapInfo, shell_word, shown_path
from artsim.errors import StoreError
from artsim.store.added import AddedColumn, added_columns, with_added
from artsim.store.arrow import floats, gather_rows
from artsim.store.checksums import sha256_of
from artsim.store.columns import metadata_fields, part_schema, tile_column
from artsim.store.failures import FAILURES, Failure, failure_table, read_failures
from artsim.store.files import (
    TEMPORARY,
    Holding,
    check_free,
    hold_parts,
    remove_left,
    sync_folder,
    write_errors,
    write_whole,
)
from artsim.store.manifest import COPY, MANIFEST, DerivedLabel, Manifest, Part, read_manifest
from artsim.store.parquet import find_parquet, read_parquet, take_parquet, write_parquet
from artsim.store.parts import write_part

_NO_TEXT = "; the words of records may hold labels, so they are for 'artsim similar --by' alone"


class Store:
    """An index folder. Rows are numbered through all parts, from 0."""

    def __init__(self, path: Path, manifest: Manifest, *, roots: Sequence[Path] = ()) -> None:
        self.path = path
        self.manifest = manifest
        self._roots = roots
        self._before = {part.file for part in manifest.parts}
        self._holding: Holding | None = None  # its parts are not deleted while this lives

    def __str__(self) -> str:
        """Return its folder, or its address in an object store: how people know it."""
        return shown_path(self.path)

    # --- open ---------------------------------------------------------------------------

    @classmethod
    def open(cls, path: Path, *, roots: Sequence[Path] = ()) -> Self:
        """Open an index; for ``roots`` see `Store.roots`.

        What it lists stays readable while `embed` replaces parts.

        Raises:
            StoreError: If there is none, or its manifest cannot be read.
        """
        holding = hold_parts(path)
        store = cls(path, read_manifest(path), roots=roots)
        store._holding = holding
        return store

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
        store._holding = hold_parts(path)
        return store

    @property
    def staging(self) -> Path:
        """The folder for parts that are written but not yet in the index."""
        return self.path / "staging"

    # --- read ---------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """Pictures in the index."""
        return sum(part.rows for part in self.manifest.parts)

    def reopen(self) -> Self:
        """Open the index as it is now; see `open`."""
        return self.open(self.path, roots=self._roots)

    @cached_property
    def roots(self) -> tuple[Path, ...]:
        """The folders whose pictures are shown: those given, else the collection's own.

        An index that someone else made may name any file of this machine as a picture. The root of
        the file system is no collection.
        """
        own = places.real_path(self.manifest.root)
        given = tuple(map(places.real_path, self._roots))
        return given or ((own,) if own != own.parent else ())

    def shows(self, file: Path) -> bool:
        """Return whether a file, links followed, is below one of `roots`, and no device or pipe."""
        return places.is_below(file, self.roots)

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
            why = _NO_TEXT if name == "text" else ""
            raise StoreError(f"{str(self)!r} has no tap {name!r}; choose from {known}{why}")
        return found

    @cached_property
    def added(self) -> dict[str, AddedColumn]:
        """The columns that were added after the index was made, by name."""
        return added_columns(self.path, [field.name for field in self.manifest.fields])

    @property
    def fields(self) -> tuple[Field, ...]:
        """The metadata: the catalog's columns, then those that were added."""
        return (*self.manifest.fields, *(column.field for column in self.added.values()))

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Read columns of all rows."""
        return with_added(self.added, columns, self._read)

    def _read(self, columns: Sequence[str]) -> pa.Table:
        if self.manifest.parts:
            numbers = range(len(self.manifest.parts))
            return pa.concat_tables([self.read_part(number, columns) for number in numbers])
        metadata = metadata_fields(self.manifest.fields)
        schema = part_schema(metadata, self.manifest.passport.taps, self.manifest.tiles)
        return pa.schema([schema.field(name) for name in columns]).empty_table()

    def read_part(self, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Read one part, by its place in the manifest."""
        part = self.manifest.parts[number]
        return read_parquet(self._file(part), columns, remedy=self._remedy, rows=part.rows)

    def blocks(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Read columns of the catalog, part by part."""
        for number in range(len(self.manifest.parts)):
            yield self.read_part(number, columns)

    def iter_vectors(
        self, tap: str, *, part: int | None = None, tiles: bool = False
    ) -> Iterator[NDArray[np.float32]]:
        """Read the vectors of a tap in blocks, each (rows, D).

        Args:
            tap: Its name.
            part: Read only this part, by its place in the manifest.
            tiles: Read the vectors of the tiles instead, picture by picture.
        """
        info = self.tap(tap)
        column = tile_column(info) if tiles else tap
        for number in range(len(self.manifest.parts)) if part is None else (part,):
            for chunk in self.read_part(number, [column]).column(0).chunks:
                yield floats(chunk.flatten()).reshape(-1, info.dim)

    def vectors(self, tap: str) -> NDArray[np.float32]:
        """Read the vectors of a tap, shape (N, D)."""
        vectors = np.empty((self.rows, self.tap(tap).dim), dtype=np.float32)
        start = 0
        for block in self.iter_vectors(tap):
            vectors[start : start + len(block)] = block
            start += len(block)
        return vectors

    def take(self, rows: Sequence[int] | NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Read columns of some rows, in the order given."""
        parts = self.manifest.parts
        if not parts:
            return self.read(columns)

        def take(some: Sequence[str]) -> pa.Table:
            def of_part(number: int, places: NDArray[np.int64]) -> pa.Table:
                return take_parquet(self._file(parts[number]), some, places, remedy=self._remedy)

            return gather_rows(of_part, [part.rows for part in parts], rows)

        return with_added(self.added, columns, take)

    def find(self, value: str, column: str = "id") -> int | None:
        """Return the first row that has a text in a column, such as ``content_hash``."""
        start = 0
        for part in self.manifest.parts:
            found = find_parquet(self._file(part), column, value, remedy=self._remedy)
            if found is not None:
                return start + found
            start += part.rows
        return None

    def failures(self) -> pa.Table:
        """Read what could not be embedded."""
        return read_failures(self.path, self.manifest.next_part, remedy=self._remedy)

    def _file(self, part: Part) -> Path:
        return self.path / "parts" / part.file

    @property
    def _remedy(self) -> str:
        return f"run 'artsim repair {shell_word(self)}'"

    def damaged_parts(self) -> list[str]:
        """List the parts whose bytes differ from those that were written."""
        return [
            part.file
            for part in self.manifest.parts
            if not (file := self._file(part)).exists() or sha256_of(file) != part.sha256
        ]

    def without(self, damaged: Collection[str]) -> Store:
        """Return the index without some parts; nothing is written before its next commit."""
        parts = tuple(part for part in self.manifest.parts if part.file not in damaged)
        store = Store(self.path, replace(self.manifest, parts=parts))
        store._holding = self._holding
        return store

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
        with write_errors(self.path):
            sync_folder(self.path / "parts")
        if new:
            self._write_failures(pa.concat_tables([self.failures(), failure_table(new)]))
        self._write_manifest(replace(self.manifest, parts=tuple(parts), next_part=number))

    def rewrite(
        self,
        replacements: Iterable[tuple[int, pa.Table]],
        *,
        failures: Iterable[Failure],
        manifest: Manifest,
        added: Sequence[Part] = (),
    ) -> None:
        """Replace parts by other tables, all in one commit.

        Args:
            replacements: A part's place and its new rows; with no rows the part is dropped.
            failures: The new list of failures.
            manifest: Everything but the parts is taken from it.
            added: Parts that are in the folder already, under the next numbers.
        """
        parts = dict(enumerate(self.manifest.parts))
        number = self.manifest.next_part
        for place, table in replacements:
            parts.pop(place)
            if table.num_rows:
                parts[place] = write_part(self.path / "parts", number, table)
            number += 1
        self._write_failures(failure_table(failures))
        kept = (*(part for _, part in sorted(parts.items())), *added)
        number += len(added)
        self._write_manifest(replace(manifest, parts=kept, next_part=number))

    def set_labels(self, labels: Sequence[DerivedLabel]) -> None:
        """Replace the derived labels."""
        self._write_manifest(replace(self.manifest, labels=tuple(labels)))

    def finish(self) -> None:
        """Mark the index complete and remove old parts and what interrupted runs left behind.

        Parts of this run's beginning are left for the next run while another process reads them.
        """
        self._write_manifest(replace(self.manifest, complete=True))
        named = {part.file for part in self.manifest.parts}
        if self._holding is not None and not self._holding.is_alone():
            named |= self._before
        with write_errors(self.path):
            for file in (self.path / "parts").iterdir():
                if file.name not in named:
                    file.unlink()
            shutil.rmtree(self.staging, ignore_errors=True)
            for file in self.path.rglob(TEMPORARY):
                remove_left(file)

    def discard(self) -> None:
        """Remove what the index consists of, for example because no picture could be embedded."""
        with write_errors(self.path):
            (self.path / MANIFEST).unlink()
            (self.path / COPY).unlink(missing_ok=True)
            (self.path / FAILURES).unlink(missing_ok=True)
            shutil.rmtree(self.path / "parts")
            shutil.rmtree(self.staging, ignore_errors=True)

    def _write_failures(self, table: pa.Table) -> None:
        write_whole(self.path / FAILURES, lambda stream: write_parquet(stream, table))

    def _write_manifest(self, manifest: Manifest) -> None:
        manifest = replace(manifest, updated=_now())
        data = manifest.to_json()
        if manifest.complete:  # first: of a complete index there is a copy
            write_whole(self.path / COPY, lambda stream: stream.write(data))
        write_whole(self.path / MANIFEST, lambda stream: stream.write(data))
        self.manifest = manifest


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
