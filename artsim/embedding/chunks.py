"""One chunk of a collection becomes one part of the index, wherever it is embedded."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import PIL
import pyarrow as pa
import torch
from numpy.typing import NDArray

from artsim import images
from artsim.loader import Loaded, Unloadable, load
from artsim.models import Extractor
from artsim.store import Failure, Part, part_schema, round_to_half, tile_column, write_part

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

    @property
    def decoding(self) -> str:
        """What determines, besides the file itself, whether a picture can be decoded."""
        return f"pillow {PIL.__version__}, at most {self.max_pixels} pixels"


@dataclass(frozen=True, kw_only=True)
class EmbedJob:
    """What all chunks of a run have in common; it can be sent to another process."""

    root: Path  # image paths are relative to it
    metadata: pa.Schema  # of the catalog, without id and image
    staging: Path  # where parts are written
    settings: EmbedSettings
    tiles: int = 0  # per side


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Consecutive rows of the catalog; it can be sent to another process."""

    number: int  # of its part
    rows: pa.Table  # id, image, the metadata, file_bytes and file_mtime_ns


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of a chunk: its part is written whole, and the index does not name it yet."""

    number: int
    part: Part | None  # None: no picture of the chunk could be embedded
    failures: tuple[Failure, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)  # by stage


def load_chunks(
    chunks: Iterator[Chunk], job: EmbedJob, extractor: Extractor
) -> Generator[Loaded | Unloadable]:
    """Load the pictures of chunks in threads, in order and ahead of their use.

    Each picture's key is its row in its chunk.
    """
    files = (
        (row, job.root / (name or ""))
        for chunk in chunks
        for row, name in enumerate(chunk.rows.column("image").to_pylist())
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
    the chunk's, in order, where they are loaded ahead of it; ``advance`` is called after every
    batch.

    Raises:
        StoreError: If the part cannot be written.
    """
    if pictures is None:
        with closing(load_chunks(iter([chunk]), job, extractor)) as pictures:
            return embed_chunk(chunk, job, extractor, pictures=pictures, advance=advance)
    seconds: dict[str, float] = {}
    batches = _Embedded(job.tiles)
    for batch in _batches(pictures, chunk.rows.num_rows, job.settings.batch_size, seconds):
        failed = len(batches.unloadable)
        with _timed(seconds, "forward"):
            batches.add(batch, extractor, job.settings.batch_size)
        advance(len(batch), len(batches.unloadable) - failed)
    with _timed(seconds, "write"):
        table, failures = batches.finish(chunk, job, extractor)
        part = write_part(job.staging, chunk.number, table) if table.num_rows else None
    advance(0, len(failures) - len(batches.unloadable))
    return Receipt(number=chunk.number, part=part, failures=tuple(failures), seconds=seconds)


def _batches(
    pictures: Iterator[Loaded | Unloadable], count: int, size: int, seconds: dict[str, float]
) -> Iterator[list[Loaded | Unloadable]]:
    """Take so many pictures, in batches of up to ``size`` that can be embedded."""
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


class _Embedded:
    """The pictures of a chunk, as they are embedded."""

    def __init__(self, tiles: int) -> None:
        self.tiles = tiles  # per side
        self.unloadable: list[Unloadable] = []
        self._pictures: list[Loaded] = []
        self._vectors: list[dict[str, NDArray[np.float32]]] = []
        self._tiles: list[dict[str, NDArray[np.float32]]] = []

    def add(
        self, batch: Sequence[Loaded | Unloadable], extractor: Extractor, batch_size: int
    ) -> None:
        """Embed a batch, and its tiles in batches of their own."""
        self.unloadable += [each for each in batch if isinstance(each, Unloadable)]
        pictures = [each for each in batch if isinstance(each, Loaded)]
        if pictures:
            pixels = torch.stack([picture.pixels for picture in pictures])  # (B, 3, H, W)
            self._vectors.append(extractor.embed_batch(pixels))
            tiles = [picture.tiles for picture in pictures if picture.tiles is not None]
            for some in torch.split(torch.cat(tiles), batch_size) if tiles else ():
                self._tiles.append(extractor.embed_batch(some))
        # The pixels are not needed any more, and a chunk of them is large.
        self._pictures += [
            replace(picture, pixels=torch.empty(0), tiles=None) for picture in pictures
        ]

    def finish(
        self, chunk: Chunk, job: EmbedJob, extractor: Extractor
    ) -> tuple[pa.Table, list[Failure]]:
        """Return the rows of the part, and what is no row; vectors that are not finite are none."""
        vectors = self._gather(extractor)
        good = np.ones(len(self._pictures), dtype=bool)
        for values in vectors.values():
            good &= np.isfinite(values).all(axis=1)
        pictures = [picture for picture, each in zip(self._pictures, good, strict=True) if each]
        rows = chunk.rows.take(pa.array([picture.key for picture in pictures], pa.int64()))
        columns = {name: rows.column(name) for name in rows.column_names} | {
            "content_hash": pa.array([p.content_hash for p in pictures], pa.string()),
            "width": pa.array([p.width for p in pictures], pa.int32()),
            "height": pa.array([p.height for p in pictures], pa.int32()),
        }
        schema = part_schema(list(job.metadata), extractor.passport.taps, job.tiles)
        for name in [name for name in schema.names if name not in columns]:
            type_ = schema.field(name).type
            values = vectors.get(name, np.empty((0, type_.list_size), np.float32))[good]
            values = round_to_half(values) if job.settings.half_precision else values
            columns[name] = pa.FixedSizeListArray.from_arrays(
                pa.array(values.ravel(), pa.float32()), type=type_
            )
        overflown = [
            Unloadable(picture.key, "forward", "the network computed numbers that are not finite")
            for picture, each in zip(self._pictures, good, strict=True)
            if not each
        ]
        failures = [_failure(chunk, each, job.settings) for each in [*self.unloadable, *overflown]]
        return pa.table([columns[name] for name in schema.names], schema=schema), failures

    def _gather(self, extractor: Extractor) -> dict[str, NDArray[np.float32]]:
        """Put the batches together, by column: (N, D)."""
        vectors = {}
        for tap in extractor.passport.taps if self._vectors else ():
            vectors[tap.name] = np.concatenate([batch[tap.name] for batch in self._vectors])
            if self.tiles:
                details = np.concatenate([batch[tap.name] for batch in self._tiles])
                vectors[tile_column(tap)] = details.reshape(len(self._pictures), -1)
        return vectors


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
