"""A chunk of a collection becomes a part of the index, on any machine."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import PIL
import pyarrow as pa
from numpy.typing import NDArray

from artsim import images
from artsim.datatypes import picture_file
from artsim.errors import shortage_of
from artsim.loader import Loaded, Unloadable, load
from artsim.models import Extractor
from artsim.store import Failure, Part, part_schema, round_to_half, tile_column, write_part

_NO_MEMORY = re.compile(r"alloc\w* .*memory|not enough memory|out of memory", re.IGNORECASE)

Advance = Callable[[int, int], None]  # pictures tried, failures, both since the last call


@dataclass(frozen=True, kw_only=True)
class EmbedSettings:
    """How a collection is embedded; none of it changes what the network computes."""

    batch_size: int = 32  # pictures per forward pass
    workers: int = 2  # threads that read, decode and resize
    part_rows: int = 1024  # pictures per part: the work lost if the run is interrupted
    max_pixels: int = images.MAX_PIXELS  # larger pictures are refused
    rehash: bool = False  # read every file, even where its size and time have not changed
    allow_loss: bool = False  # update the index even if most of its rows are gone
    tiles: int | None = None  # per side, embedded too; None: as many as the index has
    half_precision: bool = True  # store the vectors rounded to 11 significant bits
    engine: str | None = None  # see `open_engine`

    @property
    def decoding(self) -> str:
        """What determines, besides the file itself, whether a picture can be decoded."""
        decoders = ", ".join(filter(None, (f"pillow {PIL.__version__}", images.versions())))
        return f"{decoders}, at most {self.max_pixels} pixels"


@dataclass(frozen=True, kw_only=True)
class EmbedJob:
    """What all chunks of a run share; it can be sent to another process."""

    root: Path  # image paths are relative to it
    metadata: pa.Schema  # of the catalog, without id and image
    staging: Path  # where parts are written
    settings: EmbedSettings
    tiles: int = 0  # per side
    chunks: int = 1  # of the run


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Consecutive rows of the catalog; it can be sent to another process."""

    number: int  # of its part
    rows: pa.Table  # id, image, the metadata, file_bytes and file_mtime_ns
    refused: Mapping[int, str] = field(default_factory=dict)  # rows not to be read, and why


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The result of a chunk: its part is written whole, and not yet in the index."""

    number: int
    part: Part | None  # None: no picture of the chunk could be embedded
    failures: tuple[Failure, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)  # by stage
    mended: int = 0  # pictures of files with a fault that costs no pixel
    transparent: int = 0  # pictures that are transparent everywhere, taken as opaque
    place: str = ""  # the node or device that embedded it, if it was another process


def load_chunks(
    chunks: Iterator[Chunk], job: EmbedJob, extractor: Extractor
) -> Generator[Loaded | Unloadable]:
    """Load the pictures of chunks in threads, in order and ahead of their use.

    Each picture's key is its row in its chunk. Rows that a chunk refuses are left out.
    """
    files = (
        (row, picture_file(job.root, name or ""))
        for chunk in chunks
        for row, name in enumerate(chunk.rows.column("image").to_pylist())
        if row not in chunk.refused
    )
    yield from load(
        files,
        extractor.preprocessing,
        workers=job.settings.workers,
        max_pixels=job.settings.max_pixels,
        tiles=job.tiles,
    )


def embed_chunk(
    chunk: Chunk,
    job: EmbedJob,
    extractor: Extractor,
    *,
    pictures: Iterator[Loaded | Unloadable] | None = None,
    advance: Advance = lambda tried, failed: None,
) -> Receipt:
    """Embed a chunk and write its part to the staging folder.

    The same chunk, job and network give the same bytes, in any process and order. ``pictures`` are
    the chunk's, in order, if they are loaded ahead; ``advance`` is called after every batch.

    Raises:
        StoreError: If the part cannot be written.
    """
    if pictures is None:
        with closing(load_chunks(iter([chunk]), job, extractor)) as pictures:
            return embed_chunk(chunk, job, extractor, pictures=pictures, advance=advance)
    seconds: dict[str, float] = {}
    loaded: list[Loaded] = []
    unloadable = [Unloadable(row, "decode", why) for row, why in sorted(chunk.refused.items())]
    advance(len(unloadable), len(unloadable))
    blocks: dict[str, list[NDArray[np.float32]]] = defaultdict(list)  # by column
    size = job.settings.batch_size
    for batch in _batches(pictures, chunk.rows.num_rows - len(unloadable), size, seconds):
        some = [each for each in batch if isinstance(each, Loaded)]
        try:
            with _timed(seconds, "forward"):
                vectors = _embed(some, extractor, size)
        except (RuntimeError, MemoryError, OSError) as problem:
            unloadable += [_without_resources(each, problem, len(some)) for each in some]
            some = []
        else:
            for name, block in vectors.items():
                blocks[name].append(block)
        # The pixels are not needed any more, and those of a chunk are large.
        loaded += [replace(each, pixels=np.empty(0, np.uint8), tiles=None) for each in some]
        unloadable += [each for each in batch if isinstance(each, Unloadable)]
        advance(len(batch), len(batch) - len(some))
    with _timed(seconds, "write"):
        vectors = {name: np.concatenate(each) for name, each in blocks.items()}
        finite = np.ones(len(loaded), dtype=bool)
        for values in vectors.values():
            finite &= np.isfinite(values).all(axis=1)
        vectors = {name: values[finite] for name, values in vectors.items()}
        table = _table(chunk, job, extractor, [loaded[n] for n in np.flatnonzero(finite)], vectors)
        part = write_part(job.staging, chunk.number, table) if table.num_rows else None
    why = "the network computed numbers that are not finite"
    overflown = [Unloadable(loaded[n].key, "forward", why) for n in np.flatnonzero(~finite)]
    advance(0, len(overflown))
    failures = tuple(_failure(chunk, each, job.settings) for each in [*unloadable, *overflown])
    return Receipt(
        number=chunk.number,
        part=part,
        failures=failures,
        seconds=seconds,
        mended=sum(bool(each.fault) for each in loaded),
        transparent=sum(each.is_transparent for each in loaded),
    )


def _batches(
    pictures: Iterator[Loaded | Unloadable], count: int, size: int, seconds: dict[str, float]
) -> Iterator[list[Loaded | Unloadable]]:
    """Take ``count`` pictures, in batches with up to ``size`` that can be embedded."""
    batch: list[Loaded | Unloadable] = []
    loaded = 0
    for left in reversed(range(count)):
        with _timed(seconds, "wait"):
            picture = next(pictures)
        batch.append(picture)
        if isinstance(picture, Loaded):
            loaded += 1
            for stage, spent in picture.seconds.items():
                seconds[stage] = seconds.get(stage, 0.0) + spent
        if loaded == size or left == 0:
            yield batch
            batch, loaded = [], 0


def _embed(
    pictures: Sequence[Loaded], extractor: Extractor, size: int
) -> dict[str, NDArray[np.float32]]:
    """Embed a batch, and its tiles in batches of their own: (B, D) for each vector column."""
    if not pictures:
        return {}
    vectors = extractor.embed_batch(np.stack([each.pixels for each in pictures]))
    tiles = [each.tiles for each in pictures if each.tiles is not None]
    if tiles:
        every = np.concatenate(tiles)
        batches = (every[start : start + size] for start in range(0, len(every), size))
        parts = [extractor.embed_batch(some) for some in batches]
        for tap in extractor.passport.taps:
            details = np.concatenate([part[tap.name] for part in parts])
            vectors[tile_column(tap)] = details.reshape(len(pictures), -1)
    return vectors


def _without_resources(picture: Loaded, problem: Exception, count: int) -> Unloadable:
    """Say what the network was short of; any other failure of it is raised."""
    short = shortage_of(problem)
    if _NO_MEMORY.search(str(problem)):
        short = "memory"  # of the GPU, or of torch, which has no class for it
    if not short:
        raise problem
    return Unloadable(
        picture.key,
        "resources",
        f"not enough {short} to compute {count:,} pictures at once; try again, or with a smaller "
        "--batch-size",
    )


def _table(
    chunk: Chunk,
    job: EmbedJob,
    extractor: Extractor,
    pictures: Sequence[Loaded],
    vectors: Mapping[str, NDArray[np.float32]],
) -> pa.Table:
    """Return the rows of the part; ``vectors`` are those of the pictures alone, (N, D)."""
    rows = chunk.rows.take(pa.array([each.key for each in pictures], pa.int64()))
    columns = dict(zip(rows.column_names, rows.columns, strict=True)) | {
        "content_hash": pa.array([each.content_hash for each in pictures], pa.string()),
        "width": pa.array([each.width for each in pictures], pa.int32()),
        "height": pa.array([each.height for each in pictures], pa.int32()),
    }
    schema = part_schema(list(job.metadata), extractor.passport.taps, job.tiles)
    for name in [name for name in schema.names if name not in columns]:
        values = vectors.get(name, np.empty(0, np.float32))
        values = round_to_half(values) if job.settings.half_precision else values
        columns[name] = pa.FixedSizeListArray.from_arrays(
            pa.array(values.ravel(), pa.float32()), type=schema.field(name).type
        )
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _failure(chunk: Chunk, picture: Unloadable, settings: EmbedSettings) -> Failure:
    (row,) = chunk.rows.slice(picture.key, 1).to_pylist()
    return Failure(
        row["id"],
        row["image"],
        picture.stage,
        picture.reason,
        row["file_bytes"],
        row["file_mtime_ns"],
        settings.decoding,
    )


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    clock = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - clock
