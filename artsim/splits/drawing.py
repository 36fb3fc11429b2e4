"""Seeded splits of labeled rows: stratified by class, groups kept whole on request.

Every function takes the class code of each row, shape (N,), and returns sorted rows. Rows of code
-1 have no label: they are split like one more class, so that one split serves several labels.
Groups are codes as well, shape (N,); a row of code -1 is a group of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.splits.parts import Rows

Codes = NDArray[np.integer]


def split(
    codes: Codes, fractions: Sequence[float], *, groups: Codes | None = None, seed: int
) -> tuple[Rows, ...]:
    """Divide the rows by fractions that add up to 1, as ``(0.7, 0.1, 0.2)``, in each class.

    Without groups the rows of a class in each part are as many as its fraction, give or take
    less than two; a class with one row has it in the first part, where it can be trained on. With
    groups each goes as a whole to the part where the classes of its rows are most wanting. No part
    is left without a row, or a group, as long as there are as many as parts.

    Raises:
        EvaluationError: If the fractions do not add up to 1, or there are fewer rows or groups
            than parts.
    """
    shares = np.array(fractions, dtype=np.float64)
    if len(shares) < 2 or (shares <= 0).any() or abs(shares.sum() - 1) > 1e-6:
        raise EvaluationError(
            f"fractions must be two or more above 0 that add up to 1, got {list(fractions)}"
        )
    _check_enough(codes, groups, len(shares), "parts")
    rng = np.random.default_rng(seed)
    if groups is None:
        return _rows_of(_stratify(codes, shares, rng), len(shares))
    return _rows_of(_place_groups(codes, groups, shares, rng), len(shares))


def k_fold(codes: Codes, k: int, *, groups: Codes | None = None, seed: int) -> tuple[Rows, ...]:
    """Divide the rows into k folds of equal size, in each class; k is at least 2.

    Without groups the rows of a class differ by at most one between folds, and so do the folds.

    Raises:
        EvaluationError: If there are fewer rows or groups than folds.
    """
    if k < 2:
        raise EvaluationError(f"k-fold needs at least 2 folds, got {k}")
    _check_enough(codes, groups, k, "folds")
    rng = np.random.default_rng(seed)
    if groups is not None:
        return _rows_of(_place_groups(codes, groups, np.full(k, 1 / k), rng), k)
    part = np.empty(len(codes), dtype=np.int64)
    part[_by_class(codes, rng)] = np.arange(len(codes)) % k
    return _rows_of(rng.permutation(k)[part], k)


def sample_per_class(codes: Codes, n: int, *, seed: int) -> Rows:
    """Draw n rows of each class at random, at least 1: all of a small class, none of code -1."""
    if n < 1:
        raise EvaluationError(f"a sample needs at least 1 row of each class, got {n}")
    order = _by_class(codes, np.random.default_rng(seed))
    ordered = codes[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))  # of each class
    place = np.arange(len(codes)) - np.repeat(first, np.diff(first, append=len(codes)))
    return np.sort(order[(place < n) & (ordered >= 0)])


def _by_class(codes: Codes, rng: np.random.Generator) -> Rows:
    """Order the rows by class, classes and rows within them shuffled."""
    classes, number = np.unique(codes, return_inverse=True)
    shuffled = rng.permutation(len(codes))
    class_order = rng.permutation(len(classes))
    return shuffled[np.argsort(class_order[number[shuffled]], kind="stable")]


def _stratify(codes: Codes, shares: NDArray[np.float64], rng: np.random.Generator) -> Rows:
    """Return the part of each row, drawn systematically from the rows in the order of classes.

    Every stretch of the order gives each part its share, give or take one row; so does each class.
    """
    part = np.zeros(len(codes), dtype=np.int64)
    _, number, counts = np.unique(codes, return_inverse=True, return_counts=True)
    left = _by_class(codes, rng)
    left = left[counts[number[left]] > 1]
    for i in range(len(shares) - 1, 0, -1):
        share = shares[i] / shares[: i + 1].sum()
        reached = np.floor(np.arange(len(left) + 1) * share + rng.random() + 1e-9)
        drawn = np.diff(reached) > 0
        part[left[drawn]] = i
        left = left[~drawn]
    for i in np.setdiff1d(np.arange(len(shares)), part):  # a part of few rows may have got none
        rows = np.flatnonzero(part == np.bincount(part).argmax())
        commonest = np.bincount(number[rows]).argmax()
        part[rng.choice(rows[number[rows] == commonest])] = i
    return part


def _place_groups(
    codes: Codes, groups: Codes, shares: NDArray[np.float64], rng: np.random.Generator
) -> Rows:
    """Return the part of each row, placing whole groups, the largest first.

    A group goes where it most lowers the chi-square between the rows that each part has of each
    class and those it should have; the last and smallest, to the parts that still have none.
    """
    alone = groups < 0
    groups = np.where(alone, groups.max() + 1 + np.cumsum(alone), groups)
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    _, number, counts = np.unique(codes, return_inverse=True, return_counts=True)
    pairs, amounts = np.unique(np.stack([group, number]), axis=1, return_counts=True)
    starts = np.searchsorted(pairs[0], np.arange(len(sizes) + 1))
    wanting = shares[:, None] * counts  # (parts, C) rows
    place = np.empty(len(sizes), dtype=np.int64)
    empty = np.ones(len(shares), dtype=bool)
    for placed, g in enumerate(np.lexsort((rng.random(len(sizes)), -sizes))):
        has = slice(starts[g], starts[g + 1])
        classes, rows = pairs[1, has], amounts[has]
        change = ((rows**2 - 2 * rows * wanting[:, classes]) / counts[classes]).sum(axis=1) / shares
        if len(sizes) - placed <= empty.sum():
            change = np.where(empty, change, np.inf)
        place[g] = change.argmin()
        empty[place[g]] = False
        wanting[place[g], classes] -= rows
    part: Rows = place[group]
    return part


def _rows_of(part: Rows, n_parts: int) -> tuple[Rows, ...]:
    return tuple(np.flatnonzero(part == i) for i in range(n_parts))


def _check_enough(codes: Codes, groups: Codes | None, wanted: int, what: str) -> None:
    """Check that each part or fold can have a row, or a group."""
    there, of, advice = len(codes), "rows", f"take fewer {what}"
    if groups is not None:
        if groups.shape != codes.shape:
            raise EvaluationError(f"there are {len(groups)} groups for {len(codes)} rows")
        there = len(np.unique(groups[groups >= 0])) + int((groups < 0).sum())
        of, advice = "groups", f"{advice} or group by another label"
    if there < wanted:
        raise EvaluationError(f"too few {of} for {wanted} {what}: {there:,}; {advice}")
