"""Splits that are stored with an index: which part of the split each row is in.

A stored split is ``splits/NAME.parquet`` in the index folder: the id and the part of each row (in
a column called side), and how they were drawn. Ids decide, so that rows which `embed` adds, drops
or moves never change parts; rows that were added since are in no part, and are counted.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from artsim.datatypes import shown_path
from artsim.errors import EvaluationError, StoreError
from artsim.labels import codes_of, column_of, derived_labels, group_codes, values_of, with_columns
from artsim.splits.drawing import k_fold, sample_per_class, split
from artsim.splits.parts import SAMPLE, TEST, TRAIN, VAL, Rows, Split
from artsim.store import Store, lock_index, read_parquet, write_parquet, write_whole

_FOLD = re.compile(r"fold [1-9]\d*")

# What catalogs call the parts, in lower case.
_PARTS = {"train": TRAIN, "training": TRAIN, "test": TEST, "testing": TEST}
_PARTS |= {"val": VAL, "valid": VAL, "validation": VAL, "dev": VAL}

_FILE_NAME = re.compile(r"[^\W_][\w.-]{0,99}")
_PLAN = b"artsim"  # key of the plan in the Parquet file


@dataclass(frozen=True, kw_only=True)
class SplitPlan:
    """How a split is drawn."""

    fractions: tuple[float, ...] | None = None  # train, test or train, val, test; add up to 1
    folds: int | None = None  # instead of fractions
    stratify: str | None = None  # label whose classes each part has in the same shares
    group: str | None = None  # label whose values are never in two parts: artist
    per_class: int | None = None  # rows drawn of each class of ``stratify`` first
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class StoredSplit:
    """Which part of a split each row of an index is in."""

    name: str
    parts: tuple[str | None, ...]  # (N,): train, val, test, fold N, sample; None: in none
    plan: SplitPlan | None = None  # None: a column of the catalog
    left_out: int = 0  # rows that were not drawn
    unassigned: int = 0  # rows that were added to the index later
    gone: int = 0  # ids that are no longer in the index

    @cached_property
    def counts(self) -> dict[str, int]:
        """The number of rows of each part, train first."""
        counts = Counter(part for part in self.parts if part is not None)
        return {part: counts[part] for part in sorted(counts, key=_part_order)}

    @property
    def is_folds(self) -> bool:
        """Whether each row is in one of several folds."""
        return len(self.counts) > 1 and all(map(_FOLD.fullmatch, self.counts))

    @property
    def is_sample(self) -> bool:
        """Whether some rows were drawn and not divided."""
        return list(self.counts) == [SAMPLE]

    def rows(self, *parts: str) -> Rows:
        """Return the rows of these parts, in order."""
        return np.flatnonzero([part in parts for part in self.parts])


def make_split(store: Store, name: str, plan: SplitPlan, *, replace: bool = False) -> StoredSplit:
    """Divide an index's rows and store which part each is in; a name is used once, or replaced.

    Raises:
        EvaluationError: If the name or the plan is not valid, or the rows cannot be divided so.
        StoreError: If it cannot be written.
    """
    if not _FILE_NAME.fullmatch(name):
        raise EvaluationError(
            f"{name!r} is not a valid name for a split; use letters, digits, - and _"
        )
    if name in [field.name for field in store.fields]:
        raise EvaluationError(f"{name!r} is a column of {str(store)!r}; choose another name")
    with lock_index(store.path):
        store = Store.open(store.path)
        plan = with_columns(store, plan)
        if name in stored_splits(store) and not replace:
            raise EvaluationError(
                f"{str(store)!r} has a split {name!r}; choose another --name, or --replace it"
            )
        _write_split(store, name, _draw(store, plan), plan)
    return read_stored_split(store, name)


def store_split(store: Store, name: str, made: Split) -> None:
    """Store the parts of a split that was made elsewhere, and replace one of the same name.

    Raises:
        StoreError: If it cannot be written.
    """
    with lock_index(store.path):
        _write_split(store, name, made.parts, SplitPlan())


def read_stored_split(store: Store, name: str) -> StoredSplit:
    """Read a stored split, or a column with the values train, val or test.

    Raises:
        EvaluationError: If there is neither, or both.
        StoreError: If the split's file is damaged.
    """
    stored, fields = stored_splits(store), [field.name for field in store.fields]
    if name not in stored:
        name = column_of(store, name)
        if name not in fields and name not in derived_labels(store):
            splits = f"splits are {', '.join(stored)}" if stored else "there is no split yet"
            raise EvaluationError(
                f"no split or column {name!r}; {splits}, columns are {', '.join(fields)}; make a "
                f"split with 'artsim split'"
            )
        values = values_of(store, name)
        return StoredSplit(name=name, parts=tuple(map(part_of, values)))
    if name in fields:
        raise EvaluationError(
            f"{name!r} is a split and, since the last embed, a column as well; delete "
            f"{str(_split_file(store, name))!r} or rename it"
        )
    part, plan = _read_file(_split_file(store, name))
    ids = store.read(["id"]).column("id").to_pylist()
    parts = tuple(part.get(id_) for id_ in ids)
    known = sum(id_ in part for id_ in ids)
    return StoredSplit(
        name=name,
        parts=parts,
        plan=plan,
        left_out=known - sum(each is not None for each in parts),
        unassigned=len(ids) - known,
        gone=len(part) - known,
    )


def stored_splits(store: Store) -> list[str]:
    """List the names of the splits that are stored with an index."""
    return sorted(file.stem for file in (store.path / "splits").glob("[!.]*.parquet"))


def part_of(value: str | None) -> str | None:
    """Return the part that a catalog's word stands for, or None."""
    return None if value is None else _PARTS.get(value.strip().lower())


