"""The run itself: lock, plan, update, embed chunk by chunk, index."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from artsim.datatypes import Catalog
from artsim.embed.plan import Plan, make_plan
from artsim.embed.rows import CatalogRows, spooled, text_values
from artsim.embed.settings import DEFAULTS, EmbedSettings
from artsim.embed.update import apply_plan, catalog_columns, open_or_create
from artsim.index import build_index, is_current
from artsim.loader import Loaded, Unloadable, load
from artsim.models import Extractor
from artsim.store import Failure, Store, lock_index, part_schema, round_to_half, tile_column

__all__ = ["EmbedSummary", "Progress", "embed_collection"]

Progress = Callable[[int, int, int], None]  # done, of how many, failures so far


@dataclass(kw_only=True)
class EmbedSummary:
    """What a run did."""

    path: Path
    rows: int = 0  # in the index now
    embedded: int = 0  # by this run
    kept: int = 0  # from before, untouched or with new metadata
    dropped: int = 0  # gone from the collection, or embedded anew because they changed
    failures: int = 0  # rows of the catalog that are not in the index
    reasons: Counter[str] = field(default_factory=Counter)  # failures by stage
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)  # seconds: loader CPU, others wall


def embed_collection(
    catalog: Catalog,
    path: Path,
    extractor: Extractor,
    *,
    settings: EmbedSettings = DEFAULTS,
    progress: Progress = lambda done, total, failures: None,
) -> EmbedSummary:
    """Embed a collection into an index folder, or bring the index up to date.

    Args:
        catalog: The collection, read.
        path: The index folder; made if need be.
        extractor: The network.
        settings: Batch, threads, limits.
        progress: Called after every batch.

    Raises:
        PassportError: If the index was made by another network or preprocessing.
        StoreError: If it cannot be written, or most of it would be dropped.
        ReaderError: If the catalog cannot be read.
    """
    started = time.perf_counter()
    with lock_index(path), spooled(catalog, path) as rows:
        store = open_or_create(path, catalog, extractor, settings.tiles)
        plan = make_plan(store, catalog, rows, settings)
        summary = EmbedSummary(path=path, kept=plan.kept, dropped=plan.dropped)
        apply_plan(store, catalog, rows, plan)
        _embed(store, catalog, rows, plan, extractor, settings, progress, summary)
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


def _embed(
    store: Store,
    catalog: Catalog,
    rows: CatalogRows,
    plan: Plan,
    extractor: Extractor,
    settings: EmbedSettings,
    progress: Progress,
    summary: EmbedSummary,
) -> None:
    """Embed the plan's pictures chunk by chunk."""
    total, failed = len(plan.to_embed), len(plan.failures)
    progress(0, total, failed)
    names = rows.column("image").take(pa.array(plan.to_embed))
    pictures = load(
        (
            (int(position), catalog.root / name)
            for position, name in zip(plan.to_embed, text_values(names), strict=True)
        ),
        extractor.preprocessing,
        workers=settings.workers,
        max_pixels=settings.max_pixels,
        tiles=store.manifest.tiles,
    )
    stages = summary.stages
    with closing(pictures):
        for start in range(0, total, settings.part_rows):
            end = min(start + settings.part_rows, total)
            chunk, done = _Chunk(store.manifest.tiles), start
            for batch in _batches(pictures, end - start, settings.batch_size, stages):
                with _timed(stages, "forward"):
                    chunk.add(batch, extractor, settings.batch_size)
                done += len(batch)
                progress(done, total, failed + len(chunk.unloadable))
            with _timed(stages, "write"):
                table, failures = chunk.finish(rows, plan, catalog, extractor, settings)
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

    def __init__(self, tiles: int) -> None:
        self.tiles = tiles  # a side
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
        self,
        rows: CatalogRows,
        plan: Plan,
        catalog: Catalog,
        extractor: Extractor,
        settings: EmbedSettings,
    ) -> tuple[pa.Table, list[Failure]]:
        """Return the rows of the part, and what is no row; vectors that are not finite are none."""
        taps = extractor.passport.taps
        schema = part_schema(list(catalog.schema)[2:], taps, self.tiles)
        good = np.ones(len(self._pictures), dtype=bool)
        vectors = {}
        for tap in taps if self._vectors else ():
            vectors[tap.name] = np.concatenate([batch[tap.name] for batch in self._vectors])
            if self.tiles:
                details = np.concatenate([batch[tap.name] for batch in self._tiles])
                vectors[tile_column(tap)] = details.reshape(len(self._pictures), -1)
        for values in vectors.values():
            good &= np.isfinite(values).all(axis=1)
        pictures = [picture for picture, each in zip(self._pictures, good, strict=True) if each]
        table = catalog_columns(rows, plan, np.array([p.key for p in pictures], dtype=np.int64))
        columns = {name: table.column(name) for name in table.column_names} | {
            "content_hash": pa.array([p.content_hash for p in pictures], pa.string()),
            "width": pa.array([p.width for p in pictures], pa.int32()),
            "height": pa.array([p.height for p in pictures], pa.int32()),
        }
        for name in [name for name in schema.names if name not in columns]:
            type_ = schema.field(name).type
            values = vectors.get(name, np.empty((0, type_.list_size), np.float32))[good]
            values = round_to_half(values) if settings.half_precision else values
            columns[name] = pa.FixedSizeListArray.from_arrays(
                pa.array(values.ravel(), pa.float32()), type=type_
            )
        overflown = [
            Unloadable(picture.key, "forward", "the network gave numbers that are not finite")
            for picture, each in zip(self._pictures, good, strict=True)
            if not each
        ]
        return (
            pa.table([columns[name] for name in schema.names], schema=schema),
            [_failure(rows, plan, each, settings) for each in [*self.unloadable, *overflown]],
        )


def _failure(
    rows: CatalogRows, plan: Plan, picture: Unloadable, settings: EmbedSettings
) -> Failure:
    row = rows.take(np.array([picture.key])).to_pylist()[0]
    return Failure(
        row["id"],
        row["image"],
        picture.stage,
        picture.reason,
        int(plan.file_bytes[picture.key]),
        int(plan.file_mtime_ns[picture.key]),
        settings.decoding,
    )


@contextmanager
def _timed(stages: dict[str, float], stage: str) -> Iterator[None]:
    clock = time.perf_counter()
    try:
        yield
    finally:
        stages[stage] = stages.get(stage, 0.0) + time.perf_counter() - clock
