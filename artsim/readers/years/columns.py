"""Columns of date texts as columns of year ranges."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from artsim.readers.years.parsing import parse_years

YEARS = pa.struct([("begin", pa.int32()), ("end", pa.int32())])


def years_of(column: pa.Array) -> pa.Array:
    """Read date texts, each different one once; null where no year can be read."""
    coded = pc.dictionary_encode(column)
    parsed = [parse_years(text) for text in coded.dictionary.to_pylist()]
    begin, end = (
        pa.array([None if each is None else each[place] for each in parsed], pa.int32())
        for place in (0, 1)
    )
    begin, end = begin.take(coded.indices), end.take(coded.indices)
    return pa.StructArray.from_arrays([begin, end], fields=list(YEARS), mask=begin.is_null())
