"""Embed a collection into an index: only what is new or changed, and nothing lost on the way.

First the plan: the catalogue is read once to a file, and every row compared with the index. What is
gone is dropped and what metadata changed is rewritten, all at once. Then the rest is embedded in
chunks, each of which becomes one part of the index, so a run that was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray

from artsim import images
from artsim.datatypes import Catalogue
from artsim.errors import ImageError, PassportError, ReaderError, StoreError
from artsim.index import build_index, is_current
from artsim.loader import Loaded, Unloadable, load
from artsim.models.extractor import Extractor
from artsim.store import (
    SPOOL,
    Failure,
    Manifest,
    Store,
    is_store,
    lock_index,
    part_schema,
    round_to_half,
)

__all__ = ["EmbedSettings", "EmbedSummary", "Progress", "embed_collection"]

# A run that would drop more than this share of an index, and at least so many rows, is more likely
# a disk that is not mounted than a museum that shrank.
_LOSS_SHARE, _LOSS_ROWS = 0.5, 100

Progress = Callable[[int, int, int], None]  # done, of how many, failures so far


@dataclass(frozen=True, kw_only=True)
class EmbedSettings:
    """How a collection is embedded; none of it changes what the vectors are."""

    batch_size: int = 32  # pictures a forward pass
    workers: int = 2  # threads that read, decode and resize
    part_rows: int = 1024  # pictures a part: what a kill can cost at most
    max_pixels: int = images.MAX_PIXELS  # larger pictures are refused
    rehash: bool = False  # read every file, even where its size and time have not changed
    allow_loss: bool = False  # drop rows even where most of the index would go
    half_precision: bool = True  # store the vectors rounded to 11 significant bits


@dataclass(kw_only=True)
class EmbedSummary:
    """What a run did."""

    path: Path
    rows: int = 0  # in the index now
    embedded: int = 0  # by this run
    kept: int = 0  # from before, untouched or with new metadata
    dropped: int = 0  # gone from the collection, or embedded anew because they changed
    failures: int = 0  # rows of the catalogue that are not in the index
    reasons: Counter[str] = field(default_factory=Counter)  # failures by stage
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)  # seconds: loader CPU, others wall


def embed_collection(
    catalogue: Catalogue,
    path: Path,
    extractor: Extractor,
    *,
    settings: EmbedSettings = EmbedSettings(),
    progress: Progress = lambda done, total, failures: None,
) -> EmbedSummary:
    """Embed a collection into an index folder, or bring the index up to date.

    Args:
        catalogue: The collection, read.
        path: The index folder; made if need be.
        extractor: The network.
        settings: Batch, threads, limits.
        progress: Called after every batch.

    Raises:
        PassportError: If the index was made by another network or preprocessing.
        StoreError: If it cannot be written, or most of it would be dropped.
        ReaderError: If the catalogue cannot be read.
    """
    started = time.perf_counter()
    with lock_index(path), _spooled(catalogue, path) as rows:
        store = _open(path, catalogue, extractor)
        plan = _plan(store, catalogue, rows, settings)
        summary = EmbedSummary(path=path, kept=plan.kept, dropped=plan.dropped)
        _apply(store, catalogue, rows, plan)
        _embed(store, catalogue, rows, plan, extractor, settings, progress, summary)
        store.finish()
        with _timed(summary.stages, "index"):
            for tap in store.manifest.passport.taps:
                if store.rows and not is_current(store, tap.name):
                    build_index(store, tap.name)
    failures = store.failures()
    summary.rows = store.rows
    summary.failures = failures.num_rows
    summary.reasons = Counter(failures.column("stage").to_pylist())
    summary.seconds = time.perf_counter() - started
    return summary


# --- the catalogue, on disk ---------------------------------------------------------------


class _Rows:
    """The catalogue's rows in a memory-mapped Arrow file: any of them, at any time."""

    def __init__(self, file: Path) -> None:
        self._reader = pa.ipc.open_file(pa.memory_map(str(file)))
        self.schema: pa.Schema = self._reader.schema
        sizes = [self._reader.get_batch(i).num_rows for i in range(self._reader.num_record_batches)]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of all rows."""
        batches = (self._reader.get_batch(i) for i in range(self._reader.num_record_batches))
        type_ = self.schema.field(name).type
        return pa.chunked_array([batch.column(name) for batch in batches], type=type_)

    def take(self, positions: NDArray[np.int64]) -> pa.Table:
        """Return rows in the order of their positions."""
        numbers = np.searchsorted(self._starts, positions, side="right") - 1
        tables = [self.schema.empty_table()]
        # Consecutive positions of one batch are taken together, so the order stays.
        for run in np.split(np.arange(len(positions)), np.flatnonzero(np.diff(numbers)) + 1):
            if len(run):
                batch = self._reader.get_batch(int(numbers[run[0]]))
                inside = positions[run] - self._starts[numbers[run[0]]]
                tables.append(pa.Table.from_batches([batch]).take(inside))
        return pa.concat_tables(tables)


@contextmanager
def _spooled(catalogue: Catalogue, path: Path) -> Iterator[_Rows]:
    """Read the catalogue once, to a file in the index folder that goes when the run ends."""
    file = path / SPOOL
    try:
        try:
            with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, catalogue.schema) as out:
                for batch in catalogue.batches():
                    out.write_batch(batch)
        except OSError as error:
            raise StoreError(
                f"cannot write {str(path)!r}: {error.strerror or error}; make room or choose "
                "another folder with -o"
            ) from error
        rows = _Rows(file)
        if not len(rows):
            raise ReaderError(f"{str(catalogue.source)!r} lists no picture; nothing to embed")
        yield rows
    finally:
        with suppress(OSError):
            file.unlink()


# --- the plan -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What to do with every row of the catalogue and of the index."""

    position_of_row: NDArray[np.int64]  # (index rows,): where it stands in the catalogue, or -1
    to_embed: NDArray[np.int64]  # positions in the catalogue, new ones first, then retries
    failures: list[Failure]  # known without decoding, or decoded before in vain and unchanged
    file_bytes: NDArray[np.int64]  # (catalogue rows,), -1 where there is no file
    file_mtime_ns: NDArray[np.int64]
    kept: int
    dropped: int


