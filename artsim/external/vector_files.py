"""Files of external vectors: ids and numbers in CSV, Parquet or npy, as a stream.

In CSV and Parquet a vector is one cell with a list, ``[0.1, 0.2]``, or one row of numbered columns,
``f0, f1, ...``. An npy file has a row per vector and its ids in another file. A row that is not a
vector of the file's size is returned with its fault; nothing is dropped here.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from artsim.errors import ReaderError
from artsim.external.batches import (
    BATCH_BYTES,
    VectorBatch,
    VectorFile,
    checked,
    open_npy,
    unreadable,
)
from artsim.readers import ID_COLUMNS, IMAGE_COLUMNS, open_delimited

_PEEKED = 256  # rows examined to find the columns and the length of the vectors
_LISTED = 20  # columns named in a message

_NUMBERED = re.compile(r"(?P<prefix>.*?)(?P<number>\d+)")
_BRACKETED = re.compile(r"\s*[\[(].*[\])]\s*", re.DOTALL)
_SEPARATOR = r"[\s,;|]+"


def open_vectors(
    path: Path,
    *,
    ids: Path | None = None,
    id_column: str | None = None,
    vector_columns: Sequence[str] = (),
) -> VectorFile:
    """Open a .csv, .tsv, .parquet or .npy file of vectors and find its ids and numbers.

    Args:
        path: The file.
        ids: For npy: a text file with one id per line, or an .npy of text, in the same order.
        id_column: With the ids; found by its name if not given.
        vector_columns: The column of lists, or the columns of numbers in their order, with * and ?
            as wildcards; found if not given.

    Raises:
        ReaderError: If the file is broken or lacks a column, or its columns are ambiguous.
    """
    path = path.resolve()
    if not path.is_file():
        raise ReaderError(f"no file {str(path)!r}; name a .csv, .parquet or .npy of vectors")
    suffix = path.suffix.lower()
    if suffix == ".npy":
        if id_column or vector_columns:
            raise ReaderError(f"{path} has no columns; leave out --id-column and --vector-column")
        return open_npy(path, ids)
    if ids is not None:
        raise ReaderError(f"the ids of {path} are a column of it; leave out --ids {ids}")
    if suffix in (".csv", ".tsv", ".tab", ".txt"):
        table = open_delimited(path)
        return _open_table(path, table.batches, id_column, vector_columns)
    if suffix in (".parquet", ".pq"):
        return _open_table(path, _parquet(path), id_column, vector_columns)
    raise ReaderError(f"cannot read vectors from {path}; expected a .csv, .parquet or .npy file")


# --- CSV and Parquet ----------------------------------------------------------------------


# Reads the named columns of a table, in their order, or all.
_Batches = Callable[[Sequence[str] | None], Iterator[pa.RecordBatch]]


def _parquet(path: Path) -> _Batches:
    try:
        with pq.ParquetFile(path.absolute()) as parquet:
            metadata, rows = parquet.metadata, max(parquet.metadata.num_rows, 1)
            groups = map(metadata.row_group, range(metadata.num_row_groups))
            size = sum(group.total_byte_size for group in groups)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error
    batch_rows = min(max(BATCH_BYTES * rows // max(size, 1), 16), 8192)

    def batches(columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        wanted = None if columns is None else list(columns)
        try:
            with pq.ParquetFile(path.absolute()) as parquet:
                for batch in parquet.iter_batches(batch_size=batch_rows, columns=wanted):
                    yield batch if wanted is None else batch.select(wanted)
        except (pa.ArrowException, OSError) as error:
            raise unreadable(path, error) from error

    return batches


def _open_table(
    path: Path, read: _Batches, id_column: str | None, vector_columns: Sequence[str]
) -> VectorFile:
    peek = next(read(None), None)
    if peek is None or not peek.num_rows:
        raise ReaderError(f"{path} has no rows")
    peek = peek.slice(0, _PEEKED)
    columns = _vector_columns(path, peek, id_column, vector_columns)
    ids = _id_column(path, peek.schema.names, columns, id_column)
    is_cell = len(columns) == 1 and _holds_lists(peek.column(columns[0]))
    dim = _usual_length(path, peek.column(columns[0])) if is_cell else len(columns)
    common = _NUMBERED.fullmatch(columns[0])
    name = columns[0] if is_cell or common is None else common["prefix"]

    def batches() -> Iterator[VectorBatch]:
        for batch in read([ids, *columns]):
            texts = _ids(batch.column(ids))
            if is_cell:
                vectors, faults = _from_cells(batch.column(columns[0]), dim)
            else:
                vectors, faults = _from_columns([batch.column(name) for name in columns])
            yield checked(texts, vectors, faults)

    return VectorFile(path, name, dim, batches)


def _vector_columns(
    path: Path, peek: pa.RecordBatch, id_column: str | None, given: Sequence[str]
) -> list[str]:
    names = peek.schema.names
    if given:
        chosen: list[str] = []
        for pattern in given:
            found = [pattern] if pattern in names else _in_order(fnmatch.filter(names, pattern))
            if not found:
                raise ReaderError(f"{path} has no column {pattern!r}; it has {_list(names)}")
            chosen += [name for name in found if name not in chosen]
        return chosen
    lists = [name for name in names if name != id_column and _holds_lists(peek.column(name))]
    groups: dict[str, list[str]] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name)
        if match and name != id_column and _holds_numbers(peek.column(name)):
            groups.setdefault(match["prefix"], []).append(name)
    candidates = [[name] for name in lists] + [
        _in_order(group) for group in groups.values() if len(group) > 1
    ]
    if len(candidates) != 1:
        problem = "several columns that may hold" if candidates else "no column that clearly holds"
        raise ReaderError(
            f"{path} has {problem} vectors; name it with --vector-column, or several, such as "
            f"--vector-column 'f*': it has {_list(names)}"
        )
    return candidates[0]


def _in_order(names: Sequence[str]) -> list[str]:
    """Sort f0, f1, ..., f10 by their numbers; other names stay in order."""
    matches = [_NUMBERED.fullmatch(name) for name in names]
    if not all(matches):
        return list(names)
    return [name for _, name in sorted((int(m["number"]), m[0]) for m in matches if m)]


def _id_column(path: Path, names: Sequence[str], taken: Sequence[str], given: str | None) -> str:
    others = [name for name in names if name not in taken]
    if given is not None:
        if given not in others:
            raise ReaderError(f"{path} has no column {given!r} for ids; it has {_list(others)}")
        return given
    bare = {re.sub(r"[\W_]", "", name.lower()): name for name in reversed(others)}
    found = next((bare[name] for name in (*ID_COLUMNS, *IMAGE_COLUMNS) if name in bare), None)
    if found is None and len(others) == 1:
        found = others[0]
    if found is None:
        raise ReaderError(
            f"{path} has no column that clearly holds ids; name it with --id-column: "
            f"it has {_list(others)}"
        )
    return found


def _list(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _LISTED else ""
    return (", ".join(names[:_LISTED]) or "none other") + more


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_floating(type_) or pa.types.is_integer(type_))


def _holds_lists(column: pa.Array) -> bool:
    if not _is_text(column.type):
        kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        return any(is_(column.type) for is_ in kinds) and _is_number(column.type.value_type)
    first = next((value for value in column.to_pylist() if value and value.strip()), "")
    return _BRACKETED.fullmatch(first) is not None


def _holds_numbers(column: pa.Array) -> bool:
    if not _is_text(column.type):
        return _is_number(column.type)
    _, wrong = _numbers(column)
    return not any(wrong) and column.null_count < len(column)


def _usual_length(path: Path, column: pa.Array) -> int:
    lengths = pc.list_value_length(_as_lists(column)).drop_null().to_pylist()
    usual = Counter(length for length in lengths if length).most_common(1)
    if not usual:
        raise ReaderError(f"{path}: the first {len(column)} rows have no numbers")
    return int(usual[0][0])


def _as_lists(column: pa.Array) -> pa.Array:
    """Split texts like ``[0.1, 0.2]`` or numpy's ``[0.1 0.2]``; lists stay lists."""
    if not _is_text(column.type):
        return column
    bare = pc.utf8_trim(pc.cast(column, pa.string()), " \t\r\n[](),;|")
    bare = pc.if_else(pc.equal(bare, ""), pa.scalar(None, pa.string()), bare)
    return pc.split_pattern_regex(bare, _SEPARATOR)


