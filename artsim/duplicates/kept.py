"""The duplicates that were found in an index, kept in its folder: ``duplicates.parquet``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim.duplicates.groups import DuplicateKind, Group, Pair
from artsim.errors import StoreError
from artsim.store import Store, read_parquet, write_parquet, write_whole

_SETTINGS = b"artsim"  # key in the Parquet file
_PAIRS = pa.schema(
    {
        "group": pa.int32(),  # from 0, the most certain kind first
        "first": pa.int64(),  # row
        "second": pa.int64(),
        "kind": pa.string(),
        "bits": pa.int32(),
        "score": pa.float64(),
        "transform": pa.string(),
        "group_kind": pa.string(),
        "group_lowest": pa.float64(),
        "group_highest": pa.float64(),
    }
)
_TEXTS = ("kind", "index", "id", "image", "other_index", "other_id", "other_image")
# What a table of pairs has for people, and the types of its columns.
PAIR_COLUMNS = {"group": "int32", **dict.fromkeys(_TEXTS, "string")}
PAIR_COLUMNS |= {"bits": "int32", "score": "float"}
PAIR_COLUMNS |= {"transform": "string"}  # what makes the other picture of the first
PAIR_COLUMNS |= {"group_kind": "string", "group_lowest": "float", "group_highest": "float"}

Known = Sequence[tuple[str, str, str | None]] | Mapping[int, tuple[str, str, str | None]]


class KeptGroups:
    """The groups that were found in an index, the most certain kind first.

    Only those that are asked for become objects: a large collection can have very many pairs.
    """

    def __init__(self, pairs: pa.Table) -> None:
        self.table = pairs
        group = np.asarray(pairs.column("group"), dtype=np.int64)
        self._starts = np.searchsorted(group, np.arange((group.max() + 1 if len(group) else 0) + 1))
        ends = np.concatenate([np.asarray(pairs.column(name)) for name in ("first", "second")])
        self._rows, at = np.unique(ends.astype(np.int64), return_index=True)  # that have a group
        self._groups = np.tile(group, 2)[at]
        self.kinds = np.asarray(pairs.column("group_kind"))[self._starts[:-1]]  # of each group
        self.works = len(self._rows)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def group(self, number: int) -> Group:
        """Return a group by its number, from 0."""
        start, end = self._starts[number : number + 2]
        found = self.table.slice(start, end - start).to_pylist()
        names = ("first", "second", "bits", "score", "transform")
        pairs = tuple(
            Pair(kind=DuplicateKind(each["kind"]), **{name: each[name] for name in names})
            for each in found
        )
        works = sorted({row for pair in pairs for row in (pair.first, pair.second)})
        first = found[0]
        return Group(
            DuplicateKind(first["group_kind"]),
            tuple(works),
            pairs,
            first["group_lowest"],
            first["group_highest"],
        )

    def numbers(self, kind: DuplicateKind | None = None) -> NDArray[np.int64]:
        """Return the numbers of the groups of a kind, or of all."""
        is_of = np.full(len(self), True) if kind is None else self.kinds == kind
        return np.flatnonzero(is_of)

    def with_work(self, row: int) -> int | None:
        """Return the number of the group that a work is in; None if it is in none."""
        at = int(np.searchsorted(self._rows, row))
        is_in = at < len(self._rows) and self._rows[at] == row
        return int(self._groups[at]) if is_in else None


def pack_groups(groups: Sequence[Group]) -> KeptGroups:
    """Return groups of one index as a table keeps them."""
    pairs = [
        (
            *(number, pair.first, pair.second, str(pair.kind), pair.bits, pair.score),
            *(pair.transform, str(group.kind), group.lowest, group.highest),
        )
        for number, group in enumerate(groups)
        for pair in group.pairs
    ]
    columns = zip(*pairs, strict=True) if pairs else ([] for _ in _PAIRS)
    return KeptGroups(pa.table([list(each) for each in columns], schema=_PAIRS))


def keep_groups(store: Store, groups: KeptGroups) -> None:
    """Keep what was found in an index.

    Raises:
        StoreError: If it cannot be written.
    """
    settings = json.dumps({"fingerprint": store.fingerprint})
    table = groups.table.replace_schema_metadata({_SETTINGS: settings})
    write_whole(groups_file(store), lambda stream: write_parquet(stream, table))


def kept_groups(store: Store) -> KeptGroups | None:
    """Return what was found in an index as it is now; None if nothing was looked for."""
    file = groups_file(store)
    if not file.is_file():
        return None
    try:
        table = read_parquet(file, None, remedy="run 'artsim dupes' again")
        settings = json.loads((table.schema.metadata or {}).get(_SETTINGS, b"{}"))
        if settings.get("fingerprint") != store.fingerprint:
            return None
        return KeptGroups(table.select(_PAIRS.names).cast(_PAIRS))
    except (StoreError, ValueError, KeyError, pa.ArrowException):
        return None  # damaged: it is looked for again


def groups_file(store: Store) -> Path:
    """Return where the duplicates of an index are kept."""
    return store.path / "duplicates.parquet"


def pair_rows(groups: Sequence[Group], known: Known) -> Iterator[dict[str, Any]]:
    """Yield a row for each pair, with `PAIR_COLUMNS`.

    Args:
        groups: What was found.
        known: Index, id and picture by row.
    """
    for number, group in enumerate(groups, 1):
        for pair in group.pairs:
            ends = (*known[pair.first], *known[pair.second])
            score = None if pair.score is None else round(pair.score, 6)
            extremes = (each and round(each, 6) for each in (group.lowest, group.highest))
            found = (str(pair.kind), *ends, pair.bits, score, pair.transform)
            values = (number, *found, str(group.kind), *extremes)
            yield dict(zip(PAIR_COLUMNS, values, strict=True))
