"""Words that stand for no value: nan, NULL and N/A are what programs write, and no classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import Catalog

# Spelled as programs write them: Nan is a name, and None may be an answer.
_WORDS = ("nan", "NaN", "NAN", "NaT", "null", "NULL", "N/A", "n/a", "#N/A", "<NA>")


def null_words(given: Collection[str]) -> tuple[str, ...]:
    """List the words for no value; an empty one among those given takes the usual ones away."""
    usual = () if "" in given else _WORDS
    return tuple(dict.fromkeys((*usual, *filter(None, map(str.strip, given)))))


def without_null_words(catalog: Catalog, words: Collection[str]) -> Catalog:
    """Make cells and members of lists that are one of the words missing; a note counts them."""
    types = (pa.string(), pa.list_(pa.string()))
    names = [field.name for field in catalog.schema if field.type in types]
    counts: Counter[str] = Counter()
    seen: dict[str, None] = {}
    value_set = pa.array(words, pa.string())

    def texts(column: pa.Array) -> pa.Array:
        return column.flatten() if pa.types.is_list(column.type) else column

    for batch in catalog.batches() if words else ():
        for name in names:
            values = texts(batch[name])
            found = values.filter(pc.is_in(values, value_set))
            counts[name] += len(found)
            seen |= dict.fromkeys(pc.unique(found).to_pylist())
    counts += Counter()  # without the zeros
    if not counts:
        return catalog

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in catalog.batches():
            for name in counts:
                place = batch.schema.get_field_index(name)
                batch = batch.set_column(place, name, _without(batch[name], value_set))
            yield batch

    where = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    note = (
        f"{', '.join(map(repr, seen))} count{'s' if len(seen) == 1 else ''} as missing ({where}); "
        "to keep such words as values, add --null ''"
    )
    return replace(catalog, batches=batches, notes=(*catalog.notes, note))


def _without(column: pa.Array, words: pa.Array) -> pa.Array:
    if not pa.types.is_list(column.type):
        return pc.if_else(pc.is_in(column, words), pa.scalar(None, column.type), column)
    known = set(words.to_pylist())
    rows: list[Any] = [
        row and [None if value in known else value for value in row] for row in column.to_pylist()
    ]
    return pa.array([row if row and any(row) else None for row in rows], column.type)