def _from_cells(column: pa.Array, dim: int) -> tuple[NDArray[np.float64], dict[int, str]]:
    lists = _as_lists(column)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()  # (B,)
    values, wrong = _numbers(lists.flatten())
    rows = np.repeat(np.arange(len(lists)), lengths)
    fits = lengths == dim
    vectors = np.zeros((len(lists), dim))
    vectors[fits] = values[fits[rows]].reshape(-1, dim)
    faults = {int(row): f"{lengths[row]} numbers, not {dim}" for row in np.flatnonzero(~fits)}
    faults |= {int(row): "no vector" for row in np.flatnonzero(lengths == 0)}
    for place, text in wrong.items():
        faults.setdefault(int(rows[place]), f"{text!r} is not a number")
    return vectors, faults


def _from_columns(columns: Sequence[pa.Array]) -> tuple[NDArray[np.float64], dict[int, str]]:
    vectors = np.empty((len(columns[0]), len(columns)))
    faults: dict[int, str] = {}
    for place, column in enumerate(columns):
        vectors[:, place], wrong = _numbers(column)
        for row, text in wrong.items():
            faults.setdefault(row, f"{text!r} is not a number")
    return vectors, faults


def _numbers(column: pa.Array) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Return the numbers, NaN for missing ones, and the texts that are not numbers, by place."""
    wrong: dict[int, str] = {}
    try:
        numbers = pc.cast(column, pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        parsed: list[float | None] = []
        for place, value in enumerate(column.to_pylist()):
            try:
                parsed.append(None if value is None else float(value))
            except (TypeError, ValueError):
                wrong[place] = str(value)[:40]
                parsed.append(None)
        numbers = pa.array(parsed, pa.float64())
    return pc.fill_null(numbers, np.nan).to_numpy(zero_copy_only=False), wrong


def _ids(column: pa.Array) -> list[str | None]:
    """Return ids as stripped text; empty ones are None."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    values = column.to_pylist()
    if pa.types.is_floating(column.type):
        values = [int(v) if v is not None and v.is_integer() else v for v in values]
    return [None if value is None else str(value).strip() or None for value in values]
