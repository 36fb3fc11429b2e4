"""Make an index of external vectors, joined to a catalog by id, without a network.

The passport records their file and its sha256, not how they were made: only pictures of the index
can be queries. A vector without a row and a row without a vector are both failures; each id is read
from the same row as its vector, so they always match.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim import __version__, images, places
from artsim.datatypes import (
    RESERVED,
    Catalog,
    Fit,
    Passport,
    Preprocessing,
    Progress,
    TapInfo,
    no_progress,
)
from artsim.errors import ImageError, ReaderError, StoreError
from artsim.external.batches import VectorBatch, VectorFile
from artsim.index import build_index
from artsim.places import picture_file
from artsim.store import (
    CatalogRows,
    Failure,
    Manifest,
    Store,
    is_store,
    lock_index,
    part_schema,
    spooled,
)

_PART_BYTES = 64 << 20  # of a part's vectors
_PART_ROWS = 8192  # rows of a part, at most

_UNKNOWN = Preprocessing(
    size=(0, 0),
    scale=(0, 0),
    fit=Fit.SQUASH,
    interpolation="unknown",
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    fill=(0, 0, 0),
    scaled_decoding=0,
    color="unknown",
)


@dataclass(kw_only=True)
class ImportSummary:
    """What an import did."""

    path: Path
    tap: str
    dim: int
    rows: int = 0  # in the index
    unused: int = 0  # vectors that are faulty, or have a missing, repeated or unknown id
    without: int = 0  # rows of the catalog without a vector, or without a unique id
    first: str = ""  # failure, for people


def import_vectors(
    file: VectorFile,
    path: Path,
    *,
    catalog: Catalog | None = None,
    tap: str | None = None,
    workers: int = 2,
    progress: Progress = no_progress,
) -> ImportSummary:
    """Write an index of a file's vectors; a finished index is never overwritten.

    Without a catalog only the ids of the pictures are known. If ``tap`` is None, the vectors are
    named like their column. ``workers`` threads hash the pictures that exist; ``progress`` is
    called after every batch with a total of 0, for unknown.

    Raises:
        StoreError: If there is an index already, or it cannot be written.
        ReaderError: If the files cannot be read, or none of the vectors can be used.
    """
    name = tap or re.sub(r"[^\w.-]+", "-", file.name).strip("-._") or "vector"
    metadata = [] if catalog is None else list(catalog.schema)[2:]
    if name in RESERVED or name in [column.name for column in metadata]:
        raise ReaderError(f"{name!r} is the name of a column; name the vectors with --tap NAME")
    if is_store(path):
        _refuse_finished(Store.open(path))
    summary = ImportSummary(path=path, tap=name, dim=file.dim)
    with (
        lock_index(path),
        spooled(catalog, path) if catalog else nullcontext() as table,
        ThreadPoolExecutor(workers, thread_name_prefix="artsim-hash") as pool,
    ):
        rows = None if table is None else _CatalogById(table)
        writer = _Writer(path, _manifest(path, file, catalog, name), metadata, rows, pool)
        failures = _import(writer, file, rows, progress)
        store = writer.write_rest(failures)
        build_index(store, name)
        store.finish()  # last: a finished index is not imported again
    summary.rows = store.rows
    summary.unused = sum(failure.stage == "vector" for failure in failures)
    summary.without = len(failures) - summary.unused
    summary.first = f"{failures[0].id}: {failures[0].reason}" if failures else ""
    return summary


def _manifest(path: Path, file: VectorFile, catalog: Catalog | None, tap: str) -> Manifest:
    with file.path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return Manifest(
        name=path.name,
        reader=catalog.reader if catalog else "none",
        source=str(catalog.source if catalog else file.path),
        root=str(catalog.root if catalog else file.path.parent),
        fields=tuple(catalog.fields) if catalog else (),
        options=catalog.options if catalog else {},
        passport=Passport(
            spec=Passport.EXTERNAL + (re.sub(r"[^\w.-]+", "-", file.path.stem) or "vectors"),
            weights_sha256=sha256,
            weights_source=f"vectors in {file.path}",
            preprocessing=_UNKNOWN,
            taps=(TapInfo(name=tap, layer="unknown", pooling="unknown", dim=file.dim),),
            backend="unknown",
            compute_dtype="unknown",
            versions={"artsim": __version__},
        ),
    )


def _refuse_finished(store: Store) -> None:
    if store.manifest.complete or not store.manifest.passport.is_external:
        raise StoreError(f"{str(store)!r} is an index already; import to another folder with -o")


def _import(
    writer: _Writer, file: VectorFile, rows: _CatalogById | None, progress: Progress
) -> list[Failure]:
    """Write every usable vector; return the failures."""
    failures: list[Failure] = []
    seen: dict[str, int] = {}  # row of the file by id, from 1
    known, start = 0, 0
    for batch in file.batches():
        usable = []
        for place, id_ in enumerate(batch.ids):
            row = start + place + 1
            has_row = id_ is not None and (rows is None or rows.name(id_))
            known += has_row
            problem = _problem(batch, place, seen, has_row)
            if problem is None:
                usable.append(place)
            else:
                failures.append(
                    Failure(id_, None, "vector", f"row {row} of {file.path.name}: {problem}")
                )
            if id_ is not None:
                seen.setdefault(id_, row)
        writer.add([batch.ids[place] or "" for place in usable], batch.vectors[usable])
        start += len(batch.ids)
        progress(start, 0, len(failures))
    if rows and not known:
        raise ReaderError(
            f"no id of {file.path} ({_some(seen)}) is in the catalog ({_some(rows.places)}); "
            "name the columns of the ids with --id-column and --catalog-id"
        )
    if writer.is_empty:
        reason = failures[0].reason if failures else f"{file.path} has no rows"
        raise ReaderError(f"none of the vectors can be used: {reason}")
    if rows:
        failures += [*rows.unusable, *rows.unnamed(file.path)]
    return failures


def _problem(batch: VectorBatch, place: int, seen: dict[str, int], has_row: bool) -> str | None:
    id_ = batch.ids[place]
    if id_ is None:
        return "no id"
    if id_ in seen:
        return f"row {seen[id_]} has the id {id_!r} too"
    if not has_row:
        return "the catalog has no row with this id"
    return batch.faults.get(place)


class _CatalogById:
    """The catalog's rows by id, and which of them have a vector."""

    def __init__(self, rows: CatalogRows) -> None:
        self._rows = rows
        self.places: dict[str, int] = {}
        self.unusable: list[Failure] = []
        self._pictures = rows.column("image")
        for place, id_ in enumerate(rows.column("id").to_pylist()):
            first = self.places.setdefault(id_, place) if id_ else -1
            if first != place:
                problem = f"row {first + 1} has the id {id_!r} too" if id_ else "no id"
                reason = f"row {place + 1} of the catalog: {problem}"
                self.unusable.append(Failure(id_, self._pictures[place].as_py(), "catalog", reason))
        self._named = np.zeros(len(rows), dtype=bool)

    def name(self, id_: str) -> bool:
        """Record that the file has this id; return whether the catalog has it."""
        place = self.places.get(id_)
        if place is not None:
            self._named[place] = True
        return place is not None

    def take(self, ids: Sequence[str]) -> pa.Table:
        """Return the rows of these ids."""
        return self._rows.take([self.places[id_] for id_ in ids])

    def unnamed(self, file: Path) -> Iterator[Failure]:
        """Yield the rows without a vector."""
        for id_, place in self.places.items():
            if not self._named[place]:
                reason = f"{file.name} has no vector with this id"
                yield Failure(id_, self._pictures[place].as_py(), "catalog", reason)