def _plan(store: Store, catalogue: Catalogue, rows: _Rows, settings: EmbedSettings) -> _Plan:
    ids, files = rows.column("id"), rows.column("image")
    failures = _unusable(rows)
    sizes = np.full(len(rows), -1, dtype=np.int64)
    times = np.full(len(rows), -1, dtype=np.int64)
    for position, name in enumerate(_values(files)):
        if position in failures:
            continue
        file = catalogue.root / name
        try:
            status = file.stat()
        except (OSError, ValueError) as error:
            reason = _why_no_file(file, error)
            failures[position] = Failure(_text(ids, position), name, "read", reason)
            continue
        sizes[position], times[position] = status.st_size, status.st_mtime_ns

    position_of_row = np.full(store.rows, -1, dtype=np.int64)
    new = np.ones(len(rows), dtype=bool)
    new[list(failures)] = False
    for row, position in _same_pictures(store, catalogue, rows, new, (sizes, times), settings):
        position_of_row[row] = position
        new[position] = False

    failed_before = _failed_before(store, rows, new, (sizes, times))
    retried = [position for position, failure in failed_before.items() if failure is None]
    again = {position: failure for position, failure in failed_before.items() if failure}
    new[list(failed_before)] = False
    kept = int((position_of_row >= 0).sum())
    lost = store.rows - kept
    if lost >= _LOSS_ROWS and lost > _LOSS_SHARE * store.rows and not settings.allow_loss:
        raise StoreError(
            f"{lost:,} of the {store.rows:,} pictures in {str(store.path)!r} are gone from "
            f"{str(catalogue.source)!r} or changed; if its disk is mounted and that is right, "
            "pass --allow-loss"
        )
    return _Plan(
        position_of_row=position_of_row,
        to_embed=np.concatenate([np.flatnonzero(new), np.array(retried, dtype=np.int64)]),
        failures=[*(failures | again).values()],
        file_bytes=sizes,
        file_mtime_ns=times,
        kept=kept,
        dropped=lost,
    )


