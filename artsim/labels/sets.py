"""Sets of works that people collected: added columns, yes for the members and no for all others.

So a set is a facet, a condition and a label like any other column of the catalog.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from artsim import __version__
from artsim.datatypes import Field, FieldType
from artsim.errors import EvaluationError
from artsim.store import Store, lock_index, remove_added, write_added

YES, NO = "yes", "no"

_SET = "set"  # a kind of added column
# Columns of an index besides the catalog's, and what is stored with an added column.
_OWN = ("id", "image", "width", "height", "content_hash", "file_bytes", "file_mtime_ns")
_RESERVED = {*_OWN, "confidence", "decision", "by", "at"}


def save_set(store: Store, name: str, ids: Sequence[str], *, replaces: bool = True) -> None:
    """Save a set as a column of its index; it may replace a set of its name.

    Raises:
        EvaluationError: If it is empty, a work is not in the index, or the name belongs to
            something else, or to a set that it must not replace.
        StoreError: If the name is not valid for a file, or the column cannot be written.
    """
    every = store.read(["id"]).column("id").combine_chunks()
    wanted = pa.array(list(dict.fromkeys(ids)), every.type)
    if not len(wanted):
        raise EvaluationError(f"the set {name!r} is empty; add a work")
    missing = wanted.filter(pc.invert(pc.is_in(wanted, value_set=every)))
    if len(missing):
        raise EvaluationError(f"no work has the id {missing[0].as_py()!r} in {str(store)!r}")
    values = pc.if_else(pc.is_in(every, value_set=wanted), YES, NO)
    table = pa.table({"id": every, name: values})
    with lock_index(store.path):
        now = store.reopen()
        refuse_taken(now, name, _SET)
        if name in now.added and not replaces:
            raise EvaluationError(f"there is a set {name!r} already; choose another name")
        made = {"kind": _SET, "by": "collected", "artsim": __version__}
        write_added(store.path, Field(name, FieldType.TEXT), table, made)


def read_sets(store: Store) -> dict[str, list[str]]:
    """Return the ids of every set by its name."""
    found = {}
    for name, column in store.added.items():
        if column.made.get("kind") == _SET:
            table = column.read()
            members = table.filter(pc.equal(table.column(name), YES))
            found[name] = members.column("id").to_pylist()
    return found


def delete_set(store: Store, name: str) -> None:
    """Delete a set.

    Raises:
        EvaluationError: If there is none of that name.
    """
    known = read_sets(store)
    if name not in known:
        raise EvaluationError(f"no set {name!r}; there are: {', '.join(known) or 'none'}")
    with lock_index(store.path):
        remove_added(store.path, name)


def refuse_taken(store: Store, name: str, kind: str) -> None:
    """Refuse, by an `EvaluationError`, the name of a column or label of another kind."""
    own = [field.name for field in store.fields if field.name not in store.added]
    others = [n for n, column in store.added.items() if column.made.get("kind") != kind]
    labels = [label.name for label in store.manifest.labels]
    if name.lower() in {*_RESERVED, *(each.lower() for each in (*own, *others, *labels))}:
        raise EvaluationError(
            f"{str(store)!r} has a column or label {name!r} already; choose another name"
        )
