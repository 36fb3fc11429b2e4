"""Methods of comparison: taps of an open index, and of others of the same works, joined by id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import EMBEDDING, PALETTE, TapInfo, shell_word
from artsim.errors import SearchError
from artsim.search.backend import FaissBackend, SearchBackend
from artsim.search.encoder import Encoder, IndexEncoder
from artsim.search.requests import Aspect, SearchRequest
from artsim.search.works import Works
from artsim.store import Store

if TYPE_CHECKING:
    from artsim.search.records import Records

TEXT = "text"  # the aspect that compares the words of the records

_IMAGE = "image"  # the aspect that compares by the searcher's own tap
_GRAM = "gram"

Rows = NDArray[np.int64]


class Opened:
    """An index with its works, backend and encoder, for many requests and threads.

    Args:
        store: The index.
        encoder: Embeds pictures and text; the index's own network if None.
        gpu: The number of the GPU that its search indexes are copied to; None: they stay.
        backend: Makes the backend that searches its vectors; FAISS over the folder if None.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder | None = None,
        *,
        gpu: int | None = None,
        backend: Callable[[Works], SearchBackend] | None = None,
    ) -> None:
        self.store = store
        self.encoder = encoder or IndexEncoder(store)
        self.works = Works(store)
        self.backend = (backend or partial(FaissBackend, gpu=gpu))(self.works)
        self._records: dict[tuple[str, ...], Records] = {}

    def records(self, columns: tuple[str, ...]) -> Records:
        """Return the records of some columns as vectors, made at the first call.

        Raises:
            SearchError: If there is no such column, or it has no text.
        """
        if columns not in self._records:
            from artsim.search.records import Records  # loads scipy

            self._records[columns] = Records(self.works, columns)
        return self._records[columns]


@dataclass(frozen=True)
class Method:
    """A tap to compare by, or the text of the records, and how much it counts."""

    name: str  # as the request names it
    index: Opened
    tap: str
    share: float  # of the score; those of a request sum to 1
    joined: Rows | None  # in another index, the row of each row of the searched one; or -1
    details: bool = False  # compare with the most similar tile of each work, not the whole work
    records: Records | None = None  # compared instead of a tap

    def cosines(self, queries: NDArray[np.float32], rows: Rows | None) -> NDArray[np.float32]:
        """Compare queries, (T, D), with some rows of the searched index, or with all: (T, n)."""
        if self.records is not None:
            return self.records.cosines(queries, rows)
        own = rows
        if self.joined is not None:
            own = self.joined if rows is None else self.joined[rows]
        return self.index.backend.cosines(self.tap, queries, own, tiles=self.details)

    def vectors(self, rows: Rows) -> Any:
        """Return the unit vectors of rows of the searched index: (n, D), or (n, T, D) of tiles.

        Those of records are sparse.
        """
        if self.records is not None:
            return self.records.vectors(rows)
        own = rows if self.joined is None else self.joined[rows]
        return self.index.backend.vectors(self.tap, own, tiles=self.details)

    @property
    def numbers(self) -> int:
        """Count the numbers of a work that are compared; the few of a record do not matter."""
        if self.records is not None:
            return 0
        dim = self.index.store.tap(self.tap).dim
        return dim * self.index.store.manifest.tiles**2 if self.details else dim


def find_methods(
    request: SearchRequest, tap: str, home: Opened, others: Mapping[str, Opened]
) -> list[Method]:
    """Find the methods that a request names.

    Args:
        request: The request.
        tap: The tap to compare by if the request names none.
        home: The index that is searched.
        others: Other indexes, by the names that aspects may use.

    Raises:
        SearchError: If an aspect is unknown or repeated, or if there are no tiles.
    """
    if request.text_columns and not any(is_text(each, home.store) for each in request.by):
        raise SearchError("--text-columns are those of the text in --by image=0.7,text=0.3; add it")
    if request.details:
        if request.by:
            raise SearchError("--details compares by one tap; leave out --by")
        if not home.store.manifest.tiles:
            raise SearchError(
                f"{str(home.store)!r} has no tiles, which --details needs; make another index "
                f"with 'artsim embed {shell_word(home.store.manifest.source)} --tiles 3 -o DIR'"
            )
        return [Method(tap, home, tap, 1.0, None, details=True)]
    aspects = request.by or (Aspect(tap),)
    largest = max(aspect.weight for aspect in aspects)  # their sum might overflow
    total = sum(aspect.weight / largest for aspect in aspects)
    methods = []
    for aspect in aspects:
        if is_text(aspect, home.store):
            records = home.records(request.text_columns)
            share = aspect.weight / largest / total
            methods.append(Method(aspect.name, home, TEXT, share, None, records=records))
            continue
        where, colon, name = aspect.name.rpartition(":")
        if colon and where not in others:
            known = ", ".join(others) or "none"
            raise SearchError(f"no other index {where!r} was opened; choose from {known}")
        index = others[where] if colon else home
        rows = index.works.rows_of(home.works) if colon else None
        own = name == _IMAGE and not colon and home.store.manifest.passport.tap(name) is None
        found, share = _find_tap(index.store, tap if own else name), aspect.weight / largest / total
        methods.append(Method(aspect.name, index, found.name, share, rows))
    places = [(method.index.store.path, method.tap) for method in methods]
    for place, method in zip(places, methods, strict=True):
        if places.count(place) > 1:
            raise SearchError(f"the tap {method.tap!r} is named twice in --by; name each once")
    return methods


def is_text(aspect: Aspect, store: Store) -> bool:
    """Return whether an aspect is the text of the records: a tap of that name comes first."""
    return aspect.name == TEXT and store.manifest.passport.tap(TEXT) is None


def joined(methods: Sequence[Method]) -> Rows | None:
    """Return the rows of the searched index that the others have, too; None without others."""
    others = [method.joined for method in methods if method.joined is not None]
    return np.flatnonzero(np.min(others, axis=0) >= 0) if others else None


def _find_tap(store: Store, name: str) -> TapInfo:
    """Find a tap by its name, its pooling, or as style or content; the first if unnamed."""
    taps = store.manifest.passport.taps
    if not name:
        return taps[0]
    tap = store.manifest.passport.tap(name)
    if tap is not None:
        return tap
    poolings = {each.pooling for each in taps}
    wanted = {"style": {_GRAM}, "content": poolings - {_GRAM, PALETTE}}.get(name, {name})
    found = [tap for tap in taps if tap.pooling in wanted]
    if len(found) == 1:
        return found[0]
    if name == PALETTE and not store.manifest.passport.is_external:
        spec = store.manifest.passport.spec
        added = spec + ("+" if "@" in spec else f"@{EMBEDDING}+") + PALETTE
        raise SearchError(
            f"{str(store)!r} has no colors to compare by; make another index with "
            f"'artsim embed {shell_word(store.manifest.source)} -m {shell_word(added)} -o DIR'"
        )
    listed = ", ".join(tap.name for tap in found or taps)
    what = "could be several taps" if found else "is not a tap"
    raise SearchError(f"{name!r} {what} of {str(store)!r}; choose from {listed}")
