"""Build the search index of a tap, or update it: codes and vectors of known parts are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import IO, Any

import faiss
import numpy as np
from numpy.typing import NDArray

from artsim.errors import SearchError
from artsim.index.choice import Shape, choose_shapes
from artsim.index.codes import Coder, learn, restore, sample_size
from artsim.index.measure import Queries, Reach, draw, median_latency, reach_of
from artsim.index.note import (
    CODES,
    FLAT,
    INDEX,
    SUFFIXES,
    VECTORS,
    Goals,
    IndexInfo,
    damaged_files,
    index_file,
    index_files,
    read_note,
    sizes,
    withdraw_note,
    write_note,
)
from artsim.index.opening import flat_in_memory, read_coded
from artsim.index.vector_index import VectorIndex
from artsim.index.vectors import Vectors, unit, write_vectors
from artsim.store import Store, clear_left, sha256_of, write_whole

_GROWN = 2  # times as many rows, or candidates needed, and codes are trained again


def build_index(store: Store, tap: str, goals: Goals | None = None) -> IndexInfo:
    """Build the search index of a tap and write it to faiss/.

    Codes and vectors of parts that are in an older index are reused, and so are its trained codes
    as long as the recall measured with them meets the goals. Without ``goals`` those of the
    existing index apply, or the defaults.

    Raises:
        SearchError: If the index has no pictures.
        StoreError: If it cannot be written.
    """
    if not store.rows:
        raise SearchError(f"{str(store)!r} has no pictures; see 'artsim info'")
    note = read_note(store, tap)
    goals = goals or (note.goals if note else Goals())
    rows, dim = store.rows, store.tap(tap).dim
    shapes, why = choose_shapes(rows, dim, goals)
    info = IndexInfo(
        tap=tap,
        kind=FLAT,
        rows=rows,
        dim=dim,
        memory=shapes[0].memory(rows, dim),
        why=why,
        goals=goals,
        faiss=faiss.__version__,
    )
    old = _open_old(store, tap, note)
    withdraw_note(store, tap, note)
    clear_left(*(index_file(store, tap, suffix) for suffix in SUFFIXES))
    if shapes[0].pieces:
        vectors = _write_vectors(store, tap, old)
        made = _make(store, vectors, shapes, info, old)
        info = made.info
        packed = faiss.serialize_index(made.index).data
        write_whole(index_file(store, tap, CODES), lambda stream: np.save(stream, made.codes))
        write_whole(index_file(store, tap, INDEX), lambda stream: stream.write(packed))
    else:
        _write_flat(store, tap)
    info = replace(
        info,
        fingerprint=store.fingerprint,
        parts=tuple((part.sha256, part.rows) for part in store.manifest.parts),
        bytes=sizes(store, tap, info.kind),
        sha256={file.name: sha256_of(file) for file in index_files(store, tap, info.kind)},
    )
    write_note(store, tap, info)
    if info.kind == FLAT:
        for suffix in (VECTORS, CODES):
            index_file(store, tap, suffix).unlink(missing_ok=True)
    return info


# --- the older index ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Old:
    """A search index with codes, from an earlier state of the parts."""

    info: IndexInfo
    index: Any  # of faiss
    vectors: Vectors
    codes: NDArray[np.uint8]  # (N, bytes)
    places: dict[str, slice]  # the rows of a part, by its sha256

    @property
    def shape(self) -> Shape:
        """Its kind."""
        return Shape(self.index.pq.M, getattr(self.index, "nlist", 0))


def _open_old(store: Store, tap: str, note: IndexInfo | None) -> _Old | None:
    if note is None or note.kind == FLAT or note.bytes != sizes(store, tap, note.kind):
        return None
    if damaged_files(store, tap, again=True):
        return None
    places, start = {}, 0
    for sha256, rows in note.parts:
        places[sha256] = slice(start, start + rows)
        start += rows
    with suppress(RuntimeError, OSError, ValueError):  # of a damaged file
        codes = np.load(index_file(store, tap, CODES), mmap_mode="r")
        return _Old(note, *read_coded(store, tap), codes, places)
    return None


def _write_vectors(store: Store, tap: str, old: _Old | None) -> Vectors:
    """Write the vectors by row, copying those of known parts."""

    def blocks() -> Iterator[NDArray[np.floating]]:
        for number, part in enumerate(store.manifest.parts):
            place = old.places.get(part.sha256) if old else None
            if old and place and old.vectors.stored.dtype == np.float16:
                yield old.vectors.stored[place]
            else:
                yield from store.iter_vectors(tap, part=number)

    file, dim = index_file(store, tap, VECTORS), store.tap(tap).dim
    write_whole(file, lambda stream: write_vectors(stream, blocks, store.rows, dim))
    return Vectors(np.load(file, mmap_mode="r"))


# --- codes --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Made:
    """A search index with codes, measured."""

    info: IndexInfo
    index: Any  # of faiss
    codes: NDArray[np.uint8]


def _make(
    store: Store, vectors: Vectors, shapes: list[Shape], info: IndexInfo, old: _Old | None
) -> _Made:
    """Build the first of some shapes that meets the goals, or the one with the best recall."""
    queries = draw(vectors)
    if old and old.shape.like(shapes) and info.rows <= _GROWN * old.info.trained_rows:
        coder = restore(old.index, info.dim)
        known = {sha256: old.codes[place] for sha256, place in old.places.items()}
        codes = _encode(store, vectors, coder, known)
        made = _measure(vectors, queries, old.shape, info, coder, codes)
        needs = made.info.k_factor / old.info.k_factor
        if needs <= _GROWN and made.info.recall_at_10 >= info.goals.recall:
            return replace(made, info=replace(made.info, trained_rows=old.info.trained_rows))
    tried = []
    for shape in shapes:
        count = min(sample_size(shape.cells), len(vectors))
        rows = np.random.default_rng(0).choice(len(vectors), count, replace=False)
        coder = learn(vectors[np.sort(rows)], shape.pieces, shape.cells)
        codes = _encode(store, vectors, coder)
        made = _measure(vectors, queries, shape, info, coder, codes)
        tried.append(made)
        if not _misses(made.info):
            break
    best = min(tried, key=lambda made: (len(_misses(made.info)), -made.info.recall_at_10))
    why = "; ".join([best.info.why, *_misses(best.info)])
    return replace(best, info=replace(best.info, why=why))


def _measure(
    vectors: Vectors,
    queries: Queries,
    shape: Shape,
    info: IndexInfo,
    coder: Coder,
    codes: NDArray[np.uint8],
) -> _Made:
    """Pack codes and measure how many candidates the required recall needs."""
    index = coder.pack(codes)
    reach, nprobe = _reach(index, vectors, queries, shape, info.goals.recall)
    info = replace(
        info,
        kind=shape.name,
        memory=shape.memory(info.rows, info.dim),
        recall_at_10=round(reach.recall, 4),
        queries=len(queries.rows),
        k_factor=reach.k_factor,
        nprobe=nprobe,
        trained_rows=info.rows,
    )
    latency = median_latency(VectorIndex(info, index, vectors), queries)
    return _Made(replace(info, latency=round(latency, 6)), index, codes)


def _reach(
    index: Any, vectors: Vectors, queries: Queries, shape: Shape, recall: float
) -> tuple[Reach, int]:
    """Measure how many candidates are needed, and in how many cells they must be searched."""
    if not shape.cells:
        return reach_of(index, vectors, queries, recall), 0
    index.nprobe = 1
    while True:
        reach = reach_of(index, vectors, queries, recall)
        if reach.enough or index.nprobe == shape.cells:
            return reach, index.nprobe
        index.nprobe *= 2


def _misses(info: IndexInfo) -> list[str]:
    goals, misses = info.goals, []
    if info.recall_at_10 < goals.recall:
        misses.append(f"recall is below the {goals.recall:g} requested")
    if goals.memory is not None and info.memory > goals.memory:
        misses.append(f"it holds more than the {goals.memory / 1e9:.2g} GB requested")
    if info.latency is not None and info.latency > goals.latency:
        misses.append(f"it is slower than the {1000 * goals.latency:g} ms requested")
    return misses


def _encode(
    store: Store, vectors: Vectors, coder: Coder, known: Mapping[str, NDArray[np.uint8]] = {}
) -> NDArray[np.uint8]:
    """Encode the vectors, (N, bytes); ``known`` has the codes of parts by their sha256."""
    blocks, start = [], 0
    for part in store.manifest.parts:
        codes = known.get(part.sha256)
        blocks.append(coder.encode(vectors[start : start + part.rows]) if codes is None else codes)
        start += part.rows
    return np.concatenate(blocks)


# --- exact search ----------------------------------------------------------------------


def _write_flat(store: Store, tap: str) -> None:
    """Write a flat index as faiss does, with only one part's vectors in memory."""

    def write(stream: IO[bytes]) -> None:
        header = _header(store.tap(tap).dim, store.rows)
        if header is None:
            stream.write(faiss.serialize_index(flat_in_memory(store, tap)).tobytes())
            return
        stream.write(header)
        for vectors in store.iter_vectors(tap):
            stream.write(unit(vectors).tobytes())

    write_whole(index_file(store, tap, INDEX), write)


def _header(dim: int, rows: int) -> bytes | None:
    """Return what faiss writes before a flat index's vectors; None if its format is another.

    The rows are an int64 after four bytes of identification and the dimension, the number of floats
    is a uint64 at the end. This is first checked on an index of two rows.
    """
    two = faiss.IndexFlatIP(dim)
    two.add(np.zeros((2, dim), dtype=np.float32))
    header = bytearray(faiss.serialize_index(two).tobytes()[: -2 * 4 * dim])
    if header[8:16] != np.int64(2).tobytes() or header[-8:] != np.uint64(2 * dim).tobytes():
        return None
    header[8:16] = np.int64(rows).tobytes()
    header[-8:] = np.uint64(rows * dim).tobytes()
    return bytes(header)