def _unusable(rows: _Rows) -> dict[int, Failure]:
    """Find the rows that name no picture, by position."""
    failures: dict[int, Failure] = {}
    first: dict[str, int] = {}
    ids = pd.Index(rows.column("id").to_pandas())
    repeated = set(ids[ids.duplicated()])
    for position, (id_, image) in enumerate(
        zip(_values(rows.column("id")), _values(rows.column("image")), strict=True)
    ):
        reason = None
        if not id_:
            reason = f"row {position + 1} has no id"
        elif not image:
            reason = f"row {position + 1} names no picture"
        elif id_ in repeated and first.setdefault(id_, position) != position:
            reason = f"id {id_!r} stands in row {first[id_] + 1} already; give each row its own id"
        elif image.startswith(("http://", "https://")):
            reason = "the picture is an address on the web; download it first"
        if reason:
            failures[position] = Failure(id_ or None, image or None, "catalogue", reason)
    return failures


def _same_pictures(
    store: Store,
    catalogue: Catalogue,
    rows: _Rows,
    usable: NDArray[np.bool_],
    status: tuple[NDArray[np.int64], NDArray[np.int64]],
    settings: EmbedSettings,
) -> Iterator[tuple[int, int]]:
    """Find the index's rows whose picture is as it was: (row of the index, position)."""
    if not store.rows:
        return
    known = store.read(["id", "image", "content_hash", "file_bytes", "file_mtime_ns"])
    known = known.combine_chunks()
    places = pd.Index(known.column("id").to_pandas()).get_indexer(
        rows.column("id").to_pandas()
    )  # (catalogue rows,)
    sizes, times = status
    known_sizes = known.column("file_bytes").to_numpy()
    known_times = known.column("file_mtime_ns").to_numpy()
    known_images, hashes = known.column("image"), known.column("content_hash")
    for position, name in enumerate(_values(rows.column("image"))):
        row = places[position]
        if row < 0 or not usable[position]:
            continue
        same_file = (
            known_images[row].as_py() == name
            and known_sizes[row] == sizes[position]
            and known_times[row] == times[position]
        )
        if (same_file and not settings.rehash) or (
            known_sizes[row] == sizes[position]
            and _content_hash(catalogue.root / name) == hashes[row].as_py()
        ):
            yield int(row), position


