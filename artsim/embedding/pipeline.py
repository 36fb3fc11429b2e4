"""Chunks become parts of the index, by steps that go on at the same time.

While a batch is computed, the next pictures are decoded, the vectors of the batches before it are
fetched from the GPU, and the part before is written.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from traceback import clear_frames
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim.embedding.chunks import Advance, Chunk, EmbedJob, Receipt, load_chunks
from artsim.errors import shortage_of
from artsim.loader import Loaded, Unloadable, submit
from artsim.models import Extractor
from artsim.store import Failure, part_schema, round_to_half, tile_column, write_part

_NO_MEMORY = re.compile(r"alloc\w* .*memory|not enough memory|out of memory", re.IGNORECASE)

Pictures: TypeAlias = Iterator[Loaded | Unloadable]
Vectors: TypeAlias = dict[str, NDArray[np.float32]]  # (N, D) by column


def embed_chunks(
    chunks: Iterable[Chunk],
    job: EmbedJob,
    extractor: Extractor,
    *,
    advance: Advance = lambda tried, failed: None,
) -> Generator[Receipt]:
    """Embed chunks and write their parts to the staging folder; give their receipts in order.

    The same chunk, job and network give the same bytes, in any process and order. ``advance`` is
    called in this thread after every batch.

    Raises:
        StoreError: If a part cannot be written.
    """
    ahead, now = _twice(chunks)
    with (
        closing(load_chunks(ahead, job, extractor)) as pictures,
        ThreadPoolExecutor(1, thread_name_prefix="artsim-writer") as writer,
    ):
        writing: Future[Receipt] | None = None
        try:
            for part in _compute(now, pictures, job, extractor, advance):
                written, writing = writing, None
                if written is not None:
                    yield written.result()
                if extractor.ahead:
                    writing = submit(writer, part.write)
                else:  # it is safe at once, and to write takes a hundredth of what a CPU computes
                    yield part.write()
        except (Exception, KeyboardInterrupt):
            if writing is not None:  # whatever ends the run, a part that is whole is not lost
                yield writing.result()
            raise
        if writing is not None:
            yield writing.result()


def embed_chunk(
    chunk: Chunk,
    job: EmbedJob,
    extractor: Extractor,
    *,
    advance: Advance = lambda tried, failed: None,
) -> Receipt:
    """Embed one chunk as `embed_chunks` does."""
    (receipt,) = embed_chunks([chunk], job, extractor, advance=advance)
    return receipt


def _twice(chunks: Iterable[Chunk]) -> tuple[Iterator[Chunk], Iterator[Chunk]]:
    """Give the chunks to two readers; none is held that both have had, as `itertools.tee` does."""
    source, queues = iter(chunks), (deque[Chunk](), deque[Chunk]())

    def read(own: deque[Chunk], other: deque[Chunk]) -> Iterator[Chunk]:
        while True:
            if not own:
                try:
                    chunk = next(source)
                except StopIteration:
                    return
                own.append(chunk)
                other.append(chunk)
                del chunk
            yield own.popleft()

    return read(*queues), read(*reversed(queues))


class _Part:
    """The part of a chunk while it is made."""

    def __init__(self, chunk: Chunk, job: EmbedJob, extractor: Extractor) -> None:
        self.chunk, self.seconds = chunk, dict[str, float]()
        self._job, self._extractor = job, extractor
        self._loaded: list[Loaded] = []
        self._blocks: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
        self._lost = [Unloadable(row, "decode", why) for row, why in sorted(chunk.refused.items())]

    @property
    def is_whole(self) -> bool:
        """Whether every picture of the chunk has been added."""
        return bool(len(self._loaded) + len(self._lost) == self.chunk.rows.num_rows)

    def add(self, pictures: Sequence[Loaded], vectors: Vectors, lost: Sequence[Unloadable]) -> int:
        """Add a batch; return how many pictures could not be embedded."""
        finite = np.ones(len(pictures), dtype=bool)
        for values in vectors.values():
            finite &= np.isfinite(values).all(axis=1)
        for name, values in vectors.items():
            self._blocks[name].append(values[finite])
        # The pixels are not needed any more, and those of a chunk are large.
        bare = [replace(each, pixels=np.empty(0, np.uint8), tiles=None) for each in pictures]
        self._loaded += [bare[n] for n in np.flatnonzero(finite)]
        why = "the network computed numbers that are not finite"
        overflown = [Unloadable(bare[n].key, "forward", why) for n in np.flatnonzero(~finite)]
        self._lost += [*lost, *overflown]
        return len(lost) + len(overflown)

    def write(self) -> Receipt:
        """Write the part, if it has a row."""
        part = None
        with _timed(self.seconds, "write"):
            if self._loaded:
                part = write_part(self._job.staging, self.chunk.number, self._table())
        return Receipt(
            number=self.chunk.number,
            part=part,
            failures=tuple(self._failure(each) for each in self._lost),
            seconds=self.seconds,
            mended=sum(bool(each.fault) for each in self._loaded),
            transparent=sum(each.is_transparent for each in self._loaded),
        )

    def _table(self) -> pa.Table:
        rows = self.chunk.rows.take(pa.array([each.key for each in self._loaded], pa.int64()))
        columns = dict(zip(rows.column_names, rows.columns, strict=True)) | {
            "content_hash": pa.array([each.content_hash for each in self._loaded], pa.string()),
            "width": pa.array([each.width for each in self._loaded], pa.int32()),
            "height": pa.array([each.height for each in self._loaded], pa.int32()),
        }
        taps = self._extractor.passport.taps
        schema = part_schema(list(self._job.metadata), taps, self._job.tiles)
        for name in [name for name in schema.names if name not in columns]:
            values = np.concatenate(self._blocks.pop(name))
            values = round_to_half(values) if self._job.settings.half_precision else values
            columns[name] = pa.FixedSizeListArray.from_arrays(
                pa.array(values.ravel(), pa.float32()), type=schema.field(name).type
            )
        return pa.table([columns[name] for name in schema.names], schema=schema)

    def _failure(self, picture: Unloadable) -> Failure:
        (row,) = self.chunk.rows.slice(picture.key, 1).to_pylist()
        return Failure(
            row["id"],
            row["image"],
            picture.stage,
            picture.reason,
            row["file_bytes"],
            row["file_mtime_ns"],
            self._job.settings.decoding,
        )


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Pictures whose vectors are being computed."""

    part: _Part
    loaded: list[Loaded]
    lost: list[Unloadable]
    wait: Callable[[], Vectors]
    is_last: bool  # of its part


