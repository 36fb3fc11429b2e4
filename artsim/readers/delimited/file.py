"""A delimited file opened and read by pyarrow in a constant amount of memory."""

from __future__ import annotations

import csv
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from artsim.errors import ReaderError
from artsim.readers.delimited import decoding
from artsim.readers.delimited.faults import find_fault, looks_whole

_BATCH = 8192  # rows a record batch, at most


@dataclass(frozen=True, kw_only=True)
class DelimitedFile:
    """A delimited file that was checked and is whole."""

    path: Path
    names: tuple[str, ...]  # of the columns, in order
    delimiter: str
    encoding: str
    quoted: bool  # whether " has a meaning; many tab-separated files use it as a letter
    header: bool  # whether the first row holds the names
    torn_end: bool = False  # whether the last row may end early where a download was cut off

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of some columns, or all: stripped strings or null, no blank rows.

        Raises:
            ReaderError: If the file has changed since and is no longer whole.
        """
        short: list[str] = []
        try:
            with pa.csv.open_csv(self.path, **self._arrow_options(columns, short)) as stream:
                for batch in stream:
                    for start in range(0, batch.num_rows, _BATCH):
                        yield _without_blank_rows(_cleaned(batch.slice(start, _BATCH)))
        except (pa.ArrowInvalid, UnicodeError) as error:
            rows = find_fault(self)
            if rows:  # without any the complaint is about a header alone, and there is no fault
                problem = str(error).splitlines()[0]
                raise ReaderError(f"{self.path} cannot be read: {problem}") from error
        except OSError as error:
            raise ReaderError(f"{self.path} cannot be read any more: {error}") from error
        if short:
            find_fault(self)  # raises an error unless the one short row ends the file
            values = next(csv.reader([short[0]], delimiter=self.delimiter))
            row = dict(itertools.zip_longest(self.names, values))
            schema = pa.schema([(name, pa.string()) for name in columns or self.names])
            yield _cleaned(pa.RecordBatch.from_pylist([row], schema=schema))

    def table(self, columns: Sequence[str]) -> pa.Table:
        """Read the whole file into memory; see `batches`."""
        schema = pa.schema([(name, pa.string()) for name in columns])
        return pa.Table.from_batches(self.batches(columns), schema)

    def require(self, names: Iterable[str]) -> None:
        """Check that the file has columns that a reader of one layout needs.

        Raises:
            ReaderError: If it lacks one, with the columns it has.
        """
        for name in names:
            if name not in self.names:
                raise ReaderError(
                    f"{self.path} has no column {name!r}; its columns are {', '.join(self.names)}; "
                    f"read another layout with table:{self.path}"
                )

    def _arrow_options(self, columns: Sequence[str] | None, short: list[str]) -> dict[str, Any]:
        """Return pyarrow's options for it; rows that end early are put into ``short``."""

        def on_invalid_row(row: pa.csv.InvalidRow) -> str:
            if self.torn_end and row.actual_columns < row.expected_columns:
                short.append(row.text)
                return "skip"
            return "error"

        return {
            "read_options": pa.csv.ReadOptions(
                block_size=decoding.BLOCK,
                column_names=self.names,
                skip_rows_after_names=int(self.header),
                encoding="utf8" if self.encoding == decoding.UTF8 else self.encoding,
            ),
            "parse_options": pa.csv.ParseOptions(
                delimiter=self.delimiter,
                quote_char='"' if self.quoted else False,
                newlines_in_values=self.quoted,
                invalid_row_handler=on_invalid_row,
            ),
            "convert_options": pa.csv.ConvertOptions(
                column_types=dict.fromkeys(self.names, pa.string()), include_columns=columns
            ),
        }


def open_delimited(
    path: Path,
    *,
    names: Sequence[str] | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    torn_end: bool = False,
) -> DelimitedFile:
    """Check a whole CSV or TSV file, so that nothing goes wrong when it is read.

    Args:
        path: Values with line breaks in it are in double quotes.
        names: Column names of a file without header.
        delimiter: One character; found in the first row if not given.
        encoding: A Python codec; UTF-8 and UTF-16 are found if not given.
        torn_end: Whether a last row that ends early, without a line end, is read all the same.

    Raises:
        ReaderError: At the first fault: text in another encoding, a NUL byte, a row with too few
            or too many values, quotes that do not pair up, two columns of one name. The message
            has the file, the row and the column.
    """
    encoding = decoding.encoding_of(path, encoding)
    delimiter, values = decoding.first_row(path, encoding, delimiter)
    if not values:
        raise ReaderError(f"{path} is empty; expected a row of column names and rows below it")
    file = DelimitedFile(
        path=path,
        names=tuple(names) if names is not None else decoding.checked_names(path, values, encoding),
        delimiter=delimiter,
        encoding=encoding,
        quoted=True,
        header=names is None,
        torn_end=torn_end,
    )
    return file if looks_whole(file) else _without_fault(file)


def clean(column: pa.Array) -> pa.Array:
    """Strip a column of strings; what is empty then is null."""
    stripped = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(stripped, ""), pa.scalar(None, pa.string()), stripped)


def _without_fault(file: DelimitedFile) -> DelimitedFile:
    """Return the file if it can be read as it is, or as tab-separated text without quoting."""
    try:
        find_fault(file)
    except ReaderError as fault:
        if file.delimiter != "\t":
            raise
        unquoted = dataclasses.replace(file, quoted=False)
        try:
            find_fault(unquoted)
        except ReaderError:
            raise fault from None
        return unquoted
    return file


def _cleaned(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([clean(column) for column in batch], names=batch.schema.names)


def _without_blank_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Leave out rows without any value: spreadsheets save the empty rows at their end."""
    has_value = pa.repeat(False, batch.num_rows)
    for column in batch:
        has_value = pc.or_(has_value, column.is_valid())
        if pc.all(has_value).as_py():
            return batch
    return batch.filter(has_value)
