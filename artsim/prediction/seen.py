"""Whether a model has learned from a picture: from its file, or from one that looks the same."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from artsim.errors import ArtsimError
from artsim.places import as_path
from artsim.splits import WITHIN, hash_file, known_hashes
from artsim.store import Store


class Predicted(Protocol):
    """What is known of a picture."""

    @property
    def image(self) -> str | None:
        """Where it is."""

    @property
    def row(self) -> int | None:
        """Its row of the index, if the index has its file."""


class LookAlikes:
    """The pictures of an index that look like others, by the hashes that 'artsim dupes' stores.

    The rule is that of evaluations: see `artsim.splits.copies`.
    """

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store

    def of(self, pictures: Sequence[Predicted]) -> list[list[int]]:
        """Return the rows that look like each picture, without its own."""
        return [self._of(each) for each in pictures]

    def _of(self, picture: Predicted) -> list[int]:
        hashes, hashed = self._known
        if not hashed.any():
            return []
        if picture.row is not None:
            look = int(hashes[picture.row]) if hashed[picture.row] else None
        else:
            look = None if picture.image is None else hash_file(as_path(picture.image))
        if look is None:
            return []
        near = hashed & (np.bitwise_count(hashes ^ np.uint64(look)) <= WITHIN)
        return [row for row in np.flatnonzero(near).tolist() if row != picture.row]

    @cached_property
    def _known(self) -> tuple[np.ndarray, np.ndarray]:
        """The hashes of the rows, and which have one; none without an index."""
        try:
            found = known_hashes(self._store())
        except ArtsimError:
            found = []
        return (
            np.array([each or 0 for each in found], dtype=np.uint64),
            np.array([each is not None for each in found], dtype=bool),
        )


def seen_by(row: int | None, similar: Sequence[int], learned: Collection[int | None]) -> str | None:
    """Say by what a model knows a picture: its 'file', its 'look', or None."""
    if row is not None and row in learned:
        return "file"
    return "look" if any(each in learned for each in similar) else None
