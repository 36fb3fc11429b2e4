"""A catalog: what a reader returns, rows as Arrow record batches with typed fields."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from artsim.datatypes.statuses import Statuses

# Columns that artsim writes itself. A catalog's own column of one of these names is kept
# as NAME_catalog (see `Catalog`).
RESERVED = ("id", "image", "content_hash", "width", "height", "file_bytes", "file_mtime_ns")

_BATCH = 8192  # rows a record batch


class FieldType(StrEnum):
    """The four kinds of metadata, and how Arrow holds each."""

    TEXT = "text"  # string
    LIST = "list"  # list<string>: several values per picture (multilabel)
    NUMBER = "number"  # int64 or float64
    YEARS = "years"  # struct<begin: int32, end: int32>, both ends included

    @classmethod
    def of(cls, type_: pa.DataType) -> FieldType:
        """Return the kind of an Arrow column."""
        if pa.types.is_struct(type_):
            return cls.YEARS
        if pa.types.is_list(type_):
            return cls.LIST
        if pa.types.is_integer(type_) or pa.types.is_floating(type_):
            return cls.NUMBER
        return cls.TEXT


@dataclass(frozen=True)
class Field:
    """A metadata column: its name and its kind."""

    name: str
    type: FieldType


def column_named(name: str, columns: Collection[str]) -> str:
    """Return the column of that name, or the only one of it in another case; else the name."""
    found = [each for each in columns if each.casefold() == name.casefold()]
    return found[0] if name not in columns and len(found) == 1 else name


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """A collection as read: where its pictures are and the metadata of each.

    ``batches()`` reads from the start at every call and yields record batches of ``schema``:
    ``id`` (string), ``image`` (string: a path relative to ``root``, or an URL), then the metadata.
    Values may be null; empty text is null. Ids need not be unique: embed reports the second one.
    """

    name: str  # default name of the index: 'paintings'
    reader: str  # 'folder', 'table', ...
    source: Path  # what the user named, absolute
    root: Path  # image paths are relative to this folder, absolute
    schema: pa.Schema
    batches: Callable[[], Iterator[pa.RecordBatch]]
    notes: tuple[str, ...] = ()  # what could not be read, one sentence each
    exclude: tuple[str, ...] = ()  # patterns of pictures that were left out
    options: Mapping[str, Any] = field(default_factory=dict)  # of its reader, as plain values
    statuses: Statuses = field(default_factory=Statuses)  # of the pictures when they were read

    @classmethod
    def of_table(
        cls,
        table: pa.Table,
        *,
        name: str,
        reader: str,
        source: Path,
        root: Path,
        notes: tuple[str, ...] = (),
    ) -> Self:
        """Return the catalog of a table in memory."""
        return cls(
            name=name,
            reader=reader,
            source=source,
            root=root,
            schema=table.schema,
            batches=lambda: iter(table.to_batches(max_chunksize=_BATCH)),
            notes=notes,
        )

    @property
    def fields(self) -> list[Field]:
        """The metadata columns, in order, without id and image."""
        return [
            Field(column.name, FieldType.of(column.type))
            for column in self.schema
            if column.name not in ("id", "image")
        ]
