"""Copies of pictures: the one rule that keeps a test picture from being learned by its copy.

Copies have the same bytes, or look the same: their perceptual hashes, where they are known, are a
few bits apart. Copies of test pictures are left out of training and validation; where each picture
is tested with all others, a copy is no neighbor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.images import near_pairs
from artsim.labels import encode
from artsim.splits.hashes import known_hashes
from artsim.splits.leaks import WITHIN, nearest_hashes
from artsim.splits.parts import Codes, Rows, Split
from artsim.store import Store

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Copies:
    """Evidence that two of N rows show one picture."""

    content: Codes  # (N,) a code for each file's bytes; -1 is unknown
    hashes: NDArray[np.uint64]  # (N,) perceptual
    hashed: Mask  # (N,) whether there is one: not of a blank picture

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
        _, first, place = np.unique(self.content, return_index=True, return_inverse=True)
        same = first[place]
        same[self.content < 0] = np.flatnonzero(self.content < 0)
        group = _join(len(same), np.stack([np.arange(len(same)), same]), *self._alike())
        counts = np.bincount(group)
        return np.where(counts[group] > 1, group, -1)

    def _alike(self) -> tuple[Codes, Codes]:
        """Return pairs of rows that look the same, shapes (2, M) and (2, P)."""
        rows = np.flatnonzero(self.hashed)
        if not len(rows):
            return np.empty((2, 0), dtype=np.int64), np.empty((2, 0), dtype=np.int64)
        known, first, place = np.unique(self.hashes[rows], return_index=True, return_inverse=True)
        pairs = np.array(list(near_pairs(known, WITHIN)), dtype=np.int64).reshape(-1, 2).T
        return np.stack([rows, rows[first[place]]]), rows[first][pairs]


def read_copies(store: Store) -> Copies:
    """Read what is known of an index's pictures: the sha256 of files, and perceptual hashes."""
    files = store.read(["content_hash"]).column("content_hash").to_pylist()
    return _copies([file or None for file in files], known_hashes(store))


def look_alikes(hashes: Sequence[int | None]) -> Codes:
    """Number the groups of pictures that look the same, shape (N,); -1 is alone, or not hashed."""
    return _copies([None] * len(hashes), hashes).groups()


def leave_out_copies(
    split: Split, copies: Copies, *, of: Rows | None = None, keep: bool = False
) -> Split:
    """Leave copies of test pictures out of training and validation, and count them.

    Of leave-one-out the copies are noted as groups that are no neighbors.

    Args:
        split: The rows.
        copies: Which rows are copies.
        of: The test rows; those of the split if None.
        keep: Whether to keep them after all; they are still counted in a note.

    Raises:
        EvaluationError: If no row is left to train on.
    """
    if split.is_leave_one_out:
        return _keep_apart(split, copies.groups(), keep=keep)
    are_copies = copies.of(split.test if of is None else of)
    train, validation = (rows[~are_copies[rows]] for rows in (split.train, split.validation))
    count = len(split.learned) - len(train) - len(validation)
    if not count:
        return split
    if keep:
        note = f"{_count(count)} of test pictures kept in training: the scores are too high"
        return replace(split, notes=(*split.notes, note))
    if not len(train):
        raise EvaluationError(
            f"{split.description}: every training picture is a copy of a test picture; choose "
            "another --split, or --keep-copies"
        )
    note = f"{_count(count)} of test pictures left out of training"
    return replace(
        split,
        train=train,
        validation=validation,
        notes=(*split.notes, note),
        copies_left_out=count,
    )


def _keep_apart(split: Split, groups: Codes, *, keep: bool) -> Split:
    part = np.zeros(len(groups), dtype=bool)
    part[split.test] = True
    groups = np.where(part, groups, -1)
    of, counts = np.unique(groups[groups >= 0], return_counts=True)
    groups = np.where(np.isin(groups, of[counts > 1]), groups, -1)
    count = int((groups >= 0).sum())
    if not count:
        return split
    if keep:
        note = f"{count:,} pictures have copies, which are their neighbors: the scores are too high"
        return replace(split, notes=(*split.notes, note))
    known = [] if split.groups is None else [split.groups]
    return replace(
        split,
        groups=np.column_stack([*known, groups]),
        notes=(*split.notes, f"{count:,} pictures have copies, which are not their neighbors"),
        copies_left_out=count,
    )


def _copies(files: Sequence[str | None], hashes: Sequence[int | None]) -> Copies:
    return Copies(
        encode(files)[0],
        np.array([each or 0 for each in hashes], dtype=np.uint64),
        np.array([each is not None for each in hashes], dtype=bool),
    )


def _join(n: int, *pairs: Codes) -> Codes:
    """Number the connected components of n rows by pairs, each of shape (2, M)."""
    from scipy.sparse import coo_array  # takes a while to import
    from scipy.sparse.csgraph import connected_components

    a, b = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(n, n))
    group: Codes = connected_components(graph, directed=False)[1].astype(np.int64)
    return group


def _count(copies: int) -> str:
    return "1 copy" if copies == 1 else f"{copies:,} copies"
