"""Splits that are stored with an index: which side of it each row is on.

A stored split is ``splits/NAME.parquet`` in the index folder: an id and a side a row, and how they
were drawn. It goes by id, so that rows which `embed` adds, drops or moves never change sides; a row
that was added since is on no side, and that is counted.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from artsim.errors import EvaluationError, StoreError
from artsim.labels import codes_of, derived_labels, values_of
from artsim.splits import drawing as splits
from artsim.store import Store, lock_index, write_whole

__all__ = [
    "SAMPLE",
    "TEST",
    "TRAIN",
    "VAL",
    "Split",
    "SplitPlan",
    "keep_split",
    "make_split",
    "read_split",
    "side_of",
    "stored_splits",
]

TRAIN, VAL, TEST = "train", "val", "test"
SAMPLE = "sample"  # drawn, and not divided
_FOLD = re.compile(r"fold [1-9]\d*")

# What catalogs call the sides, in lower case.
_SIDES = {"train": TRAIN, "training": TRAIN, "test": TEST, "testing": TEST}
_SIDES |= {"val": VAL, "valid": VAL, "validation": VAL, "dev": VAL}

_FILE_NAME = re.compile(r"[^\W_][\w.-]{0,99}")
_PLAN = b"artsim"  # key of the plan in the Parquet file


@dataclass(frozen=True, kw_only=True)
class SplitPlan:
    """How a split is drawn."""

    fractions: tuple[float, ...] | None = None  # train, test or train, val, test; add up to 1
    folds: int | None = None  # instead of fractions
    stratify: str | None = None  # label whose classes are divided alike
    group: str | None = None  # label whose values stay on one side: artist
    per_class: int | None = None  # rows drawn of each class of ``stratify`` before all that
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Split:
    """Which side each row of an index is on."""

    name: str
    sides: tuple[str | None, ...]  # (N,): train, val, test, fold N, sample; None: on none
    plan: SplitPlan | None = None  # None: a column of the catalog
    left_out: int = 0  # rows that were not drawn
    unassigned: int = 0  # rows that came to the index after the split was made
    gone: int = 0  # ids that have left it since

    @cached_property
    def counts(self) -> dict[str, int]:
        """Rows of each side, train first."""
        counts = Counter(side for side in self.sides if side is not None)
        return {side: counts[side] for side in sorted(counts, key=_side_order)}

    @property
    def is_folds(self) -> bool:
        """Whether each row is in one of several folds."""
        return len(self.counts) > 1 and all(map(_FOLD.fullmatch, self.counts))

    def rows(self, *sides: str) -> NDArray[np.int64]:
        """Return the rows on these sides, in order."""
        wanted = [row for row, side in enumerate(self.sides) if side in sides]
        return np.array(wanted, dtype=np.int64)


def make_split(store: Store, name: str, plan: SplitPlan, *, replace: bool = False) -> Split:
    """Divide an index's rows and store who is on which side.

    Args:
        store: The index.
        name: Of the split; a file is called so.
        plan: How.
        replace: Whether a split of this name may be there already.

    Raises:
        EvaluationError: If the name or the plan is of no use, or the rows cannot be so divided.
        StoreError: If it cannot be written.
    """
    if not _FILE_NAME.fullmatch(name):
        raise EvaluationError(f"no split can be called {name!r}; use letters, digits, - and _")
    if name in [field.name for field in store.manifest.fields]:
        raise EvaluationError(f"{name!r} is a column of {str(store.path)!r}; choose another name")
    with lock_index(store.path):
        store = Store.open(store.path)
        if name in stored_splits(store) and not replace:
            raise EvaluationError(
                f"{str(store.path)!r} has a split {name!r}; choose another --name, or --replace "
                "it and measure again"
            )
        sides = _draw(store, plan)
        _write_split(store, name, sides, plan)
    return read_split(store, name)


def keep_split(store: Store, name: str, sides: Sequence[str | None]) -> None:
    """Store a split that was made elsewhere, in the place of one of the same name.

    Args:
        store: The index.
        name: Of the split; a file is called so.
        sides: Of each row, None for rows on none.

    Raises:
        StoreError: If it cannot be written.
    """
    with lock_index(store.path):
        _write_split(store, name, sides, SplitPlan())


def read_split(store: Store, name: str) -> Split:
    """Read a stored split, or take a column that says train, val or test as one.

    Raises:
        EvaluationError: If there is neither, or both.
        StoreError: If the split's file is damaged.
    """
    stored, fields = stored_splits(store), [field.name for field in store.manifest.fields]
    if name not in stored:
        if name not in fields and name not in derived_labels(store) and stored:
            raise EvaluationError(
                f"no split or column {name!r}; splits are {', '.join(stored)}, columns are "
                f"{', '.join(fields)}"
            )
        values = values_of(store, name)
        return Split(name=name, sides=tuple(map(side_of, values)))
    if name in fields:
        raise EvaluationError(
            f"{name!r} is a split and, since the last embed, a column as well; delete "
            f"{str(_split_file(store, name))!r} or rename it"
        )
    side, plan = _read_file(_split_file(store, name))
    ids = store.read(["id"]).column("id").to_pylist()
    sides = tuple(side.get(id_) for id_ in ids)
    known = sum(id_ in side for id_ in ids)
    return Split(
        name=name,
        sides=sides,
        plan=plan,
        left_out=known - sum(each is not None for each in sides),
        unassigned=len(ids) - known,
        gone=len(side) - known,
    )


def stored_splits(store: Store) -> list[str]:
    """Name the splits that are stored with an index."""
    return sorted(file.stem for file in (store.path / "splits").glob("[!.]*.parquet"))


def side_of(value: str | None) -> str | None:
    """Return the side that a catalog's word means, or None."""
    return None if value is None else _SIDES.get(value.strip().lower())


