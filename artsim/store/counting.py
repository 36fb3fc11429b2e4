"""How many values a column of an index has, counted part by part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artsim.datatypes import Field, FieldType
from artsim.store.arrow import text_hashes
from artsim.store.folder import Store

_WAITING = 1 << 20  # values that are merged at a time, at least


def count_values(store: Store, field: Field) -> tuple[int | None, int]:
    """Return how many different values a column has, and how many rows have none.

    Texts are compared by hashes of 64 bits, so that ten million different ones take 80 MB and not
    their own length. Different ranges of years are not counted.
    """
    added = store.added.get(field.name)
    columns = (block.column(0) for block in store.blocks(["id" if added else field.name]))
    missing, different = 0, [np.empty(0)]  # the first holds each once
    for column in added.values(columns) if added else columns:
        missing += column.null_count
        if field.type != FieldType.YEARS:
            different.append(_different(column))
        if sum(map(len, different[1:])) > max(_WAITING, len(different[0])):
            different = [_merged(different)]
    return None if field.type == FieldType.YEARS else len(_merged(different)), missing


def _different(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return each value once, as a number; null is none."""
    values = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    values = pc.unique(values).drop_null()
    return text_hashes(values) if pa.types.is_string(values.type) else np.from_dlpack(values)


def _merged(different: list[NDArray[Any]]) -> NDArray[Any]:
    """Return each value of several arrays once."""
    values = np.sort(np.concatenate([each for each in different if len(each)] or different))
    is_first = np.ones(len(values), dtype=bool)  # np.unique takes ten times as long for millions
    is_first[1:] = values[1:] != values[:-1]
    return values[is_first]
