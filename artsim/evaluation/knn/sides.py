"""Who may be whose neighbor: the sides of a split, and groups that are kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.images import groups_of, near_pairs
from artsim.labels import codes_of, derived_labels, encode
from artsim.splits.audit import Progress, picture_hashes
from artsim.splits.leaks import WITHIN
from artsim.splits.stored import SAMPLE, TEST, TRAIN, VAL, read_split
from artsim.store import Store

__all__ = ["NEAR_DUPLICATE", "Sides", "read_groups", "read_sides"]

NEAR_DUPLICATE = "near-duplicate"  # a group of pictures that look the same

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Sides:
    """The rows of each side, or none where every row asks all others."""

    train: Rows | None = None
    validation: Rows | None = None  # None: there is none
    test: Rows | None = None
    folds: NDArray[np.int64] | None = None  # (N,) fold of each row: no neighbors within one
    takes_part: NDArray[np.bool_] | None = None  # (N,); None: all


def read_sides(store: Store, name: str | None) -> Sides:
    """Read a split, or leave one out where none is named.

    Raises:
        EvaluationError: If it has nobody to learn from, or nobody to judge.
    """
    if name is None:
        return Sides()
    split = read_split(store, name)
    takes_part = np.array([side is not None for side in split.sides])
    if split.is_folds:  # every row is judged by what its fold has not seen
        return Sides(folds=encode(split.sides)[0], takes_part=takes_part)
    if list(split.counts) == [SAMPLE]:
        return Sides(takes_part=takes_part)
    judged = next((side for side in (TEST, VAL) if side in split.counts), None)
    if TRAIN not in split.counts or judged is None:
        found = ", ".join(split.counts) or "none of them"
        kind = "split" if split.plan else "split column"
        raise EvaluationError(
            f"{kind} {split.name!r} needs rows of 'train' and of 'test' (or 'val'); it has {found}"
        )
    has_validation = judged == TEST and VAL in split.counts
    return Sides(
        train=split.rows(TRAIN),
        validation=split.rows(VAL) if has_validation else None,
        test=split.rows(judged),
    )


def read_groups(
    store: Store, names: Sequence[str], *, workers: int, progress: Progress
) -> NDArray[np.int64]:
    """Return group codes, one column a name, shape (N, G); -1 is no group.

    Args:
        store: The index.
        names: Of columns or labels; `NEAR_DUPLICATE`, where no column is called so, joins the
            pictures that look the same, and those that look the same as these.
        workers: Threads that decode pictures to compare their looks.
        progress: Called while they do.

    Raises:
        EvaluationError: If there is no such column.
    """
    columns = {*(field.name for field in store.manifest.fields), *derived_labels(store)}
    groups = np.empty((store.rows, len(names)), dtype=np.int64)
    for place, name in enumerate(names):
        if name == NEAR_DUPLICATE and name not in columns:
            groups[:, place] = _look_alikes(
                picture_hashes(store, workers=workers, progress=progress)
            )
        else:
            groups[:, place] = codes_of(store, name)
    return groups


def _look_alikes(hashes: Sequence[int | None]) -> NDArray[np.int64]:
    """Number the groups of pictures whose hashes are a few bits apart; -1 is a blank picture."""
    known, number = np.unique(
        np.array([each or 0 for each in hashes], dtype=np.uint64), return_inverse=True
    )
    group = np.arange(len(known))
    for members in groups_of(near_pairs(known, WITHIN)):
        group[members] = members[0]
    hashed = np.array([each is not None for each in hashes])
    return np.where(hashed, group[number], -1)