def _draw(store: Store, plan: SplitPlan) -> list[str | None]:
    """Return the side of each row."""
    _check(plan)
    codes = np.zeros(store.rows, dtype=np.int64)
    if plan.stratify is not None:
        codes = codes_of(store, plan.stratify)
    groups = None if plan.group is None else codes_of(store, plan.group)
    drawn = np.arange(store.rows)
    if plan.per_class is not None:
        drawn = splits.sample_per_class(codes, plan.per_class, seed=plan.seed)
    codes, groups = codes[drawn], None if groups is None else groups[drawn]
    if plan.folds is not None:
        parts = splits.k_fold(codes, plan.folds, groups=groups, seed=plan.seed)
        names: Sequence[str] = [f"fold {number}" for number in range(1, plan.folds + 1)]
    elif plan.fractions is not None:
        parts = splits.split(codes, plan.fractions, groups=groups, seed=plan.seed)
        names = (TRAIN, TEST) if len(plan.fractions) == 2 else (TRAIN, VAL, TEST)
    else:
        parts, names = (np.arange(len(drawn)),), (SAMPLE,)
    sides: list[str | None] = [None] * store.rows
    for name, part in zip(names, parts, strict=True):
        for row in drawn[part]:
            sides[row] = name
    return sides


def _check(plan: SplitPlan) -> None:
    if plan.folds is not None and plan.fractions is not None:
        raise EvaluationError("a split has fractions or folds, not both; leave one out")
    if plan.fractions is not None and len(plan.fractions) not in (2, 3):
        raise EvaluationError(
            f"a split has 2 fractions (train, test) or 3 (train, val, test), "
            f"got {len(plan.fractions)}"
        )
    if plan.per_class is not None and plan.stratify is None:
        raise EvaluationError("rows per class of which label? name it with --stratify")
    if plan.fractions is None and plan.folds is None and plan.per_class is None:
        raise EvaluationError("a split needs fractions, folds, or a number of rows per class")


def _write_split(store: Store, name: str, sides: Sequence[str | None], plan: SplitPlan) -> None:
    table = pa.table(
        {
            "id": store.read(["id"]).column("id"),
            "side": pa.array(sides, pa.string()),
        }
    ).replace_schema_metadata({_PLAN: json.dumps(asdict(plan)).encode()})
    write_whole(
        _split_file(store, name),
        lambda stream: pq.write_table(table, stream, compression="zstd"),
    )


def _split_file(store: Store, name: str) -> Path:
    return store.path / "splits" / f"{name}.parquet"


def _read_file(file: Path) -> tuple[dict[str, str | None], SplitPlan]:
    try:
        with pq.ParquetFile(file) as parquet:
            table = parquet.read(["id", "side"])
            plan: dict[str, Any] = json.loads(parquet.schema_arrow.metadata[_PLAN])
        if plan["fractions"] is not None:
            plan["fractions"] = tuple(plan["fractions"])
        sides = table.column("side").to_pylist()
        return dict(zip(table.column("id").to_pylist(), sides, strict=True)), SplitPlan(**plan)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        problem = str(error).splitlines()[0]
        raise StoreError(
            f"{str(file)!r} is damaged ({problem}); delete it and split again"
        ) from error


def _side_order(side: str) -> tuple[int, int, str]:
    named = (TRAIN, VAL, TEST)
    place = named.index(side) if side in named else len(named)
    return place, int(side.split()[1]) if _FOLD.fullmatch(side) else 0, side