def _compute(
    chunks: Iterable[Chunk],
    pictures: Pictures,
    job: EmbedJob,
    extractor: Extractor,
    advance: Advance,
) -> Iterator[_Part]:
    """Give the parts of chunks, ready to be written, in order."""
    size = job.settings.batch_size
    flying: deque[_Batch] = deque()
    try:
        for chunk in chunks:
            # For one chunk as for another: its vectors do not depend on the process that takes it.
            extractor.prepare(job.settings.batch_size, job.chunks * job.part_rows)
            part = _Part(chunk, job, extractor)
            advance(len(chunk.refused), len(chunk.refused))
            left = chunk.rows.num_rows - len(chunk.refused)
            while True:
                batch, left = _take(pictures, left, size, part.seconds)
                flying.append(_begin(batch, part, extractor, is_last=not left))
                while len(flying) > extractor.ahead:
                    landed, fitted = _land(flying, extractor, advance)
                    if not fitted:
                        size = max(size // 2, 1)  # there is no memory for more
                    if landed.is_last:
                        yield landed.part
                if not left:
                    break
        while flying:
            landed, _ = _land(flying, extractor, advance)
            if landed.is_last:
                yield landed.part
    except (Exception, KeyboardInterrupt):
        with suppress(Exception):  # of a network that cannot go on
            yield from _begun_whole(flying, extractor)
        raise


def _begun_whole(flying: deque[_Batch], extractor: Extractor) -> Iterator[_Part]:
    """Give the parts whose last batches are computed beside the caller, whatever ends the run."""
    while extractor.ahead and any(each.is_last for each in flying):
        landed, _ = _land(flying, extractor, lambda tried, failed: None)
        if landed.is_last and landed.part.is_whole:
            yield landed.part


def _take(
    pictures: Pictures, left: int, size: int, seconds: dict[str, float]
) -> tuple[list[Loaded | Unloadable], int]:
    """Take pictures of a chunk, with up to ``size`` that can be embedded; return what is left."""
    batch: list[Loaded | Unloadable] = []
    loaded = 0
    while left and loaded < size:
        with _timed(seconds, "wait"):
            picture = next(pictures)
        batch.append(picture)
        left -= 1
        if isinstance(picture, Loaded):
            loaded += 1
            for stage, spent in picture.seconds.items():
                seconds[stage] = seconds.get(stage, 0.0) + spent
    return batch, left


def _begin(
    batch: Sequence[Loaded | Unloadable], part: _Part, extractor: Extractor, *, is_last: bool
) -> _Batch:
    loaded = [each for each in batch if isinstance(each, Loaded)]
    with _timed(part.seconds, "forward"):
        wait = _begin_vectors(loaded, extractor)
    lost = [each for each in batch if isinstance(each, Unloadable)]
    return _Batch(part=part, loaded=loaded, lost=lost, wait=wait, is_last=is_last)


def _begin_vectors(pictures: Sequence[Loaded], extractor: Extractor) -> Callable[[], Vectors]:
    """Begin to compute pictures, and their tiles in batches of their own."""
    if not pictures:
        return dict
    size = len(pictures)
    tiles = [each.tiles for each in pictures if each.tiles is not None]
    every = [tile for each in tiles for tile in each]
    batches = [every[start : start + size] for start in range(0, len(every), size)]
    try:
        whole = extractor.begin([each.pixels for each in pictures])
        parts = [extractor.begin(some) for some in batches]
    except Exception as problem:  # it is raised once the batches before are whole
        return _raising(problem)

    def wait() -> Vectors:
        vectors, found = whole(), [part() for part in parts]
        for tap in extractor.passport.taps if found else ():
            details = np.concatenate([each[tap.name] for each in found])
            vectors[tile_column(tap)] = details.reshape(size, -1)
        return vectors

    return wait


def _raising(problem: Exception) -> Callable[[], Vectors]:
    clear_frames(problem.__traceback__)  # which hold the memory that there is too little of

    def fail() -> Vectors:
        raise problem

    return fail


def _land(flying: deque[_Batch], extractor: Extractor, advance: Advance) -> tuple[_Batch, bool]:
    """Add the first batch in flight to its part; return whether there was memory for it at once."""
    batch = flying[0]
    with _timed(batch.part.seconds, "forward"):
        found, lost = _fetch(batch.loaded, batch.wait, extractor)
    flying.popleft()  # if that was interrupted, it is still in flight
    failed = batch.part.add([], {}, [*batch.lost, *lost])
    for pictures, vectors in found:
        failed += batch.part.add(pictures, vectors, [])
    advance(len(batch.loaded) + len(batch.lost), failed)
    return batch, len(found) + len(lost) <= 1


_Found: TypeAlias = list[tuple[Sequence[Loaded], Vectors]]


def _fetch(
    pictures: Sequence[Loaded], wait: Callable[[], Vectors], extractor: Extractor
) -> tuple[_Found, list[Unloadable]]:
    """Wait for vectors; pictures for which there is no memory at once are computed by halves."""
    try:
        return [(pictures, wait())], []
    except (RuntimeError, MemoryError, OSError) as problem:
        short = shortage_of(problem)
        if _NO_MEMORY.search(str(problem)):
            short = "memory"  # of the GPU, or of torch, which has no class for it
        if not short:
            raise
        if short != "memory" or len(pictures) == 1:
            why = f"not enough {short} to compute it; try again"
            return [], [Unloadable(each.key, "resources", why) for each in pictures]
    half = len(pictures) // 2
    found: _Found = []
    lost: list[Unloadable] = []
    for some in (pictures[:half], pictures[half:]):
        more = _fetch(some, _begin_vectors(some, extractor), extractor)
        found, lost = found + more[0], lost + more[1]
    return found, lost


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    clock = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - clock
