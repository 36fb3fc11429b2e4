"""Ask an index: what looks like this picture, and how well do neighbours know a label."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim import images
from artsim.datatypes import parse_spec
from artsim.errors import ImageError, ModelError, PassportError, SearchError, StoreError
from artsim.index import open_index
from artsim.store import Store, floats, is_store

if TYPE_CHECKING:
    from artsim.models.extractor import Compute, Extractor

__all__ = [
    "Match",
    "Query",
    "find_index",
    "load_index_extractor",
    "query_by_id",
    "query_by_picture",
    "similar",
]


@dataclass(frozen=True)
class Match:
    """A picture of the index, and how like the query it is."""

    rank: int  # from 1
    id: str
    score: float  # cosine, at most 1
    image: str  # a path that opens from here, or an URL
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Query:
    """What is looked for: a vector, where it came from, and what it must not find."""

    vector: NDArray[np.float32]  # (D,)
    name: str  # an id or a path, for people
    image: str | None = None  # a path that opens from here
    row: int | None = None  # of the index, to be left out of the matches
    metadata: dict[str, Any] = field(default_factory=dict)  # as far as the index knows it


def find_index(folder: Path) -> Path:
    """Find the only or newest index of a folder.

    Raises:
        StoreError: If there is none.
    """
    found = [path for path in folder.glob("*") if is_store(path)]
    if not found:
        raise StoreError(
            f"no index in {str(folder)!r}; make one with 'artsim embed COLLECTION', "
            "or name one with --index DIR"
        )
    return max(found, key=lambda path: (path / "manifest.json").stat().st_mtime_ns)


def query_by_id(store: Store, id_: str, tap: str) -> Query:
    """Look for what is like a picture of the index; no network is needed.

    Raises:
        SearchError: If no picture has that id.
    """
    row = store.find(id_)
    if row is None:
        raise SearchError(
            f"no picture has the id {id_!r} in {str(store.path)!r}{_hint(store, id_)}"
        )
    return _query_of_row(store, row, tap)


def query_by_picture(
    store: Store,
    file: Path,
    tap: str,
    *,
    weights: Path | None = None,
    model: str | None = None,
    compute: Compute | None = None,
    max_pixels: int = images.MAX_PIXELS,
) -> Query:
    """Look for what is like a picture file.

    A file that the index holds already, byte for byte, is not embedded again.

    Args:
        store: The index.
        file: The picture.
        tap: By which of the index's vectors.
        weights: A local file of the weights, where the index's are not to be had otherwise.
        model: A spec to embed the picture by instead of the index's own; it must be the same.
        compute: Where and how exactly; the CPU in float32 if None.
        max_pixels: A larger picture is refused.

    Raises:
        ImageError: If the file is no picture.
        PassportError: If the network or its preprocessing is not that of the index.
    """
    data = images.read_bytes(file)
    if model is None and weights is None:
        row = store.find_content(hashlib.sha256(data).hexdigest())
        if row is not None:
            return replace(_query_of_row(store, row, tap), name=str(file), row=None)
    extractor = load_index_extractor(store, model=model, weights=weights, compute=compute)
    from artsim.loader import preprocess  # torch; a query by id does without

    try:
        pixels, _ = preprocess(data, extractor.preprocessing, max_pixels=max_pixels)
    except ImageError as error:
        raise ImageError(f"{str(file)!r}: {error}") from error
    vector = extractor.embed_batch(pixels.unsqueeze(0))[tap][0]
    return Query(vector, str(file), str(file))


def load_index_extractor(
    store: Store,
    *,
    model: str | None = None,
    weights: Path | None = None,
    compute: Compute | None = None,
) -> Extractor:
    """Load the network that made an index's vectors.

    Raises:
        PassportError: If what is loaded would make other vectors.
    """
    from artsim.models.extractor import BackendName, Compute, Precision, load_extractor

    passport = store.manifest.passport
    if passport.is_external:
        raise ModelError(
            f"{str(store.path)!r} holds imported {passport.weights_source}; the network that made "
            "them is unknown, so ask by a picture of the index: --id ID"
        )
    kind, _, where = passport.weights_source.partition(":")
    if weights is None and model is None and kind == "file":
        weights = Path(where)
        if not weights.is_file():
            raise ModelError(
                f"the index was made with the weights {where!r}, which are not there; "
                "pass --weights FILE"
            )
    # A few pictures are embedded sooner in eager float32 than a network is converted.
    extractor = load_extractor(
        parse_spec(model or passport.spec),
        weights=weights,
        compute=compute or Compute(backend=BackendName.TORCH, precision=Precision.F32),
        fit=passport.preprocessing.fit if model is None else None,
        scaled_decoding=passport.preprocessing.scaled_decoding,
    )
    differences = passport.differences(extractor.passport)
    if differences:
        raise PassportError(
            f"the query would not be comparable with {str(store.path)!r}, which has "
            f"{'; '.join(differences)}; ask without --model, or embed the collection anew"
        )
    return extractor


def similar(store: Store, query: Query, tap: str, *, k: int = 10) -> list[Match]:
    """Find the k pictures most like the query, best first; fewer if the index has no more.

    Raises:
        SearchError: If k is below 1, or the index is empty.
    """
    if k < 1:
        raise SearchError(f"k must be at least 1, got {k}")
    if not store.rows:
        raise SearchError(f"{str(store.path)!r} holds no picture; see 'artsim info'")
    wanted = min(k + (query.row is not None), store.rows)
    scores, rows = open_index(store, tap).search(query.vector[None], wanted)
    found = [
        (float(score), int(row))
        for score, row in zip(scores[0], rows[0], strict=True)
        if row != query.row
    ][:k]
    return list(_matches(store, found))


def _matches(store: Store, found: Sequence[tuple[float, int]]) -> Iterator[Match]:
    fields = [field.name for field in store.manifest.fields]
    table = store.take([row for _, row in found], ["id", "image", *fields])
    for rank, ((score, _), row) in enumerate(zip(found, table.to_pylist(), strict=True), start=1):
        id_, image = row.pop("id"), row.pop("image")
        yield Match(rank, id_, score, locate(store, image), row)


def locate(store: Store, image: str) -> str:
    """Return where a picture of the index is: a path that opens from here, or an URL."""
    if image.startswith(("http://", "https://")):
        return image
    return str(Path(store.manifest.root) / image)


def _query_of_row(store: Store, row: int, tap: str) -> Query:
    (itself,) = _matches(store, [(1.0, row)])
    vector = floats(store.take([row], [tap]).column(tap).chunk(0).flatten())
    return Query(vector, itself.id, itself.image, row, itself.metadata)


def _hint(store: Store, id_: str) -> str:
    """Name ids that are nearly the one asked for."""
    ids = store.read(["id"]).column("id")
    like = pc.match_substring(ids, id_, ignore_case=True) if id_ else None
    some = ids.filter(like).slice(0, 3).to_pylist() if like is not None else []
    if not some:
        import difflib

        some = difflib.get_close_matches(id_, ids.slice(0, 100_000).to_pylist(), n=3)
    return f"; did you mean {', '.join(map(repr, some))}?" if some else "; see 'artsim info'"
