"""The run itself: lock, plan, update, embed chunk by chunk, commit, index."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from artsim import index  # its names load FAISS when they are used
from artsim.datatypes import Catalog, Progress, no_progress
from artsim.embedding.chunks import Chunk, EmbedJob, EmbedSettings, Receipt
from artsim.embedding.engines import Engine, LocalEngine
from artsim.embedding.loaders import is_worth_processes
from artsim.embedding.plan import ON_WEB, EmbedPlan, make_plan
from artsim.embedding.update import (
    apply_plan,
    catalog_columns,
    open_or_create,
    unmark_embedded,
)
from artsim.errors import ReaderError
from artsim.loader import are_many
from artsim.models import Extractor
from artsim.store import CatalogRows, Store, check_sent, lock_index, spooled

_TOGETHER = 64  # chunks that wait for the manifest at most
_SECONDS = 10.0  # that a chunk waits at most
_SHARE = 0.05  # of the time may go into writing the manifest


@dataclass(kw_only=True)
class EmbedSummary:
    """What a run did."""

    path: Path
    rows: int = 0  # in the index now
    embedded: int = 0  # by this run
    kept: int = 0  # from before, untouched or with new metadata
    damaged: int = 0  # parts of the index, whose pictures this run embedded again
    dropped: int = 0  # gone from the collection, or embedded again because they changed
    failures: int = 0  # rows of the catalog that are not in the index
    reasons: Counter[str] = field(default_factory=Counter)  # failures by stage
    on_web: int = 0  # failures because the picture is on the web
    unsupported: int = 0  # failures because the picture is of a kind that is not decoded
    mended: int = 0  # embedded by this run, of files with a fault that costs no pixel
    transparent: int = 0  # embedded by this run, transparent everywhere and taken as opaque
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)  # seconds: loader CPU, others wall
    places: Counter[str] = field(default_factory=Counter)  # pictures by node or device, if several
    workers: dict[str, set[str]] = field(default_factory=dict)  # that embedded them, by place

    def to_json(self) -> dict[str, object]:
        """Return it as plain values."""
        counts = {"reasons": dict(self.reasons), "places": dict(self.places)}
        workers = {place: len(names) for place, names in self.workers.items()}
        return asdict(self) | {"path": str(self.path), "workers": workers} | counts


def embed_collection(
    catalog: Catalog,
    path: Path,
    extractor: Extractor,
    *,
    settings: EmbedSettings | None = None,
    engine: Engine | None = None,
    progress: Progress = no_progress,
) -> EmbedSummary:
    """Embed a collection into an index folder, or bring the index up to date.

    What is kept is compared with its checksums: damaged parts and search indexes are made again.

    The folder is created if it does not exist, and removed again if no picture can be embedded.
    The pictures are embedded by ``engine``, in this process if None; ``progress`` is called after
    every batch.

    Raises:
        PassportError: If the index was made by another network or preprocessing.
        StoreError: If it cannot be written, or most of it would be dropped; or if another run has
            written to it in its object store meanwhile.
        ReaderError: If the catalog cannot be read, or no picture of it can be embedded.
    """
    started = time.perf_counter()
    settings, engine = settings or EmbedSettings(), engine or LocalEngine()
    with lock_index(path), spooled(catalog, path) as rows:
        if not len(rows):
            raise ReaderError(f"{str(catalog.source)!r} lists no pictures; nothing to embed")
        store = open_or_create(path, catalog, extractor, settings.tiles)
        had_rows = store.rows > 0
        damaged = store.damaged_parts()
        store = store.without(damaged)
        plan = make_plan(store, catalog, rows, settings)
        summary = EmbedSummary(
            path=path, kept=plan.kept, dropped=plan.dropped, damaged=len(damaged)
        )
        apply_plan(store, catalog, rows, plan)

        done, total, failed = 0, len(plan.to_embed), plan.failed

        def advance(tried: int, failures: int) -> None:
            nonlocal done, failed
            done, failed = done + tried, failed + failures
            progress(done, total, failed)
            check_sent(path)

        advance(0, 0)
        numbers = sum(tap.dim for tap in store.manifest.passport.taps)
        numbers *= 1 + store.manifest.tiles**2
        size = settings.rows_of_part(len(rows), numbers, rows.nbytes)
        job = EmbedJob(
            root=catalog.root,
            metadata=pa.schema(list(catalog.schema)[2:]),
            staging=store.staging,
            settings=settings,
            tiles=store.manifest.tiles,
            chunks=-(-total // size),
            part_rows=size,
            # By the index and all its works, not this run: one that is resumed, or repairs, ends
            # with the same bytes.
            by_torch=store.manifest.passport.backend == "torch"
            or are_many(len(rows), store.manifest.tiles),
            in_processes=is_worth_processes(total, settings.workers, extractor),
        )
        first = store.manifest.next_part
        chunks = _chunks(rows, plan, first, size)
        for receipt in _commit(store, engine.run(chunks, job, extractor, advance), first):
            for stage, seconds in receipt.seconds.items():
                summary.stages[stage] = summary.stages.get(stage, 0.0) + seconds
            rows_embedded = receipt.part.rows if receipt.part else 0
            summary.embedded += rows_embedded
            if receipt.place:
                summary.places[receipt.place] += rows_embedded
                summary.workers.setdefault(receipt.place, set()).add(receipt.worker)
            summary.mended += receipt.mended
            summary.transparent += receipt.transparent
        failures = store.failures()
        for stage in pc.value_counts(failures.column("stage")):
            summary.reasons[stage["values"].as_py()] = stage["counts"].as_py()
        if not store.rows and not had_rows:
            store.discard()
            raise ReaderError(_why_nothing(catalog, failures, summary.reasons))
        store.finish()
        unmark_embedded(store)
        clock = time.perf_counter()
        for tap in store.manifest.passport.taps:
            if store.rows and not index.is_whole_index(store, tap.name):
                index.build_index(store, tap.name)
        summary.stages["index"] = time.perf_counter() - clock
    summary.rows = store.rows
    summary.failures = failures.num_rows
    why = failures.column("reason")
    summary.on_web = pc.sum(pc.equal(why, ON_WEB)).as_py() or 0
    summary.unsupported = pc.sum(pc.starts_with(why, "unsupported")).as_py() or 0
    summary.seconds = time.perf_counter() - started
    return summary


def _chunks(rows: CatalogRows, plan: EmbedPlan, first: int, size: int) -> Iterator[Chunk]:
    for number, start in enumerate(range(0, len(plan.to_embed), size), first):
        positions = plan.to_embed[start : start + size]
        yield Chunk(number=number, rows=catalog_columns(rows, plan, positions))


def _commit(store: Store, receipts: Iterable[Receipt], first: int) -> Iterator[Receipt]:
    """Add the parts of receipts to a locked index in the order of their numbers, from ``first`` on.

    The receipts come, and are yielded, in any order. The manifest grows with the index, so it is
    written once for several chunks when writing it takes long. What has been received is committed
    whatever ends the run.
    """
    waiting: dict[int, Receipt] = {}
    ready: list[Receipt] = []
    written, pause = time.monotonic(), 0.0
    try:
        for receipt in receipts:
            waiting[receipt.number] = receipt
            while first + len(ready) in waiting:
                ready.append(waiting.pop(first + len(ready)))
            if ready and (len(ready) >= _TOGETHER or time.monotonic() - written >= pause):
                clock = time.monotonic()
                first += len(ready)
                _write(store, ready)
                written = time.monotonic()
                pause = min((written - clock) / _SHARE, _SECONDS)
            yield receipt
    finally:
        _write(store, ready)


def _write(store: Store, ready: list[Receipt]) -> None:
    # After an interrupt in the middle of this some of them may be in the index already.
    new = [each for each in ready if each.number >= store.manifest.next_part]
    if new:
        store.append_many([(each.part, each.failures) for each in new])
    ready.clear()


def _why_nothing(catalog: Catalog, failures: pa.Table, stages: Counter[str]) -> str:
    first = failures.slice(0, 1).to_pylist()[0]
    name = f"{first['id']}: " if first["id"] else ""
    counts = ", ".join(f"{count:,} at {stage}" for stage, count in stages.items())
    is_missing = catalog.reader == "table" and first["reason"].endswith(" is missing")
    return (
        f"no picture of {str(catalog.source)!r} could be embedded ({counts}); "
        f"the first: {name}{first['reason']}"
        f"{'; name the folder of the pictures with --images' if is_missing else ''}"
    )
