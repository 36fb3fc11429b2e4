"""Test rows that leak from training rows: the same picture, object or group in both.

* ``id``: the same id in both parts, as when a picture is in different parts in different tasks
* ``file``: another id, the same bytes
* ``picture``: other bytes that look the same: perceptual hashes a few bits apart
* ``object``: another picture of the same object
* ``group``: another picture of the same artist, or of another group

The first three exclude each other, so that their counts add up. All but ``id`` leave out rows whose
id is in both parts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.splits.parts import Rows

# Bits of 64. Of 2,273 paintings, half are within 2 bits and 9 of 10 within 4 of a copy at 60% of
# their size and JPEG quality 60; pairs up to 6 bits apart show the same picture. Photographs of
# single objects on a plain background are more similar: different figurines can be 2 bits apart.
WITHIN = 4

_BITS = 64
_BANDED = 8  # distances below which comparing by bands of bits is faster than comparing all
_BLOCK = 1 << 22  # pairs compared at a time


class LeakKind(StrEnum):
    """What a leaking test row shares with a training row."""

    ID = "id"
    FILE = "file"
    PICTURE = "picture"
    OBJECT = "object"
    GROUP = "group"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of each of N rows, in the order of `LeakKind`; None is not to be checked."""

    ids: Sequence[str]
    files: Sequence[str | None] | None = None  # hashes of the files' bytes
    hashes: Sequence[int | None] | None = None  # 64 bits of what the pictures look like
    objects: Sequence[int | str | None] | None = None  # any name of the object
    groups: Sequence[int | str | None] | None = None


@dataclass(frozen=True)
class Leak:
    """A test row, and the first or nearest training row that it leaks from."""

    kind: LeakKind
    test_row: int
    train_row: int
    distance: int | None = None  # bits, for pictures


def find_leaks(evidence: Evidence, train: Rows, test: Rows, *, within: int = WITHIN) -> list[Leak]:
    """Find the test rows that leak from training rows: by kind, then by row, each once a kind.

    The hashes of look-alikes differ by at most ``within`` bits, 0 to 64.

    Raises:
        EvaluationError: If ``within`` is out of range.
    """
    if not 0 <= within <= _BITS:
        raise EvaluationError(f"hashes differ by 0 to {_BITS} bits, got a limit of {within}")
    by_id = list(_sharing(LeakKind.ID, evidence.ids, train, test))
    test = _without(test, by_id)
    by_file = list(_sharing(LeakKind.FILE, evidence.files, train, test))
    return [
        *by_id,
        *by_file,
        *_looking_same(evidence.hashes, train, _without(test, by_file), within),
        *_sharing(LeakKind.OBJECT, evidence.objects, train, test),
        *_sharing(LeakKind.GROUP, evidence.groups, train, test),
    ]


def nearest_hashes(
    bank: NDArray[np.uint64], queries: NDArray[np.uint64], within: int
) -> tuple[Rows, NDArray[np.int64]]:
    """Find the nearest of a bank of 64-bit hashes for each query, exactly.

    Two hashes at most ``within`` bits apart agree in one of ``within + 1`` bands of bits, so only
    those that do are compared.

    Returns:
        The place in the bank, the lowest of equals, and the distance in bits, both of shape (Q,);
        -1 where none is within so many bits.
    """
    known, first = np.unique(bank, return_index=True)
    wanted, back = np.unique(queries, return_inverse=True)
    # The distance above, the place below: the least of these is the nearest, then the lowest.
    best = np.full(len(wanted), (_BITS + 1) << 32, dtype=np.int64)
    for query, place in _candidates(known, wanted, within):
        distance = np.bitwise_count(known[place] ^ wanted[query]).astype(np.int64)
        near = distance <= within
        np.minimum.at(best, query[near], (distance[near] << 32) | first[place[near]])
    best = best[back]
    found = best >> 32 <= _BITS
    return np.where(found, best & 0xFFFFFFFF, -1), np.where(found, best >> 32, -1)


def _sharing(
    kind: LeakKind, values: Sequence[int | str | None] | None, train: Rows, test: Rows
) -> Iterator[Leak]:
    """Find the test rows whose value a training row has, with the first such row."""
    if values is None:
        return
    first = {values[row]: int(row) for row in reversed(train)}
    first.pop(None, None)  # missing values are not shared
    for row in test:
        if (found := first.get(values[row])) is not None:
            yield Leak(kind, int(row), found)


def _looking_same(
    hashes: Sequence[int | None] | None, train: Rows, test: Rows, within: int
) -> Iterator[Leak]:
    if hashes is None:
        return
    train, test = (rows[[hashes[row] is not None for row in rows]] for rows in (train, test))
    bank, queries = (
        np.array([hashes[row] for row in rows], dtype=np.uint64) for rows in (train, test)
    )
    places, distances = nearest_hashes(bank, queries, within)
    for row, place, distance in zip(test, places, distances, strict=True):
        if place >= 0:
            yield Leak(LeakKind.PICTURE, int(row), int(train[place]), int(distance))


def _without(test: Rows, leaks: Sequence[Leak]) -> Rows:
    return test[~np.isin(test, [leak.test_row for leak in leaks])]


def _candidates(
    known: NDArray[np.uint64], wanted: NDArray[np.uint64], within: int
) -> Iterator[tuple[Rows, Rows]]:
    """Yield pairs of places (in ``wanted``, in ``known``) that may be near, in blocks."""
    bands = within + 1 if within < _BANDED else 0
    edges = np.linspace(0, _BITS, bands + 1).astype(int) if bands else [0, 0]
    for low, high in itertools.pairwise(edges):
        mask = np.uint64((1 << int(high - low)) - 1)
        keys, own = ((each >> np.uint64(low)) & mask for each in (known, wanted))
        order = np.argsort(keys, kind="stable")
        starts = np.searchsorted(keys[order], own, side="left")
        counts = np.searchsorted(keys[order], own, side="right") - starts
        ends = np.cumsum(counts)
        start = 0
        while start < len(wanted):
            done = ends[start - 1] if start else 0
            stop = max(int(np.searchsorted(ends, done + _BLOCK, side="right")), start + 1)
            some = counts[start:stop]
            query = np.repeat(np.arange(start, stop), some)
            # 0, 1, 2, ... within each query's run of keys
            step = np.arange(len(query)) - np.repeat(np.cumsum(some) - some, some)
            yield query, order[starts[query] + step]
            start = stop
