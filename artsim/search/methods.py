"""Methods to compare: taps of an index, and of other indexes of the same works, joined by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import EMBEDDING, PALETTE, TapInfo
from artsim.errors import SearchError
from artsim.search.requests import Aspect
from artsim.store import Store

if TYPE_CHECKING:
    from artsim.search.opened import Opened

_GRAM, _STYLE, _CONTENT = "gram", "style", "content"
_BLOCK = 4096  # pairs compared at a time

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Method:
    """A tap to compare by."""

    name: str  # as the request names it
    index: Opened
    tap: str
    share: float  # of the score; those of a request sum to 1
    joined: Rows | None  # the row here of each row of the searched index; -1 where it has none
    details: bool = False  # with the most like of each work's tiles, not with the whole work

    def rows(self, rows: Rows | None) -> Rows | None:
        """Return the rows here of some rows of the searched index, all of which have one."""
        if self.joined is None:
            return rows
        return self.joined if rows is None else self.joined[rows]

    def vectors(self, rows: Rows) -> NDArray[np.float32]:
        """Return the unit vectors of rows of the searched index: (n, D), or (n, T, D) of tiles."""
        own = rows if self.joined is None else self.joined[rows]
        return self.index.backend.vectors(self.tap, own, tiles=self.details)

    def pairs(self, first: Rows, second: Rows) -> NDArray[np.float32]:
        """Compare rows of the searched index pairwise: (n,) cosines.

        With details, a tile of each first work with the most similar tile of the second.
        """
        found = np.empty(len(first), dtype=np.float32)
        for start in range(0, len(first), _BLOCK):
            part = slice(start, start + _BLOCK)
            a, b = self.vectors(first[part]), self.vectors(second[part])
            if self.details:
                places = np.arange(len(a))
                a = a[places, places % a.shape[1], None]  # (n, 1, D)
                found[part] = np.vecdot(b, a).max(axis=1)
            else:
                found[part] = np.vecdot(a, b)
        return found


def find_methods(
    aspects: Sequence[Aspect],
    tap: str,
    home: Opened,
    others: Mapping[str, Opened],
    *,
    details: bool = False,
) -> list[Method]:
    """Find what a request is to be compared by.

    Args:
        aspects: As requested; one, ``tap``, if there are none.
        tap: Of the index home.
        home: The index that is searched.
        others: Other indexes, by the names that aspects may use.
        details: Whether tiles are compared, by the one tap.

    Raises:
        SearchError: If an aspect names nothing, or the same as another; if there are no tiles.
    """
    if details:
        if aspects:
            raise SearchError("--details compares by one tap; leave out --by")
        if not home.store.manifest.tiles:
            raise SearchError(
                f"{str(home.store.path)!r} has no tiles, which --details needs; make another index "
                f"with 'artsim embed {home.store.manifest.source} --tiles 3 -o DIR'"
            )
        return [Method(tap, home, tap, 1.0, None, details=True)]
    aspects = aspects or [Aspect(tap)]
    largest = max(aspect.weight for aspect in aspects)  # the sum may be too large for a number
    total = sum(aspect.weight / largest for aspect in aspects)
    methods = []
    for aspect in aspects:
        where, colon, name = aspect.name.rpartition(":")
        if colon and where not in others:
            known = ", ".join(others) or "none"
            raise SearchError(f"no other index {where!r} was opened; choose from {known}")
        index = others[where] if colon else home
        joined = index.works.rows_of(home.works) if colon else None
        found = _find_tap(index.store, name)
        methods.append(
            Method(aspect.name, index, found.name, aspect.weight / largest / total, joined)
        )
    places = [(method.index.store.path, method.tap) for method in methods]
    for place, method in zip(places, methods, strict=True):
        if places.count(place) > 1:
            raise SearchError(f"the tap {method.tap!r} is named twice in --by; name each once")
    return methods


def joined(methods: Sequence[Method]) -> Rows | None:
    """Return the rows of the searched index that every index has; None if that is all of them."""
    others = [method.joined for method in methods if method.joined is not None]
    return np.flatnonzero(np.min(others, axis=0) >= 0) if others else None


def cosines(
    methods: Sequence[Method], queries: Sequence[NDArray[np.float32]], rows: Rows | None
) -> NDArray[np.float32]:
    """Compare with some rows of the searched index, or with all.

    Args:
        methods: How, W of them.
        queries: Of each method, unit vectors, shape (T, D).
        rows: Shape (n,); each must be in all indexes.

    Returns:
        Each method's part of the score, shape (W, T, n).
    """
    return np.stack(
        [
            method.share
            * method.index.backend.cosines(
                method.tap, vectors, method.rows(rows), tiles=method.details
            )
            for method, vectors in zip(methods, queries, strict=True)
        ]
    )


def _find_tap(store: Store, name: str) -> TapInfo:
    """Find a tap by its name, its pooling, or as style or content.

    Raises:
        SearchError: If it is none, or several.
    """
    taps = store.manifest.passport.taps
    if not name:
        return taps[0]
    tap = store.manifest.passport.tap(name)
    if tap is not None:
        return tap
    if name == _STYLE:
        found = [tap for tap in taps if tap.pooling == _GRAM]
    elif name == _CONTENT:
        found = [tap for tap in taps if tap.pooling not in (_GRAM, PALETTE)]
    else:
        found = [tap for tap in taps if tap.pooling == name]
    if len(found) == 1:
        return found[0]
    if name == PALETTE and not store.manifest.passport.is_external:
        spec = store.manifest.passport.spec
        added = spec + ("+" if "@" in spec else f"@{EMBEDDING}+") + PALETTE
        raise SearchError(
            f"{str(store.path)!r} has no colors to compare by; make another index with "
            f"'artsim embed {store.manifest.source} -m {added} -o DIR'"
        )
    listed = ", ".join(tap.name for tap in found or taps)
    what = "could be several taps" if found else "is not a tap"
    raise SearchError(f"{name!r} {what} of {str(store.path)!r}; choose from {listed}")
