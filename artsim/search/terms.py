"""The terms of requests, found in an index or embedded, several pictures in one forward pass."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artsim import images
from artsim.errors import ArtsimError, ImageError, ModelError, SearchError, StoreError
from artsim.index import unit
from artsim.search.methods import Opened
from artsim.search.requests import Query, Term

_BATCH = 32  # pictures in one forward pass
_ABORTING = (ModelError, StoreError)  # they concern every term


@dataclass(frozen=True)
class Encoded:
    """A term and its unit vectors."""

    query: Query
    vectors: Mapping[str, NDArray[np.float32]]  # (D,) by tap; none of words for records
    row: int | None = None  # of the work whose record it has


def encode(
    index: Opened, terms: Sequence[Term], taps: Sequence[str], *, workers: int
) -> list[Encoded | ArtsimError]:
    """Find terms in an index, or embed them by its taps; ``workers`` threads decode pictures.

    A picture that the index holds byte for byte is not embedded again.

    Returns:
        For each term its vectors, or why it could not be read.

    Raises:
        ModelError: If the network cannot be loaded, or has no text encoder.
        StoreError: If the network is not the one that made the index.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="artsim-terms") as pool:
        found = list(pool.map(lambda term: _find(index, term, taps), terms))
    waiting = [each for each in found if isinstance(each, _Picture)]
    embedded: list[Encoded] = []
    for start in range(0, len(waiting), _BATCH):
        some = waiting[start : start + _BATCH]
        vectors = index.encoder.embed([picture.pixels for picture in some])
        units = {tap: unit(vectors[tap]) for tap in taps}
        embedded += [
            Encoded(picture.query, {tap: units[tap][number] for tap in taps}, picture.row)
            for number, picture in enumerate(some)
        ]
    done = iter(embedded)
    return [next(done) if isinstance(each, _Picture) else each for each in found]


@dataclass(frozen=True)
class _Picture:
    """A picture that waits to be embedded."""

    query: Query
    pixels: NDArray[np.uint8]  # (3, H, W)
    row: int | None  # of the work whose record it has


def _find(index: Opened, term: Term, taps: Sequence[str]) -> Encoded | _Picture | ArtsimError:
    try:
        if term.id is not None:
            return _work(index, term, taps)
        if term.text is not None:
            return _words(index, term, taps)
        if term.vector is not None:
            return _vector(index, term, term.vector, taps)
        data = term.data if term.data is not None else images.read_bytes(term.file or Path())
        return _picture(index, term, data, taps)
    except _ABORTING:
        raise
    except ArtsimError as error:
        return error


def _work(index: Opened, term: Term, taps: Sequence[str]) -> Encoded | _Picture:
    assert term.id is not None
    row = index.backend.find(term.id)
    query = _query_of_row(index, row, term)
    if term.box is None or not taps:
        return Encoded(query, _stored(index, row, taps), row)
    if query.image is None:
        raise SearchError(
            f"the picture of {term.id!r} is outside the collection's folder; name its folder with "
            "--root DIR"
        )
    if query.image.startswith(("http://", "https://")):
        raise SearchError(
            f"the picture of {term.id!r} is on the web, at {query.image}; search for a detail by "
            "that address"
        )
    return _prepared(index, query, images.read_bytes(Path(query.image)), row)


def _picture(index: Opened, term: Term, data: bytes, taps: Sequence[str]) -> Encoded | _Picture:
    image = None if term.file is None else str(term.file)
    query = Query(term.label, image, weight=term.weight, box=term.box)
    row = index.works.row_of_content(hashlib.sha256(data).hexdigest())
    if row is not None:
        work = _query_of_row(index, row, term)
        query = replace(query, metadata=work.metadata, image=image or work.image)
    if row is not None and term.box is None:
        return Encoded(query, _stored(index, row, taps), row)
    return _prepared(index, query, data, row) if taps else Encoded(query, {}, row)


def _words(index: Opened, term: Term, taps: Sequence[str]) -> Encoded:
    assert term.text is not None
    vectors = index.encoder.embed_texts([term.text])
    for tap in taps:
        if tap not in vectors:
            raise SearchError(
                f"text cannot be compared by the tap {tap!r}, only by {', '.join(vectors)}"
            )
    query = Query(term.label, weight=term.weight)
    return Encoded(query, {tap: unit(vectors[tap])[0] for tap in taps})


def _vector(
    index: Opened, term: Term, vector: NDArray[np.floating], taps: Sequence[str]
) -> Encoded:
    if len(taps) != 1:
        raise SearchError("a vector is compared by one tap; choose one, and no text, with by")
    tap = index.store.manifest.passport.tap(taps[0])
    assert tap is not None
    if vector.shape != (tap.dim,):
        raise SearchError(
            f"the vector has the shape {vector.shape}; the vectors of the tap {tap.name!r} have "
            f"{tap.dim} numbers, give the shape ({tap.dim},)"
        )
    given = vector.astype(np.float32)
    if not np.isfinite(given).all() or not given.any():
        raise SearchError("the vector is zero or has numbers that are not finite")
    return Encoded(Query(term.label, weight=term.weight), {tap.name: unit(given[None])[0]})


def _query_of_row(index: Opened, row: int, term: Term) -> Query:
    ((id_, image, metadata),) = index.backend.known([row])
    return Query(id_, image, row, metadata, term.weight, term.box)


def _stored(index: Opened, row: int, taps: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    return {tap: index.backend.vectors(tap, np.array([row]))[0] for tap in taps}


def _prepared(index: Opened, query: Query, data: bytes, row: int | None) -> _Picture:
    try:
        return _Picture(query, index.encoder.prepare(data, query.box).pixels, row)
    except ImageError as error:
        raise type(error)(f"{query.name!r}: {error}") from error
