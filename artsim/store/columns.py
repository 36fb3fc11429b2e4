"""The columns of an index: artsim's own, the metadata, the vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artsim.datatypes import Field, FieldType, TapInfo

# What artsim itself records about a picture; before the metadata and the vectors.
_OWN_COLUMNS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("image", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),  # sha256 of the file
        pa.field("width", pa.int32(), nullable=False),  # pixels, upright
        pa.field("height", pa.int32(), nullable=False),
        pa.field("file_bytes", pa.int64(), nullable=False),
        pa.field("file_mtime_ns", pa.int64(), nullable=False),
    ]
)
_ARROW_TYPES = {
    FieldType.TEXT: pa.string(),
    FieldType.LIST: pa.list_(pa.string()),
    FieldType.NUMBER: pa.float64(),
    FieldType.YEARS: pa.struct([("begin", pa.int32()), ("end", pa.int32())]),
}


def part_schema(metadata: Sequence[pa.Field], taps: Sequence[TapInfo], tiles: int = 0) -> pa.Schema:
    """Return the columns of a part: artsim's own, the metadata, the vectors, those of the tiles.

    The vectors of a picture's tiles, tiles x tiles of them, stand one after the other in one list.
    """
    vectors = [pa.field(tap.name, vector_type(tap.dim), nullable=False) for tap in taps]
    details = [
        pa.field(tile_column(tap), vector_type(tap.dim * tiles**2), nullable=False)
        for tap in (taps if tiles else ())
    ]
    return pa.schema([*_OWN_COLUMNS, *metadata, *vectors, *details])


def tile_column(tap: TapInfo) -> str:
    """Return the column that holds a tap's vectors of the tiles."""
    return f"{tap.name}:tiles"


def vector_type(dim: int) -> pa.DataType:
    """Return the type of a vector column: a fixed-size list of float32, none of them null."""
    return pa.list_(pa.field("element", pa.float32(), nullable=False), dim)


def round_to_half(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to the 11 significant bits of half precision, keeping float32's range.

    It is within half precision's own error, and lets Parquet store two bytes a number.
    """
    bits = np.ascontiguousarray(vectors, dtype=np.float32).view(np.uint32)
    bits = bits + (0x0FFF + ((bits >> 13) & 1))  # to nearest, ties to even
    return (bits & np.uint32(0xFFFFE000)).view(np.float32)


def metadata_fields(fields: Sequence[Field]) -> list[pa.Field]:
    """Return the columns of a catalog's fields."""
    return [pa.field(each.name, _ARROW_TYPES[each.type]) for each in fields]


def is_vector(field: pa.Field) -> bool:
    """Return whether a column contains vectors."""
    return bool(pa.types.is_fixed_size_list(field.type))


def leaves(schema: pa.Schema, columns: set[str]) -> list[str]:
    """Return the columns' names in Parquet, where a list's values are a column below the list."""
    leaves = []
    for name in sorted(columns):
        type_ = schema.field(name).type
        if pa.types.is_struct(type_):
            leaves += [f"{name}.{field.name}" for field in type_]
        else:
            is_list = pa.types.is_list(type_) or pa.types.is_fixed_size_list(type_)
            leaves.append(f"{name}.list.element" if is_list else name)
    return leaves