def _failed_before(
    store: Store,
    rows: _Rows,
    new: NDArray[np.bool_],
    status: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> dict[int, Failure | None]:
    """Find the rows an earlier run failed on: the failure if it stands, None to try again.

    A picture that could not be decoded cannot be decoded now, unless its file has changed.
    """
    failures = store.failures()
    if not failures.num_rows:
        return {}
    sizes, times = status
    positions = {_text(rows.column("id"), p): p for p in map(int, np.flatnonzero(new))}
    found: dict[int, Failure | None] = {}
    for failure in (Failure(**values) for values in failures.to_pylist()):
        position = positions.get(failure.id or "")
        if position is None:
            continue
        unchanged = failure.image == _text(rows.column("image"), position) and (
            (failure.file_bytes, failure.file_mtime_ns) == (sizes[position], times[position])
        )
        found[position] = failure if failure.stage == "decode" and unchanged else None
    return found


# --- the index, brought to the plan -------------------------------------------------------


def _open(path: Path, catalogue: Catalogue, extractor: Extractor) -> Store:
    """Open the index, or make it; refuse one that other vectors are in."""
    for tap in extractor.passport.taps:
        if tap.name in catalogue.schema.names:
            raise ReaderError(
                f"{str(catalogue.source)!r} has a column {tap.name!r}, which is the name of a tap; "
                "rename the column"
            )
    if not is_store(path):
        return Store.create(path, _manifest(path, catalogue, extractor))
    store = Store.open(path)
    before, now = store.manifest.passport, extractor.passport
    differences = before.differences(now)
    if before.compute_dtype != now.compute_dtype:  # comparable, but rows of one index are alike
        differences.append(f"compute_dtype: {before.compute_dtype}, not {now.compute_dtype}")
    if differences:
        raise PassportError(
            f"{str(path)!r} was embedded otherwise ({'; '.join(differences)}); "
            "embed to another folder with -o, or with the options of before"
        )
    return store


def _manifest(path: Path, catalogue: Catalogue, extractor: Extractor) -> Manifest:
    return Manifest(
        name=path.name,
        reader=catalogue.reader,
        source=str(catalogue.source),
        root=str(catalogue.root),
        fields=tuple(catalogue.fields),
        passport=extractor.passport,
    )


def _apply(store: Store, catalogue: Catalogue, rows: _Rows, plan: _Plan) -> None:
    """Drop what is gone and rewrite what metadata changed, all at once."""
    manifest = replace(
        store.manifest,
        reader=catalogue.reader,
        source=str(catalogue.source),
        root=str(catalogue.root),
        fields=tuple(catalogue.fields),
        complete=False,
    )
    store.rewrite(
        _outdated_parts(store, catalogue, rows, plan), failures=plan.failures, manifest=manifest
    )


def _outdated_parts(
    store: Store, catalogue: Catalogue, rows: _Rows, plan: _Plan
) -> Iterator[tuple[int, pa.Table]]:
    start = 0
    schema = part_schema(list(catalogue.schema)[2:], store.manifest.passport.taps)
    same_fields = store.manifest.fields == tuple(catalogue.fields)
    for number, part in enumerate(store.manifest.parts):
        positions = plan.position_of_row[start : start + part.rows]
        start += part.rows
        kept = np.flatnonzero(positions >= 0)
        wanted = _catalogue_columns(rows, plan, positions[kept])
        if len(kept) == part.rows and same_fields:
            stored = store.read_part(number, wanted.column_names)
            if stored.select(wanted.column_names).equals(wanted):
                continue
        stays = store.read_part(number).take(kept)
        columns = {name: stays.column(name) for name in stays.column_names}
        columns |= {name: wanted.column(name) for name in wanted.column_names}
        yield number, pa.table([columns[name] for name in schema.names], schema=schema)


def _catalogue_columns(rows: _Rows, plan: _Plan, positions: NDArray[np.int64]) -> pa.Table:
    """Return what is known of rows without opening their pictures."""
    table = rows.take(positions)
    metadata = list(rows.schema)[2:]
    columns = {name: table.column(name) for name in table.column_names} | {
        "file_bytes": pa.array(plan.file_bytes[positions]),
        "file_mtime_ns": pa.array(plan.file_mtime_ns[positions]),
    }
    schema = pa.schema([field for field in part_schema(metadata, ()) if field.name in columns])
    return pa.table([columns[name] for name in schema.names], schema=schema)


# --- the embedding ------------------------------------------------------------------------


def _embed(
    store: Store,
    catalogue: Catalogue,
    rows: _Rows,
    plan: _Plan,
    extractor: Extractor,
    settings: EmbedSettings,
    progress: Progress,
    summary: EmbedSummary,
) -> None:
    """Embed the plan's pictures chunk by chunk."""
    total, failed = len(plan.to_embed), len(plan.failures)
    progress(0, total, failed)
    names = rows.take(plan.to_embed).column("image") if total else []
    pictures = load(
        (
            (int(position), catalogue.root / name)
            for position, name in zip(plan.to_embed, _values(names), strict=True)
        ),
        extractor.preprocessing,
        workers=settings.workers,
        max_pixels=settings.max_pixels,
    )
    stages = summary.stages
    with closing(pictures):
        for start in range(0, total, settings.part_rows):
            end = min(start + settings.part_rows, total)
            chunk, done = _Chunk(), start
            for batch in _batches(pictures, end - start, settings.batch_size, stages):
                with _timed(stages, "forward"):
                    chunk.add(batch, extractor)
                done += len(batch)
                progress(done, total, failed + len(chunk.unloadable))
            with _timed(stages, "write"):
                table, failures = chunk.finish(rows, plan, catalogue, extractor, settings)
                store.append(table, failures)
            failed += len(failures)
            summary.embedded += table.num_rows


def _batches(
    pictures: Iterator[Loaded | Unloadable], count: int, size: int, stages: dict[str, float]
) -> Iterator[list[Loaded | Unloadable]]:
    """Take so many pictures, in batches of up to ``size`` that can be embedded."""
    batch: list[Loaded | Unloadable] = []
    loaded = 0
    for left in reversed(range(count)):
        with _timed(stages, "wait"):
            picture = next(pictures)
        batch.append(picture)
        if isinstance(picture, Loaded):
            loaded += 1
            for stage, seconds in picture.seconds.items():
                stages[stage] = stages.get(stage, 0.0) + seconds
        if loaded == size or left == 0:
            yield batch
            batch, loaded = [], 0


class _Chunk:
    """The pictures of one part to be, as they are embedded."""

    def __init__(self) -> None:
        self.unloadable: list[Unloadable] = []
        self._pictures: list[Loaded] = []
        self._vectors: list[dict[str, NDArray[np.float32]]] = []

    def add(self, batch: Sequence[Loaded | Unloadable], extractor: Extractor) -> None:
        """Embed a batch."""
        self.unloadable += [each for each in batch if isinstance(each, Unloadable)]
        pictures = [each for each in batch if isinstance(each, Loaded)]
        if pictures:
            pixels = torch.stack([picture.pixels for picture in pictures])  # (B, 3, H, W)
            self._vectors.append(extractor.embed_batch(pixels))
        # The pixels are not needed any more, and a chunk of them is large.
        self._pictures += [replace(picture, pixels=torch.empty(0)) for picture in pictures]

    def finish(
        self,
        rows: _Rows,
        plan: _Plan,
        catalogue: Catalogue,
        extractor: Extractor,
        settings: EmbedSettings,
    ) -> tuple[pa.Table, list[Failure]]:
        """Return the rows of the part, and what is no row; vectors that are not finite are none."""
        taps = extractor.passport.taps
        schema = part_schema(list(catalogue.schema)[2:], taps)
        good = np.ones(len(self._pictures), dtype=bool)
        vectors = {}
        for tap in taps if self._vectors else ():
            vectors[tap.name] = np.concatenate([batch[tap.name] for batch in self._vectors])
            good &= np.isfinite(vectors[tap.name]).all(axis=1)
        pictures = [picture for picture, each in zip(self._pictures, good, strict=True) if each]
        table = _catalogue_columns(rows, plan, np.array([p.key for p in pictures], dtype=np.int64))
        columns = {name: table.column(name) for name in table.column_names} | {
            "content_hash": pa.array([p.content_hash for p in pictures], pa.string()),
            "width": pa.array([p.width for p in pictures], pa.int32()),
            "height": pa.array([p.height for p in pictures], pa.int32()),
        }
        for tap in taps:
            values = vectors.get(tap.name, np.empty((0, tap.dim), np.float32))[good]
            values = round_to_half(values) if settings.half_precision else values
            columns[tap.name] = pa.FixedSizeListArray.from_arrays(
                pa.array(values.ravel(), pa.float32()), type=schema.field(tap.name).type
            )
        overflown = [
            Unloadable(picture.key, "forward", "the network gave numbers that are not finite")
            for picture, each in zip(self._pictures, good, strict=True)
            if not each
        ]
        return (
            pa.table([columns[name] for name in schema.names], schema=schema),
            [_failure(rows, plan, each) for each in [*self.unloadable, *overflown]],
        )


def _failure(rows: _Rows, plan: _Plan, picture: Unloadable) -> Failure:
    row = rows.take(np.array([picture.key])).to_pylist()[0]
    return Failure(
        row["id"],
        row["image"],
        picture.stage,
        picture.reason,
        int(plan.file_bytes[picture.key]),
        int(plan.file_mtime_ns[picture.key]),
    )


# --- small things -------------------------------------------------------------------------


@contextmanager
def _timed(stages: dict[str, float], stage: str) -> Iterator[None]:
    clock = time.perf_counter()
    try:
        yield
    finally:
        stages[stage] = stages.get(stage, 0.0) + time.perf_counter() - clock


def _values(column: pa.ChunkedArray) -> Iterator[str]:
    """Iterate over a text column without holding all of it as Python text; null is empty."""
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else []:
        for value in chunk.to_pylist():
            yield value or ""


def _text(column: pa.ChunkedArray, position: int) -> str:
    return str(column[position].as_py())


def _content_hash(file: Path) -> str | None:
    try:
        return hashlib.sha256(images.read_bytes(file)).hexdigest()
    except ImageError:
        return None


def _why_no_file(file: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{file} is listed but not there"
    return f"{file}: {getattr(error, 'strerror', None) or error}"