def _some(ids: dict[str, int]) -> str:
    return ", ".join(map(repr, list(ids)[:3])) or "none"


class _Writer:
    """Gathers rows into parts; the index is created with its first part."""

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        metadata: Sequence[pa.Field],
        rows: _CatalogById | None,
        pool: Executor,
    ) -> None:
        self._path, self._manifest, self._rows, self._pool = path, manifest, rows, pool
        (self._tap,) = manifest.passport.taps
        self._schema = part_schema(metadata, [self._tap])
        self._part_rows = min(max(_PART_BYTES // (4 * self._tap.dim), 1), _PART_ROWS)
        self._store: Store | None = None
        self._ids: list[str] = []
        self._blocks: list[NDArray[np.float32]] = []

    @property
    def is_empty(self) -> bool:
        """Whether no row was added."""
        return self._store is None and not self._ids

    def add(self, ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add rows, (B, D)."""
        self._ids += ids
        self._blocks.append(vectors)
        while len(self._ids) >= self._part_rows:
            self._write()

    def write_rest(self, failures: Sequence[Failure]) -> Store:
        """Write the remaining rows, and the failures."""
        if self._ids:
            self._write()
        assert self._store is not None
        self._store.append(pa.table({}), failures)
        return self._store

    def _write(self) -> None:
        vectors = np.concatenate(self._blocks)
        ids, self._ids = self._ids[: self._part_rows], self._ids[self._part_rows :]
        self._blocks = [vectors[len(ids) :].copy()]
        self._store = self._store or self._create()
        self._store.append(self._table(ids, vectors[: len(ids)]))

    def _create(self) -> Store:
        """Create the index, or start an interrupted import again."""
        if not is_store(self._path):
            return Store.create(self._path, self._manifest)
        store = Store.open(self._path)
        _refuse_finished(store)
        dropped = [(place, pa.table({})) for place in range(len(store.manifest.parts))]
        manifest = replace(self._manifest, created=store.manifest.created)
        store.rewrite(dropped, failures=(), manifest=manifest)
        return store

    def _table(self, ids: Sequence[str], vectors: NDArray[np.float32]) -> pa.Table:
        columns: dict[str, pa.Array | pa.ChunkedArray] = {"id": pa.array(ids, pa.string())}
        names = [""] * len(ids)
        if self._rows is not None:
            table = self._rows.take(ids)
            columns |= {name: table.column(name) for name in table.column_names}
            names = [name or "" for name in table.column("image").to_pylist()]
        root = places.as_path(self._manifest.root)
        facts = list(self._pool.map(lambda name: _file_facts(root, name), names))
        hashes, sizes, times = zip(*facts, strict=True)
        columns |= {
            "image": pa.array(names, pa.string()),
            "content_hash": pa.array(hashes, pa.string()),
            "width": pa.array([0] * len(ids), pa.int32()),  # not decoded, so not known
            "height": pa.array([0] * len(ids), pa.int32()),
            "file_bytes": pa.array(sizes, pa.int64()),
            "file_mtime_ns": pa.array(times, pa.int64()),
            self._tap.name: pa.FixedSizeListArray.from_arrays(
                pa.array(vectors.ravel(), pa.float32()),
                type=self._schema.field(self._tap.name).type,
            ),
        }
        return pa.table([columns[name] for name in self._schema.names], schema=self._schema)


def _file_facts(root: Path, name: str) -> tuple[str, int, int]:
    """Return the sha256, size and time of a picture, if it exists."""
    if not name or name.startswith(("http://", "https://")):
        return "", -1, -1
    try:
        file = picture_file(root, name)
        status, data = places.status(file), images.read_bytes(file)
    except (OSError, ValueError, ImageError):
        return "", -1, -1
    return hashlib.sha256(data).hexdigest(), status.st_size, status.st_mtime_ns
