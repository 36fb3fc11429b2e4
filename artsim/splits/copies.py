"""Copies of pictures: the one rule that keeps a test picture from being learned by its copy.

Copies have the same bytes, or look the same: their perceptual hashes, where they are known, are a
few bits apart. Copies of test pictures are left out of training and validation; where each picture
is tested with all others, a copy is no neighbor. What only vectors show, such as a crop, is not
left out: a model would choose by its own vectors what it is tested on. 'artsim dupes' looks
further, since people check what it finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.images import groups_of, near_pairs
from artsim.labels import encode
from artsim.splits.hashes import known_hashes
from artsim.splits.leaks import WITHIN, nearest_hashes
from artsim.splits.parts import Codes, Mask, Rows, Split
from artsim.store import Store

DECIDED = "same_work"  # the column of works that people decided to be one
_NO_CROPS = "crops are not found"
_UNKNOWN = (
    "no copies by file; copies that only look the same are not known before 'artsim dupes' has run"
)


@dataclass(frozen=True, eq=False)
class Copies:
    """Evidence that two of N rows show one picture."""

    content: Codes  # (N,) a code for each file's bytes; -1 is unknown
    hashes: NDArray[np.uint64]  # (N,) perceptual
    hashed: Mask  # (N,) whether there is one: not of a blank picture
    decided: bool = False  # whether people have decided which are copies, in the column `DECIDED`

    @property
    def known_by(self) -> str:
        """How copies are found, in words."""
        if self.hashed.any():
            decided = f"--group {DECIDED} adds those you decided on"
            more = decided if self.decided else _NO_CROPS
            return f"found by file and by look, up to {WITHIN} bits apart; {more}"
        return "found by file; after 'artsim dupes' by look, too"

    @property
    def unknown(self) -> str:
        """What is not known of copies, in words; nothing if pictures were compared."""
        return "" if self.hashed.any() else _UNKNOWN

    def of(self, rows: Rows) -> Mask:
        """Return which rows are copies of any of these, or are these, shape (N,)."""
        known = self.content[rows]
        copies: Mask = np.isin(self.content, known[known >= 0])
        bank = self.hashes[rows[self.hashed[rows]]]
        others = np.flatnonzero(self.hashed & ~copies)
        if len(bank) and len(others):
            places, _ = nearest_hashes(bank, self.hashes[others], WITHIN)
            copies[others[places >= 0]] = True
        copies[rows] = True
        return copies

    def groups(self) -> Codes:
        """Number the groups of copies, and of copies of these, shape (N,); -1 is alone."""
        pairs, _ = _same(np.flatnonzero(self.content >= 0), self.content)
        look_same, rows = _same(np.flatnonzero(self.hashed), self.hashes)
        pairs += look_same
        pairs += ((rows[a], rows[b]) for a, b in near_pairs(self.hashes[rows], WITHIN))
        return _numbered(pairs, len(self.content))


def read_copies(store: Store) -> Copies:
    """Read what is known of an index's pictures: the sha256 of files, and perceptual hashes."""
    files = store.read(["content_hash"]).column("content_hash").to_pylist()
    found = _copies([file or None for file in files], known_hashes(store))
    return replace(found, decided=any(field.name == DECIDED for field in store.fields))


def look_alikes(hashes: Sequence[int | None]) -> Codes:
    """Number the groups of pictures that look the same, shape (N,); -1 is alone, or not hashed."""
    return _copies([None] * len(hashes), hashes).groups()


def join_groups(columns: NDArray[np.int64]) -> Codes:
    """Join the groups of several columns, shape (N, G), that share a row; -1 is alone in all."""
    pairs = [pair for codes in columns.T for pair in _same(np.flatnonzero(codes >= 0), codes)[0]]
    return _numbered(pairs, len(columns))


def leave_out_copies(
    split: Split, copies: Copies, *, of: Rows | None = None, keep: bool = False
) -> Split:
    """Leave copies of the test rows, or of others, out of training and validation, and count them.

    In leave-one-out, copies become groups whose members are no neighbors. Copies that you ``keep``
    are only counted.

    Raises:
        EvaluationError: If no row is left to train on.
    """
    if split.is_leave_one_out:
        return _keep_apart(split, copies, keep=keep)
    without, count = split.leave_out(np.flatnonzero(copies.of(split.test if of is None else of)))
    if not count:
        return _with_unknown(split, copies)
    found = f"{count:,} {'copy' if count == 1 else 'copies'} of test pictures ({copies.known_by})"
    if keep:
        note = f"{found} kept in training: the scores are too high"
        return replace(split, notes=(*split.notes, note))
    if not len(without.train):
        raise EvaluationError(
            f"{split.description}: every training picture is a copy of a test picture; choose "
            "another --split, or --keep-copies"
        )
    notes = (*split.notes, f"{found} left out of training")
    return replace(without, notes=notes, copies_left_out=count)


def _with_unknown(split: Split, copies: Copies) -> Split:
    return replace(split, notes=(*split.notes, copies.unknown)) if copies.unknown else split


def _keep_apart(split: Split, copies: Copies, *, keep: bool) -> Split:
    groups = copies.groups()
    among = np.full_like(groups, -1)
    among[split.test] = groups[split.test]
    of, counts = np.unique(among[among >= 0], return_counts=True)
    among[~np.isin(among, of[counts > 1])] = -1
    count = int((among >= 0).sum())
    if not count:
        return _with_unknown(split, copies)
    found = f"{count:,} pictures have copies ({copies.known_by})"
    if keep:
        note = f"{found}, which are their neighbors: the scores are too high"
        return replace(split, notes=(*split.notes, note))
    return replace(
        split,
        groups=np.column_stack([*([] if split.groups is None else [split.groups]), among]),
        notes=(*split.notes, f"{found}, which never count as neighbors"),
        copies_left_out=count,
    )


def _copies(files: Sequence[str | None], hashes: Sequence[int | None]) -> Copies:
    return Copies(
        encode(files)[0],
        np.array([each or 0 for each in hashes], dtype=np.uint64),
        np.array([each is not None for each in hashes], dtype=bool),
    )


def _numbered(pairs: Iterable[tuple[int, int]], rows: int) -> Codes:
    """Number the groups of pairs that share a member, shape (N,); -1 is alone."""
    group = np.full(rows, -1, dtype=np.int64)
    for number, members in enumerate(groups_of(pairs)):
        group[members] = number
    return group


def _same(rows: Rows, keys: NDArray[Any]) -> tuple[list[tuple[int, int]], Rows]:
    """Pair each row with the first that has its key; return the first rows of all keys as well."""
    _, first, place = np.unique(keys[rows], return_index=True, return_inverse=True)
    pairs = zip(rows[first[place]].tolist(), rows.tolist(), strict=True)
    return [(a, b) for a, b in pairs if a != b], rows[first]
