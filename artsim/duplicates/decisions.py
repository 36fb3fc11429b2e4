"""What was decided about duplicates, as a column: works that are one share a value of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from artsim import __version__
from artsim.datatypes import Field, FieldType
from artsim.errors import EvaluationError
from artsim.images import groups_of
from artsim.labels import refuse_taken
from artsim.readers import open_delimited
from artsim.splits import DECIDED
from artsim.store import IDENTITY, Store, csv_value, lock_index, remove_added, write_added

SAME_WORK = DECIDED
_COLUMNS = ("id", "other_id", "decision", "keep")
_DUPLICATE, _DIFFERENT = "duplicate", "not a duplicate"  # decisions


@dataclass(frozen=True)
class Decisions:
    """What a file of decisions says."""

    works: int  # that are the same as another
    groups: int
    different: int  # pairs
    open: int  # pairs without a decision
    problems: tuple[str, ...]


def read_decisions(store: Store, file: Path) -> Decisions:
    """Read what was decided about pairs, and store it as the column `SAME_WORK` of the index.

    Works that are duplicates, also in chains, share a value: the id of the one to keep, or the
    first. The file replaces what was read before, unless nothing of it can be read. A row that
    cannot be is reported, and the rest is read.

    Raises:
        ReaderError: If the file cannot be read.
        EvaluationError: If it lacks a column, or the index has another column by the name.
        StoreError: If the column cannot be written.
    """
    table = open_delimited(file)
    for name in _COLUMNS:
        if name not in table.names:
            raise EvaluationError(
                f"{str(file)!r} lacks the column {name!r}; export it from Duplicates in 'artsim "
                "serve', or add the columns decision and keep to a file of 'artsim dupes -o'"
            )
    ids = store.read(["id"]).column("id").to_pylist()
    rows = {id_: row for row, id_ in enumerate(ids)}
    pairs, kept, problems = [], set(), []
    counts = {_DIFFERENT: 0, "": 0}
    for cells in table.table(_COLUMNS).to_pylist():
        first, second, decision, keep = (csv_value(cells[name] or "") for name in _COLUMNS)
        decision = decision.strip().lower()
        if decision in counts:
            counts[decision] += 1
        elif decision != _DUPLICATE:
            problems.append(
                f"{first!r} and {second!r}: decision {decision!r}; expected {_DUPLICATE!r} or "
                f"{_DIFFERENT!r}"
            )
        elif unknown := {first, second, keep or first} - rows.keys():
            problems.append(f"no work has the id {min(unknown)!r} in {str(store)!r}")
        else:
            pairs.append((rows[first], rows[second]))
            kept |= {rows[keep]} if keep else set()
    groups = groups_of(pairs) if pairs else []
    names = {
        row: ids[next((each for each in group if each in kept), group[0])]
        for group in groups
        for row in group
    }
    with lock_index(store.path):
        refuse_taken(store.reopen(), SAME_WORK, IDENTITY)
        if names:
            values = {"id": [ids[row] for row in names], SAME_WORK: list(names.values())}
            made = {"kind": IDENTITY, "by": f"decided in {file.name}", "artsim": __version__}
            write_added(store.path, Field(SAME_WORK, FieldType.TEXT), pa.table(values), made)
        elif not problems and SAME_WORK in store.reopen().added:
            remove_added(store.path, SAME_WORK)
    return Decisions(len(names), len(groups), counts[_DIFFERENT], counts[""], tuple(problems))
