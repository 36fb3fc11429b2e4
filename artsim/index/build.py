"""Build the search index of a tap, or bring it up to date: what it holds of a part stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from artsim.errors import SearchError
from artsim.index.choice import Shape, choose_shapes
from artsim.index.codes import Coder, learn, restore, sample_size
from artsim.index.flat import write_flat
from artsim.index.measure import Queries, Reach, draw, median_latency, reach_of
from artsim.index.note import (
    FLAT,
    Goals,
    IndexInfo,
    codes_file,
    files_of,
    index_file,
    parts_of,
    read_note,
    sizes,
    vectors_file,
    withdraw_note,
    write_note,
)
from artsim.index.vector_index import VectorIndex
from artsim.index.vectors import Vectors, write_vectors
from artsim.store import Store, clear_left, write_whole

_ENCODED = 1 << 14  # rows at a time
_GROWN = 2  # so many times the rows, or the candidates needed, and codes are trained again


def build_index(store: Store, tap: str, goals: Goals | None = None) -> IndexInfo:
    """Build the search index of a tap and write it to faiss/.

    Codes and vectors of the parts that an older index was built from are taken over, and its
    trained codes are kept as long as the recall measured with them is what it should be. Without
    goals it keeps the goals of the existing index, or the defaults.

    Raises:
        SearchError: If the index holds no picture.
        StoreError: If it cannot be written.
    """
    if not store.rows:
        raise SearchError(f"{str(store.path)!r} has no pictures; see 'artsim info'")
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
    clear_left(*files_of(store, tap))
    if shapes[0].pieces:
        vectors = _write_vectors(store, tap, old)
        made = _make(store, vectors, shapes, info, old)
        info = made.info
        write_whole(codes_file(store, tap), lambda stream: np.save(stream, made.codes))
        write_whole(
            index_file(store, tap),
            lambda stream: stream.write(faiss.serialize_index(made.index).data),
        )
    else:
        write_flat(store, tap)
    info = replace(
        info,
        fingerprint=store.fingerprint,
        parts=parts_of(store),
        bytes=sizes(store, tap, info.kind),
    )
    write_note(store, tap, info)
    if info.kind == FLAT:
        vectors_file(store, tap).unlink(missing_ok=True)
        codes_file(store, tap).unlink(missing_ok=True)
    return info


# --- what is there already ----------------------------------------------------------------


@dataclass(frozen=True)
class _Old:
    """A search index with codes, of an earlier state of the parts."""

    info: IndexInfo
    index: Any  # of faiss
    vectors: Vectors
    codes: NDArray[np.uint8]  # (N, bytes)
    places: dict[str, slice]  # the rows of a part, by its sha256

    @property
    def shape(self) -> Shape:
        """The kind it is of."""
        return Shape(self.index.pq.M, getattr(self.index, "nlist", 0))


def _open_old(store: Store, tap: str, note: IndexInfo | None) -> _Old | None:
    if note is None or note.kind == FLAT or note.bytes != sizes(store, tap, note.kind):
        return None
    places, start = {}, 0
    for sha256, rows in note.parts:
        places[sha256] = slice(start, start + rows)
        start += rows
    with suppress(RuntimeError, OSError, ValueError):  # what they raise of a file not their own
        return _Old(
            note,
            faiss.read_index(str(index_file(store, tap))),
            Vectors(np.load(vectors_file(store, tap), mmap_mode="r")),
            np.load(codes_file(store, tap), mmap_mode="r"),
            places,
        )
    return None


def _write_vectors(store: Store, tap: str, old: _Old | None) -> Vectors:
    """Write the vectors by row, those of known parts as they are there."""

    def blocks() -> Iterator[NDArray[np.floating]]:
        for number, part in enumerate(store.manifest.parts):
            place = old.places.get(part.sha256) if old else None
            if old and place and old.vectors.stored.dtype == np.float16:
                yield old.vectors.stored[place]
            else:
                yield from store.iter_vectors(tap, part=number)

    file, dim = vectors_file(store, tap), store.tap(tap).dim
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
    """Take the first of some shapes that meets the goals, or the one with the best recall."""
    queries = draw(vectors)
    if old and old.shape.like(shapes) and info.rows <= _GROWN * old.info.trained_rows:
        coder = restore(old.index, info.dim)
        codes = _update_codes(store, vectors, coder, old)
        made = _measure(vectors, queries, old.shape, info, coder, codes)
        needs = made.info.k_factor / old.info.k_factor
        if needs <= _GROWN and made.info.recall_at_10 >= info.goals.recall:
            return replace(made, info=replace(made.info, trained_rows=old.info.trained_rows))
    tried = []
    for shape in shapes:
        count = min(sample_size(shape.cells), len(vectors))
        rows = np.random.default_rng(0).choice(len(vectors), count, replace=False)
        coder = learn(vectors[np.sort(rows)], shape.pieces, shape.cells)
        codes = _encode(vectors, coder)
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
    """Pack codes and find how many candidates the required recall needs."""
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
    """Find the candidates needed, and for cells how many of them must be looked into."""
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


def _encode(vectors: Vectors, coder: Coder) -> NDArray[np.uint8]:
    """Write all vectors as codes, shape (N, bytes)."""
    starts = range(0, len(vectors), _ENCODED)
    return np.concatenate([coder.encode(vectors[start : start + _ENCODED]) for start in starts])


def _update_codes(store: Store, vectors: Vectors, coder: Coder, old: _Old) -> NDArray[np.uint8]:
    """Take over the codes of known parts and write the others, shape (N, bytes)."""
    blocks, start = [], 0
    for part in store.manifest.parts:
        place = old.places.get(part.sha256)
        fresh = slice(start, start + part.rows)
        blocks.append(old.codes[place] if place else coder.encode(vectors[fresh]))
        start += part.rows
    return np.concatenate(blocks)
