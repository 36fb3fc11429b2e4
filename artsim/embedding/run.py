"""The run itself: lock, plan, update, embed chunk by chunk, index."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from artsim.datatypes import Catalog, Progress, no_progress
from artsim.embedding.chunks import Chunk, EmbedJob
from artsim.embedding.commit import commit
from artsim.embedding.engines import Engine, LocalEngine
from artsim.embedding.plan import ON_WEB, EmbedPlan, make_plan
from artsim.embedding.rows import CatalogRows
from artsim.embedding.settings import DEFAULTS, EmbedSettings
from artsim.embedding.update import apply_plan, catalog_columns, open_or_create
from artsim.errors import ReaderError
from artsim.index import build_index, is_current
from artsim.models import Extractor
from artsim.store import Store, lock_index, spooled


@dataclass(kw_only=True)
class EmbedSummary:
    """What a run did."""

    path: Path
    rows: int = 0  # in the index now
    embedded: int = 0  # by this run
    kept: int = 0  # from before, untouched or with new metadata
    dropped: int = 0  # gone from the collection, or embedded again because they changed
    failures: int = 0  # rows of the catalog that are not in the index
    reasons: Counter[str] = field(default_factory=Counter)  # failures by stage
    on_web: int = 0  # failures because the picture is on the web
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)  # seconds: loader CPU, others wall


@dataclass(frozen=True, kw_only=True)
class _Run:
    """How the pictures are embedded."""

    extractor: Extractor
    engine: Engine
    settings: EmbedSettings
    progress: Progress


def embed_collection(
    catalog: Catalog,
    path: Path,
    extractor: Extractor,
    *,
    settings: EmbedSettings = DEFAULTS,
    engine: Engine | None = None,
    progress: Progress = no_progress,
) -> EmbedSummary:
    """Embed a collection into an index folder, or bring the index up to date.

    The folder is created if it does not exist. The pictures are embedded by ``engine``, in this
    process if None; ``progress`` is called after every batch.

    Raises:
        PassportError: If the index was made by another network or preprocessing.
        StoreError: If it cannot be written, or most of it would be dropped.
        ReaderError: If the catalog cannot be read.
    """
    started = time.perf_counter()
    run = _Run(
        extractor=extractor, engine=engine or LocalEngine(), settings=settings, progress=progress
    )
    with lock_index(path), spooled(catalog, path) as reader:
        rows = CatalogRows(reader)
        if not len(rows):
            raise ReaderError(f"{str(catalog.source)!r} lists no pictures; nothing to embed")
        store = open_or_create(path, catalog, extractor, settings.tiles)
        plan = make_plan(store, catalog, rows, settings)
        summary = EmbedSummary(path=path, kept=plan.kept, dropped=plan.dropped)
        apply_plan(store, catalog, rows, plan)
        _embed(store, catalog, rows, plan, run, summary)
        store.finish()
        clock = time.perf_counter()
        for tap in store.manifest.passport.taps:
            if store.rows and not is_current(store, tap.name):
                build_index(store, tap.name)
        summary.stages["index"] = time.perf_counter() - clock
    failures = store.failures()
    summary.rows = store.rows
    summary.failures = failures.num_rows
    summary.reasons = Counter(failures.column("stage").to_pylist())
    summary.on_web = failures.column("reason").to_pylist().count(ON_WEB)
    summary.seconds = time.perf_counter() - started
    return summary


def _embed(
    store: Store,
    catalog: Catalog,
    rows: CatalogRows,
    plan: EmbedPlan,
    run: _Run,
    summary: EmbedSummary,
) -> None:
    done, total, failed = 0, len(plan.to_embed), len(plan.failures)
    run.progress(done, total, failed)

    def advance(tried: int, failures: int) -> None:
        nonlocal done, failed
        done, failed = done + tried, failed + failures
        run.progress(done, total, failed)

    first = store.manifest.next_part
    job = EmbedJob(
        root=catalog.root,
        metadata=pa.schema(list(catalog.schema)[2:]),
        staging=store.staging,
        settings=run.settings,
        tiles=store.manifest.tiles,
    )
    chunks = _chunks(rows, plan, first, run.settings.part_rows)
    receipts = run.engine.run(chunks, job, run.extractor, advance)
    for receipt in commit(store, receipts, first=first):
        for stage, seconds in receipt.seconds.items():
            summary.stages[stage] = summary.stages.get(stage, 0.0) + seconds
        summary.embedded += 0 if receipt.part is None else receipt.part.rows


def _chunks(rows: CatalogRows, plan: EmbedPlan, first: int, size: int) -> Iterator[Chunk]:
    for number, start in enumerate(range(0, len(plan.to_embed), size), first):
        positions = plan.to_embed[start : start + size]
        yield Chunk(number=number, rows=catalog_columns(rows, plan, positions))
