"""Columns that were added to an index after it was made, such as predicted labels.

Each is ``added/NAME.parquet`` in the index folder: ids, their values, and what else is known of
each value, such as its confidence. Ids decide, so that rows which `embed` adds, drops or moves keep
their values; rows that were added since have none. How the values were made is in the footer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from artsim.datatypes import Field, FieldType, shell_word, shown_path
from artsim.errors import StoreError
from artsim.store.arrow import indices
from artsim.store.columns import metadata_fields
from artsim.store.files import write_whole
from artsim.store.joining import RowsById
from artsim.store.parquet import DAMAGED, parquet_batches, read_parquet, write_parquet
from artsim.store.spooling import CatalogRows, spool_column

FOLDER = "added"
PREDICTION = "prediction"  # a kind of column, in how its values were made
IDENTITY = "identity"  # another: rows with the same value are of one work

_NAME = re.compile(r"[^\W_][\w.-]{0,99}")
_ABOUT = b"artsim"  # key of how the values were made, in the Parquet file


@dataclass(frozen=True)
class AddedColumn:
    """A column that was added to an index."""

    file: Path
    field: Field
    made: Mapping[str, Any]  # how: by what, from which model, when

    @property
    def is_prediction(self) -> bool:
        """Whether a model predicted the values, so that they are no labels to evaluate on."""
        return bool(self.made.get("kind") == PREDICTION)

    @property
    def is_identity(self) -> bool:
        """Whether the values are ids of works, so that they tell pictures apart and no more."""
        return bool(self.made.get("kind") == IDENTITY)

    def read(self) -> pa.Table:
        """Read its ids, values, and what else is known of each.

        Raises:
            StoreError: If the file is missing or damaged.
        """
        return read_parquet(self.file, None, remedy=_remedy(self.file))

    def values(self, blocks: Iterable[pa.ChunkedArray]) -> Iterator[pa.ChunkedArray]:
        """Yield the values of blocks of rows by their ids, null for rows without one."""
        lengths = []

        def counted() -> Iterator[pa.ChunkedArray]:
            for ids in blocks:
                lengths.append(len(ids))
                yield ids

        rows, values, start = self.rows_by_id().find_all(counted()), self.stored(), 0
        for length in lengths:
            yield take_stored(values, rows[start : start + length])
            start += length

    def rows_by_id(self) -> RowsById:
        """Read which row of its file has which id."""
        return RowsById(self._read("id"))

    def stored(self) -> CatalogRows:
        """Return its values by the row of its file, memory-mapped; see `take_stored`."""
        (field,) = metadata_fields([self.field])
        return spool_column(field, lambda: self._read(self.field.name))

    def _read(self, column: str) -> Iterator[pa.Array]:
        for batch in parquet_batches(self.file, [column], remedy=_remedy(self.file)):
            yield batch.column(0)


def take_stored(values: CatalogRows, rows: NDArray[np.int64]) -> pa.ChunkedArray:
    """Return values of an added column by the row of its file; null where that is -1."""
    has = rows >= 0
    return values.take(rows[has]).column(0).take(indices(np.cumsum(has) - 1, has))


def added_columns(path: Path, taken: Sequence[str]) -> dict[str, AddedColumn]:
    """Find the columns that were added to an index, by name.

    A name that the index itself has since, one of ``taken``, means the index's own column.

    Raises:
        StoreError: If one is damaged.
    """
    files = sorted((path / FOLDER).glob("[!.]*.parquet"))
    return {file.stem: _describe(file) for file in files if file.stem not in taken}


def with_added(
    added: Mapping[str, AddedColumn],
    columns: Sequence[str],
    read: Callable[[Sequence[str]], pa.Table],
) -> pa.Table:
    """Read columns of some rows, with ``read`` those that are the index's own."""
    own = [name for name in columns if name not in added]
    if len(own) == len(columns):
        return read(columns)
    table = read(list(dict.fromkeys(["id", *own])))
    for name in columns:
        if name in added:
            (values,) = added[name].values([table.column("id")])
            table = table.append_column(name, values)
    return table.select(columns)


def remove_added(path: Path, name: str) -> bool:
    """Remove an added column, also one that is damaged; return whether it was there."""
    file = _file(path, name)
    is_there = bool(_NAME.fullmatch(name)) and file.is_file()
    if is_there:
        file.unlink()
    return is_there


def write_added(path: Path, field: Field, table: pa.Table, made: Mapping[str, Any]) -> None:
    """Write an added column: a table of ``id``, the field's values, and anything else.

    Raises:
        StoreError: If the name is not valid for a file, or the file cannot be written.
    """
    if not _NAME.fullmatch(field.name):
        raise StoreError(
            f"{field.name!r} is not a valid name for a column; use letters, digits, - and _"
        )
    (type_,) = metadata_fields([field])
    place = table.column_names.index(field.name)
    table = table.set_column(place, type_, table.column(place).cast(type_.type))
    about = json.dumps({"type": str(field.type), "made": dict(made)}, ensure_ascii=False)
    table = table.replace_schema_metadata({_ABOUT: about.encode()})
    write_whole(_file(path, field.name), lambda out: write_parquet(out, table))


def _describe(file: Path) -> AddedColumn:
    try:
        about = json.loads(pq.read_schema(file.absolute()).metadata[_ABOUT])
        field = Field(file.stem, FieldType(about["type"]))
        return AddedColumn(file, field, about["made"])
    except DAMAGED as error:
        problem = (str(error) or type(error).__name__).splitlines()[0]
        raise StoreError(f"{shown_path(file)!r} is damaged ({problem}); {_remedy(file)}") from error


def _remedy(file: Path) -> str:
    return f"make it again, or remove it with 'artsim label --remove {shell_word(file.stem)}'"


def _file(path: Path, name: str) -> Path:
    return path / FOLDER / f"{name}.parquet"