def _draw(store: Store, plan: SplitPlan) -> dict[str, Rows]:
    """Return the rows of each part."""
    _check(plan)
    codes, drawn = np.zeros(store.rows, dtype=np.int64), np.arange(store.rows)
    if plan.stratify is not None:
        codes = codes_of(store, plan.stratify)
    if plan.per_class is not None:
        drawn = sample_per_class(codes, plan.per_class, seed=plan.seed)
    groups = None if plan.group is None else group_codes(store, plan.group)[drawn]
    codes = codes[drawn]
    if plan.folds is not None:
        divided = k_fold(codes, plan.folds, groups=groups, seed=plan.seed)
        return {f"fold {number}": drawn[rows] for number, rows in enumerate(divided, 1)}
    if plan.fractions is not None:
        divided = split(codes, plan.fractions, groups=groups, seed=plan.seed)
        names = (TRAIN, TEST) if len(plan.fractions) == 2 else (TRAIN, VAL, TEST)
        return {name: drawn[rows] for name, rows in zip(names, divided, strict=True)}
    return {SAMPLE: drawn}


def _check(plan: SplitPlan) -> None:
    if plan.folds is not None and plan.fractions is not None:
        raise EvaluationError("a split has fractions or folds, not both; leave one out")
    if plan.fractions is not None and len(plan.fractions) not in (2, 3):
        raise EvaluationError(
            f"a split has 2 fractions (train, test) or 3 (train, val, test), "
            f"got {len(plan.fractions)}"
        )
    if plan.per_class is not None and plan.stratify is None:
        raise EvaluationError("a number of rows per class needs a label; name it with --stratify")
    if plan.fractions is None and plan.folds is None and plan.per_class is None:
        raise EvaluationError("a split needs fractions, folds, or a number of rows per class")


def _write_split(store: Store, name: str, parts: Mapping[str, Rows], plan: SplitPlan) -> None:
    part_of_row = np.full(store.rows, None, dtype=object)
    for part, rows in parts.items():
        part_of_row[rows] = part
    ids, column = store.read(["id"]).column("id"), pa.array(part_of_row, pa.string())
    table = pa.table({"id": ids, "side": column})
    table = table.replace_schema_metadata({_PLAN: json.dumps(asdict(plan)).encode()})
    write_whole(
        _split_file(store, name),
        lambda stream: write_parquet(stream, table),
    )


def _split_file(store: Store, name: str) -> Path:
    return store.path / "splits" / f"{name}.parquet"


def _read_file(file: Path) -> tuple[dict[str, str | None], SplitPlan]:
    remedy = "delete it and split again"
    table = read_parquet(file, ["id", "side"], remedy=remedy)
    try:
        plan: dict[str, Any] = json.loads(table.schema.metadata[_PLAN])
        plan["fractions"] = plan["fractions"] and tuple(plan["fractions"])
        ids, parts = (column.to_pylist() for column in table.columns)
        return dict(zip(ids, parts, strict=True)), SplitPlan(**plan)
    except (ValueError, KeyError, TypeError) as error:
        problem = str(error).splitlines()[0]
        message = f"{shown_path(file)!r} is damaged ({problem}); {remedy}"
        raise StoreError(message) from error


def _part_order(part: str) -> tuple[int, int, str]:
    named = (TRAIN, VAL, TEST)
    place = named.index(part) if part in named else len(named)
    return place, int(part.split()[1]) if _FOLD.fullmatch(part) else 0, part
