"""What people made by the ids of an index's works, where no work has these ids any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from artsim.errors import StoreError
from artsim.labels import read_sets
from artsim.prediction import find_head, head_names, load_head
from artsim.splits import DECIDED, read_stored_split, stored_splits
from artsim.store import MAPPED, AddedColumn, RowsById, Store


@dataclass(frozen=True)
class Unmatched:
    """How much of one thing matches no work; it is kept, and matches again with the ids of then."""

    what: str  # in words: "works of the set 'boats'"
    count: int
    of: int

    def __str__(self) -> str:
        return f"{self.count:,} of {self.of:,} {self.what}"


def find_unmatched(store: Store) -> list[Unmatched]:
    """Find sets, decisions, reviews, marks of concepts and splits whose ids no work has.

    Predictions are left out, as they are made again, and so are damaged files, which 'artsim info
    --check' names.
    """
    known = RowsById(block.column(0) for block in store.blocks(["id"]))
    found = []
    for what, read in _kept_by_id(store):
        with suppress(StoreError):
            ids = read()
            lost = int((known.find_all([pa.array(ids, pa.string())]) < 0).sum())
            found.append(Unmatched(what, lost, len(ids)))
    for name in stored_splits(store):
        with suppress(StoreError):
            split = read_stored_split(store, name)
            here = sum(part is not None for part in split.parts) + split.left_out
            found.append(Unmatched(f"works of the split {name!r}", split.gone, split.gone + here))
    return [each for each in found if each.count]


def _kept_by_id(store: Store) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Yield what has ids, and what reads them."""
    sets: dict[str, list[str]] = {}
    with suppress(StoreError):
        sets = read_sets(store)
    for name, ids in sets.items():
        yield f"works of the set {name!r}", ids.copy
    for name, column in store.added.items():
        if name not in sets and name != MAPPED and not column.is_prediction:
            what = "works decided to be duplicates" if name == DECIDED else f"values of {name!r}"
            yield what, partial(_ids, column)
    for name in head_names(store):
        with suppress(StoreError):
            marks = load_head(find_head(store, name)).marks
            if marks is not None:
                yield f"marks of the concept {name!r}", partial(list, marks.ids)


def _ids(column: AddedColumn) -> list[str]:
    ids: list[str] = column.read().column("id").to_pylist()
    return ids
