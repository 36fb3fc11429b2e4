"""Labels cut down to their most frequent classes, and to the pictures that have all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from artsim.errors import TrainingError
from artsim.labels.targets import Target
from artsim.labels.values import Members

__all__ = ["in_all", "most_frequent"]


def most_frequent(target: Target, n: int, *, without: Sequence[str] = ()) -> Target:
    """Keep a label's most frequent classes; pictures of none of them have no label.

    Args:
        target: A label of one class a picture or of several.
        n: Classes to keep; of equally frequent ones the first by name.
        without: Names, in any case, that are no class: 'anonymous'.
    """
    counts = np.bincount(_codes(target), minlength=len(target.classes))
    names = {name.casefold() for name in without}
    counts[[i for i, name in enumerate(target.classes) if name.casefold() in names]] = 0
    kept = np.zeros(len(counts), dtype=bool)
    kept[np.argsort(-counts, kind="stable")[:n]] = True
    every = np.ones(len(target.strata), dtype=bool)
    return _keep(target, kept & (counts > 0), every)


def in_all(targets: Sequence[Target]) -> tuple[Target, ...]:
    """Keep the pictures that have every label, and the classes that are left to them.

    Raises:
        TrainingError: If no picture has them all.
    """
    rows = np.all([target.strata >= 0 for target in targets], axis=0)
    if not rows.any():
        names = ", ".join(target.name for target in targets)
        raise TrainingError(f"no picture has all of {names}; ask for more classes of each")
    return tuple(_keep(target, np.ones(len(target.classes), bool), rows) for target in targets)


def _codes(target: Target) -> NDArray[np.int64]:
    """List the class codes of all pictures, one after the other."""
    if target.members is not None:
        return target.members.codes
    return target.strata[target.labeled]


def _keep(target: Target, classes: NDArray[np.bool_], rows: NDArray[np.bool_]) -> Target:
    """Keep some classes, (K,), and some rows, (N,); classes that no row has go too."""
    if target.members is None:
        old = np.where(rows, target.strata, -1)
        old = np.where((old >= 0) & classes[old], old, -1)
        found, codes = np.unique(old[old >= 0], return_inverse=True)
        strata = np.full_like(old, -1)
        strata[old >= 0] = codes
        names = tuple(target.classes[code] for code in found)
        return replace(target, strata=strata, classes=names)
    members = target.members
    row_of = np.repeat(np.arange(len(rows)), np.diff(members.starts))
    stays = rows[row_of] & classes[members.codes]
    found, codes = np.unique(members.codes[stays], return_inverse=True)
    counts = np.bincount(row_of[stays], minlength=len(rows))
    starts = np.append(0, np.cumsum(counts))
    strata = np.full(len(rows), -1, dtype=np.int64)
    strata[counts > 0] = codes[starts[:-1][counts > 0]]
    names = tuple(target.classes[code] for code in found)
    return replace(target, strata=strata, classes=names, members=Members(starts, codes, names))
