"""A delimited file opened and read by pyarrow in a constant amount of memory."""

from __future__ import annotations

import dataclasses
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from artsim.datatypes import shell_word
from artsim.errors import ReaderError
from artsim.readers.batches import BATCH_ROWS, batched
from artsim.readers.delimited import decoding
from artsim.readers.delimited.faults import Fault, Survey, looks_whole, read_rows, survey
from artsim.readers.delimited.header import checked_names, find_header


@dataclass(frozen=True, kw_only=True)
class DelimitedFile:
    """A delimited file that was checked; rows that are bad were counted and are left out."""

    path: Path
    names: tuple[str, ...]  # of the columns, in order
    delimiter: str
    encoding: str
    quoted: bool  # whether " has a meaning; many tab-separated files use it as a letter
    header: bool  # whether the first row holds the names
    above: int = 0  # lines above the names
    torn_end: bool = False  # whether the last row may end early where a download was cut off
    is_whole: bool = True  # whether pyarrow can read every row
    notes: tuple[str, ...] = ()  # what is left out, one sentence each

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of some columns, or all: stripped strings or null, no blank rows.

        Raises:
            ReaderError: If the file has changed since and is no longer whole.
        """
        if not self.is_whole:
            yield from self._sound_batches(columns or self.names)
            return
        try:
            with self._stream(columns) as stream:
                for batch in stream:
                    for start in range(0, batch.num_rows, BATCH_ROWS):
                        yield _without_blank_rows(_cleaned(batch.slice(start, BATCH_ROWS)))
        except (pa.ArrowInvalid, UnicodeError) as error:
            found = survey(self)
            if found.first is not None:
                raise ReaderError(found.first.message) from error
            if found.rows:  # else the complaint is about a header alone, which is no fault
                problem = str(error).splitlines()[0]
                raise ReaderError(f"{self.path} cannot be read: {problem}") from error
        except OSError as error:
            raise ReaderError(f"{self.path} cannot be read any more: {error}") from error

    def can_be_streamed(self) -> bool:
        """Return whether pyarrow finds that every row has a value for every column."""
        try:
            with self._stream(self.names[:1]) as stream:
                return all(batch.num_rows >= 0 for batch in stream)
        except (pa.ArrowInvalid, UnicodeError):
            return False

    def _sound_batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        places = [self.names.index(name) for name in columns]
        rows = (row for row in read_rows(self) if not isinstance(row, Fault))
        for some in batched(rows, lambda row: sum(map(len, row))):
            arrays = [pa.array([row[place] for row in some], pa.string()) for place in places]
            batch = pa.RecordBatch.from_arrays(arrays, names=list(columns))
            yield _without_blank_rows(_cleaned(batch))

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
                    f"read another layout with {shell_word(f'table:{self.path}')}"
                )

    def _stream(self, columns: Sequence[str] | None) -> pa.csv.CSVStreamingReader:
        source = decoding.arrow_source(self.path)
        return pa.csv.open_csv(source, **self._arrow_options(columns))

    def _arrow_options(self, columns: Sequence[str] | None) -> dict[str, Any]:
        return {
            "read_options": pa.csv.ReadOptions(
                block_size=decoding.BLOCK,
                column_names=self.names,
                skip_rows=self.above,
                skip_rows_after_names=int(self.header),
                encoding="utf8" if self.encoding == decoding.UTF8 else self.encoding,
            ),
            "parse_options": pa.csv.ParseOptions(
                delimiter=self.delimiter,
                quote_char='"' if self.quoted else False,
                newlines_in_values=self.quoted,
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
    strict: bool = True,
) -> DelimitedFile:
    """Check a whole CSV or TSV file, so that nothing goes wrong when it is read.

    A bad row is one of text in another encoding, with a NUL byte, with too few or too many values,
    or with quotes that do not pair up.

    Args:
        path: Values with line breaks in it are in double quotes.
        names: Column names of a file without header.
        delimiter: One character; found in the first row if not given.
        encoding: A Python codec; UTF-8 and UTF-16 are found if not given.
        torn_end: Whether a last row that ends early, without a line end, is read all the same.
        strict: Whether one bad row refuses the file; else it is left out and a note counts it,
            unless most rows are bad, or most with other letters than a to z are not text.

    Raises:
        ReaderError: If two columns have one name, or for bad rows; the message has the file, the
            row and the column of the first.
    """
    try:
        return _open(path, names, delimiter, encoding, torn_end, strict=strict)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ReaderError(f"{path} cannot be unpacked ({error}); get it again") from error


def _open(
    path: Path,
    names: Sequence[str] | None,
    delimiter: str | None,
    encoding: str | None,
    torn_end: bool,
    *,
    strict: bool,
) -> DelimitedFile:
    encoding = decoding.encoding_of(path, encoding)
    header = find_header(path, encoding, delimiter) if names is None else None
    if header is not None and not header.values:
        raise ReaderError(f"{path} is empty; expected a row of column names and rows below it")
    file = DelimitedFile(
        path=path,
        names=tuple(names or ())
        if header is None
        else checked_names(path, header.values, encoding),
        delimiter=header.delimiter if header else delimiter or ",",
        encoding=encoding,
        quoted=True,
        header=header is not None,
        above=len(header.above) if header else 0,
        torn_end=torn_end,
        notes=(header.note,) if header and header.note else (),
    )
    if looks_whole(file) and file.can_be_streamed():
        return file
    found = survey(file)
    if found.faults and file.delimiter == "\t":  # where " may be a letter
        unquoted = dataclasses.replace(file, quoted=False)
        if not (other := survey(unquoted)).faults:
            file, found = unquoted, other
    return _without_bad_rows(file, found, strict=strict)


def clean(column: pa.Array) -> pa.Array:
    """Strip a column of strings; what is empty then is null."""
    stripped = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(stripped, ""), pa.scalar(None, pa.string()), stripped)


def _without_bad_rows(file: DelimitedFile, found: Survey, *, strict: bool) -> DelimitedFile:
    if found.first is None:
        return dataclasses.replace(file, is_whole=file.can_be_streamed())
    if found.first_torn is not None and found.torn > found.foreign:
        raise ReaderError(found.first_torn.message)
    if strict or 2 * found.faults > found.rows + found.faults:
        raise ReaderError(found.first.message)
    rows = "1 bad row is" if found.faults == 1 else f"{found.faults:,} bad rows are"
    note = f"{rows} left out, first {found.first.message}; --strict refuses such a table"
    return dataclasses.replace(file, is_whole=False, notes=(*file.notes, note))


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
