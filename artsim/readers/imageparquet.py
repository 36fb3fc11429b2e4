"""Parquet files that hold the pictures themselves, as Hugging Face writes them.

https://huggingface.co/docs/datasets: a column of structs with the ``bytes`` of a picture and its
``path``, in files such as ``data/train-00000-of-00002.parquet``. The names of classes, which the
columns have as numbers, are in the file's own metadata.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from artsim.datatypes import Catalog, format_of
from artsim.errors import ReaderError
from artsim.places import open_container, parquet_source, picture_columns
from artsim.readers.batches import rows_of_parquet
from artsim.readers.key_columns import ID_COLUMNS, IMAGE_COLUMNS, find_column
from artsim.readers.nested import Flat, flatten, text_of
from artsim.readers.options import ReaderOptions
from artsim.readers.pictures import files_with
from artsim.readers.rows import GatheredRows, Row
from artsim.readers.shards import catalog_of, folder_of, row_of, shards

WHAT = "Parquet files with the pictures inside, as Hugging Face writes them"
EXAMPLE = "imageparquet:data/"
SETTINGS: tuple[str, ...] = ()

_ROWS = 4096  # read at a time, at most, without pictures
_SUFFIX = ".parquet"


def detects(path: Path) -> bool:
    """Return whether the first Parquet file of the folder, or this one, holds pictures."""
    if path.is_dir() and files_with(path, (".csv", ".tsv")):
        return False
    files = shards(path, _SUFFIX)
    try:
        return bool(files) and _image_column(files[0], None) is not None
    except ReaderError:
        return False


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Read the rows; a picture is ``train-00000.parquet/image/17``: file, column and row.

    Without a column of ids that is the id. Codes of classes become their names where the file has
    them; ``split`` is what the name of the file or its folder begins with. A row without bytes has
    the picture that its path names.
    """
    options.allow("imageparquet", "types", "id_column", "image_column")
    folder = folder_of(path)
    files = {file: _image_column(file, options.image_column) for file in shards(path, _SUFFIX)}
    inside = {file: column for file, column in files.items() if column is not None}
    if not inside:
        raise ReaderError(
            f"no column of pictures in the Parquet files of {path}; read a table of "
            "paths with table:FILE"
        )
    left_out: dict[str, None] = {}
    rows = (
        row
        for file, column in inside.items()
        for row in _rows(file, folder, column, options.id_column, left_out)
    )
    table = GatheredRows(rows, options).table()
    if not table.num_rows:
        raise ReaderError(f"the Parquet files of {path} have no rows")
    notes = [f"{file} has no column of pictures and is left out" for file in files.keys() - inside]
    if left_out:
        notes.append(f"columns of bytes and vectors are left out: {', '.join(left_out)}")
    return catalog_of(table, path, reader="imageparquet", notes=notes)


def _image_column(file: Path, given: str | None) -> str | None:
    """Return the column of pictures: the one given, one with a usual name, or the first."""
    try:
        schema = pq.read_schema(parquet_source(file))
        found = [name for name in picture_columns(schema) if _holds_pictures(file, schema, name)]
    except (pa.ArrowException, OSError) as error:
        problem = " ".join(str(error).split())
        raise ReaderError(f"{file} cannot be read as Parquet: {problem}") from error
    if given is not None and given not in found:
        raise ReaderError(
            f"{file} has no column of pictures named {given!r}; "
            f"it has: {', '.join(found) or 'none'}"
        )
    return given or find_column(found, None, IMAGE_COLUMNS) or next(iter(found), None)


def _holds_pictures(file: Path, schema: pa.Schema, name: str) -> bool:
    """Check the first row of a column of bytes; structs with a path are made for pictures."""
    if pa.types.is_struct(schema.field(name).type):
        return True
    try:
        return format_of(open_container(file).read(f"{name}/0")) is not None
    except OSError:
        return False


def _rows(
    file: Path, folder: Path, image: str, id_column: str | None, left_out: dict[str, None]
) -> Iterator[Row]:
    shard = file.relative_to(folder)
    with pq.ParquetFile(parquet_source(file)) as parquet:
        schema = parquet.schema_arrow
        classes = _classes(schema)
        pictures = set(picture_columns(schema))
        has_path = pa.types.is_struct(schema.field(image).type)
        names = [
            field.name
            for field in schema
            if field.name not in pictures and not _is_vector(field.type)
        ]
        left_out |= {name: None for name in schema.names if name not in (*names, image)}
        id_ = find_column(names, id_column, ID_COLUMNS)
        if id_ is None and id_column is not None:
            raise ReaderError(
                f"{file} has no column named {id_column!r}; its columns are {', '.join(names)}"
            )
        row = 0
        for group in range(parquet.num_row_groups):
            no_bytes = has_path and _has_no_bytes(parquet, group, image)
            columns = [*names, *([f"{image}.path"] if has_path else [])]
            for record in _records(parquet, group, columns):
                own = record.pop(image, None) or {}
                values = _decoded(flatten(record), classes)
                path = text_of(own.get("path"))
                address = path if no_bytes else f"{shard.as_posix()}/{image}/{row}"
                named = values.pop(id_, None) if id_ else address
                if path:
                    values[f"{image}.path"] = path
                yield row_of(shard, named, address, values)
                row += 1


def _records(
    parquet: pq.ParquetFile, group: int, columns: Sequence[str]
) -> Iterator[dict[str, Any]]:
    if not columns:
        yield from ({} for _ in range(parquet.metadata.row_group(group).num_rows))
        return
    rows = min(_ROWS, rows_of_parquet(parquet, columns))
    for batch in parquet.iter_batches(rows, row_groups=[group], columns=columns):
        yield from batch.to_pylist()


def _has_no_bytes(parquet: pq.ParquetFile, group: int, image: str) -> bool:
    """Return whether the rows of a group name their pictures and hold none."""
    found = parquet.metadata.row_group(group)
    leaves = (found.column(number) for number in range(found.num_columns))
    leaf = next(leaf for leaf in leaves if leaf.path_in_schema == f"{image}.bytes")
    return leaf.statistics is not None and leaf.statistics.null_count == found.num_rows


def _classes(schema: pa.Schema) -> dict[str, list[str]]:
    """Read the names of classes that Hugging Face keeps with the columns of their numbers."""
    features: Mapping[str, Any] = {}
    with suppress(ValueError, KeyError, TypeError):
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    names = {}
    for column, feature in features.items():
        feature = feature[0] if isinstance(feature, list) and feature else feature
        if isinstance(feature, dict):
            inner = feature.get("feature")
            feature = inner if isinstance(inner, dict) else feature
            if isinstance(feature.get("names"), list):
                names[column] = [str(name) for name in feature["names"]]
    return names


def _decoded(values: dict[str, Flat], classes: Mapping[str, Sequence[str]]) -> dict[str, Flat]:
    """Replace numbers of classes by their names; -1 is none."""

    def name(column: str, code: str | None) -> str | None:
        names = classes[column]
        is_one = code is not None and code.isdecimal() and int(code) < len(names)
        return names[int(code or 0)] if is_one else None

    return {
        column: value
        if column not in classes
        else [name(column, code) for code in value]
        if isinstance(value, list)
        else name(column, value)
        for column, value in values.items()
    }


def _is_vector(type_: pa.DataType) -> bool:
    kinds = pa.types
    is_list = kinds.is_list(type_) or kinds.is_large_list(type_) or kinds.is_fixed_size_list(type_)
    return bool(is_list and kinds.is_floating(type_.value_type))
