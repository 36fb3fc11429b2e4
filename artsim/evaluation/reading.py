"""What every evaluation reads of an index: its labels and its unit vectors."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from artsim.errors import EvaluationError
from artsim.labels import Label, label_columns, read_label
from artsim.metrics import blocks_to_unit
from artsim.splits import Among
from artsim.store import RowsById, Store


def choose_labels(
    store: Store,
    named: Collection[str],
    taken: Collection[str | None] = (),
    among: Among | None = None,
) -> tuple[tuple[str, ...], dict[str, str]]:
    """List the labels that are named, or all columns that can be labels but those taken.

    Returns:
        The names, and why other columns cannot be labels, if none is named.

    Raises:
        EvaluationError: If the index has no picture, or no label.
    """
    if not store.rows:
        raise EvaluationError(f"{str(store)!r} holds no picture; see 'artsim info'")
    names, not_labels = tuple(dict.fromkeys(named)), dict[str, str]()
    if not names:
        possible, not_labels = label_columns(store, among.rows if among else None)
        names = tuple(name for name in possible if name not in taken)
    if not names:
        raise EvaluationError(
            f"no column of {str(store)!r} can be a label{_where(among)}; see 'artsim info', "
            "or name one with --label"
        )
    return names, not_labels


def read_among(
    store: Store, name: str, among: Among | None, *, keep_qualified: bool = False
) -> Label:
    """Read a label of the rows that take part, see `artsim.labels.read_label`."""
    if among is None:
        return read_label(store, name, keep_qualified=keep_qualified)
    return _among(store, name, among, keep_qualified=keep_qualified)


def unit_vectors(store: Store, tap: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Read unit vectors (N, D), and which rows have one: a vector of zeros is none.

    Raises:
        EvaluationError: If a value is not finite.
    """
    shape, name = (store.rows, store.tap(tap).dim), f"the vectors {tap!r} of {str(store)!r}"
    vectors, empty = blocks_to_unit(store.iter_vectors(tap), shape, name)
    return vectors, ~np.isin(np.arange(len(vectors)), empty)


def rows_of(first: Store, other: Store) -> NDArray[np.int64]:
    """Find the other index's row of each row of the first by id, -1 where it has none.

    Raises:
        EvaluationError: If they have no id in common.
    """
    wanted, ids = ((block.column(0) for block in store.blocks(["id"])) for store in (first, other))
    rows = RowsById(ids).find_all(wanted)
    if (rows < 0).all():
        raise EvaluationError(
            f"{str(other.path)!r} has none of the ids of {str(first.path)!r}; compare indexes of "
            "one catalog"
        )
    return rows


def _among(store: Store, name: str, among: Among, *, keep_qualified: bool = False) -> Label:
    label = read_label(store, name, keep_qualified=keep_qualified)
    kept = label.among(among.rows)
    if label.qualified:  # of all rows
        every = read_label(store, name, keep_qualified=True).keep(among.rows)
        kept = replace(kept, qualified=int(every.known.sum() - kept.known.sum()))
    return kept


def _where(among: Among | None) -> str:
    return f" where {among.where}" if among else ""
