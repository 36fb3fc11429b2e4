r"""CSV and TSV files as a stream of text, and where exactly one of them is broken.

pyarrow reads: it is fast and keeps a constant amount of memory, but it lets open quotes and NUL
bytes pass and says little of where a fault is. So a file is looked through once before, and
only when that look or pyarrow stumbles Python's own reader finds the row and the column.
"""

from __future__ import annotations

import codecs
import csv
import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from artsim.errors import ReaderError

__all__ = ["DelimitedFile", "clean", "column_names", "open_delimited"]

_BLOCK = 1 << 22  # bytes read at a time, and the longest row there may be
_BATCH = 8192  # rows a record batch, at most
_UTF8 = "utf-8"
_QUOTE, _LINE_END, _RETURN = b'"\n\r'


@dataclass(frozen=True, kw_only=True)
class DelimitedFile:
    """A delimited file that was looked through and found whole."""

    path: Path
    names: tuple[str, ...]  # of the columns, in order
    delimiter: str
    encoding: str
    quoted: bool  # whether " has a meaning; many tab-separated files use it as a letter
    header: bool  # whether the first row holds the names
    torn_end: bool = False  # whether the last row may end early where a download was cut off

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows, every value a stripped string or null, blank rows left out.

        Args:
            columns: Those to read, in this order; all if not given.

        Raises:
            ReaderError: If the file was changed since and is no longer whole.
        """
        short: list[str] = []
        try:
            with pa.csv.open_csv(self.path, **self._arrow_options(columns, short)) as stream:
                for batch in stream:
                    for start in range(0, batch.num_rows, _BATCH):
                        yield _without_blank_rows(_clean_batch(batch.slice(start, _BATCH)))
        except (pa.ArrowInvalid, UnicodeError) as error:
            rows = _find_fault(self)
            if rows:  # without any the complaint is about a header alone, and there is no fault
                problem = str(error).splitlines()[0]
                raise ReaderError(f"{self.path} cannot be read: {problem}") from error
        except OSError as error:
            raise ReaderError(f"{self.path} cannot be read any more: {error}") from error
        if short:
            _find_fault(self)  # raises an error unless the one short row ends the file
            values = next(csv.reader([short[0]], delimiter=self.delimiter))
            row = dict(itertools.zip_longest(self.names, values))
            wanted = self.names if columns is None else columns
            cells = [pa.array([row[name]], pa.string()) for name in wanted]
            yield _clean_batch(pa.RecordBatch.from_arrays(cells, names=list(wanted)))

    def _arrow_options(self, columns: Sequence[str] | None, short: list[str]) -> dict[str, Any]:
        """Say all this in pyarrow's terms; rows that end early are put into ``short``."""

        def on_invalid_row(row: pa.csv.InvalidRow) -> str:
            if self.torn_end and row.actual_columns < row.expected_columns:
                short.append(row.text)
                return "skip"
            return "error"

        return {
            "read_options": pa.csv.ReadOptions(
                block_size=_BLOCK,
                column_names=self.names,
                skip_rows_after_names=int(self.header),
                encoding="utf8" if self.encoding == _UTF8 else self.encoding,
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
    """Look a whole delimited file through, so that reading it later holds no surprise.

    Args:
        path: A CSV or TSV file with one row a line, values with line breaks in double quotes.
        names: Column names of a file without header.
        delimiter: One character; found in the first row if not given.
        encoding: A Python codec; UTF-8 and UTF-16 are found if not given.
        torn_end: Whether a last row that ends early, without a line end, is read all the same.

    Raises:
        ReaderError: At the first fault: text in another encoding, a NUL byte, a row with too few
            or too many values, quotes that do not pair up, two columns of one name. The message
            has the file, the row and the column.
    """
    encoding = _encoding(path, encoding)
    head = _first_row(path, encoding, delimiter)
    if head is None:
        raise ReaderError(f"{path} is empty; expected a row of column names and rows below it")
    delimiter, values = head
    file = DelimitedFile(
        path=path,
        names=tuple(names) if names is not None else _column_names(path, values, encoding),
        delimiter=delimiter,
        encoding=encoding,
        quoted=True,
        header=names is None,
        torn_end=torn_end,
    )
    if not _looks_whole(file):
        file = _without_fault(file)
    return file


def column_names(path: Path) -> tuple[str, ...]:
    """Look at the header of what may be a delimited file; nothing if it is none."""
    try:
        head = _first_row(path, _encoding(path, None), None)
        return _column_names(path, head[1], _UTF8) if head else ()
    except (OSError, UnicodeError, ReaderError):
        return ()


def clean(column: pa.Array) -> pa.Array:
    """Strip a column of strings; what is empty then is null."""
    stripped = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(stripped, ""), pa.scalar(None, pa.string()), stripped)


def _encoding(path: Path, given: str | None) -> str:
    """Name the codec of a file: the given one, or what its first bytes show."""
    if given is not None:
        try:
            return codecs.lookup(given).name
        except LookupError:
            raise ReaderError(
                f"no encoding named {given!r}; use a name such as cp1252, latin-1 or utf-16"
            ) from None
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # without a mark: every second byte of plain letters in UTF-16 is zero
    if len(start) == 4 and start[1] == start[3] == 0 and start[0] and start[2]:
        return "utf-16-le"
    if len(start) == 4 and start[0] == start[2] == 0 and start[1] and start[3]:
        return "utf-16-be"
    return _UTF8


def _first_row(path: Path, encoding: str, delimiter: str | None) -> tuple[str, list[str]] | None:
    """Return the delimiter and the first row's values, or None for a file without any."""
    lines = _lines(path, encoding)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return None
    delimiter = delimiter or _delimiter(path, first)
    rows = csv.reader(itertools.chain([first], lines), delimiter=delimiter)
    try:
        with _field_limit():
            return delimiter, [value.strip() for value in next(rows)]
    except csv.Error as error:
        raise ReaderError(f"{path}, row of column names: its quotes do not pair up") from error


def _delimiter(path: Path, line: str) -> str:
    """Find the delimiter by counting outside quotes; Excel writes ; in much of Europe."""
    bare = re.sub('"[^"]*"', "", line)
    if path.suffix.lower() in (".tsv", ".tab") and "\t" in bare:
        return "\t"
    return max(",;\t|", key=bare.count)


def _column_names(path: Path, values: list[str], encoding: str) -> tuple[str, ...]:
    """Check the header; a column without a name, as R and pandas write, is numbered."""
    names = [name or f"unnamed_{number}" for number, name in enumerate(values, 1)]
    for number, name in enumerate(names, 1):
        if name in names[: number - 1]:
            raise ReaderError(
                f"{path} has two columns named {name!r} (columns {names.index(name) + 1} and "
                f"{number}); rename one"
            )
        if problem := _problem_in_value(name, encoding):
            raise ReaderError(f"{path}, row of column names, column {number}: {problem}")
    return tuple(names)


def _looks_whole(file: DelimitedFile) -> bool:
    """Tell quickly that text and quotes are sound; False means that a closer look is due."""
    try:
        return _quotes_pair_up(_utf8_blocks(file.path, file.encoding), ord(file.delimiter))
    except UnicodeError:
        return False


def _utf8_blocks(path: Path, encoding: str) -> Iterator[bytes]:
    """Yield a file as UTF-8; what claims to be UTF-8 is passed on, for pyarrow checks that."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            file.seek(0)
        while block := file.read(_BLOCK):
            yield block if encoding == _UTF8 else decoder.decode(block).encode()
        decoder.decode(b"", final=True)


def _quotes_pair_up(blocks: Iterator[bytes], delimiter: int) -> bool:
    """Tell whether quotes open only where a value begins and close only where it ends.

    Quotes alternate between opening and closing; a doubled one inside a value closes and opens
    again on the spot. So it is enough to look at the byte before each opening quote and after
    each closing one. Rows so long that they could not be read make it False as well.
    """
    beside = np.frombuffer(bytes((delimiter, _LINE_END, _RETURN, _QUOTE)), dtype=np.uint8)
    is_open, before, held, row = 0, _LINE_END, b"", 0
    for block in itertools.chain(blocks, [b"\n"]):
        if b"\0" in block or len(held) > _BLOCK:
            return False
        data = held + block
        whole = data.rstrip(b'"')  # a quote at the end waits for the byte that follows it
        held = data[len(whole) :]
        if not whole:
            continue
        text = np.frombuffer(whole, dtype=np.uint8)
        quotes = np.flatnonzero(text == _QUOTE)
        opening = (np.arange(len(quotes)) + is_open) % 2 == 0
        previous = np.where(quotes == 0, before, text[quotes - 1])
        neighbors = np.where(opening, previous, text[(quotes + 1) % len(text)])
        if not np.isin(neighbors, beside).all():
            return False
        line_ends = np.flatnonzero(text == _LINE_END)
        row_ends = line_ends[(np.searchsorted(quotes, line_ends) + is_open) % 2 == 0]
        row = len(text) - row_ends[-1] if len(row_ends) else row + len(text)
        if row > _BLOCK:  # pyarrow would hold on to a value that never ends
            return False
        is_open = (is_open + len(quotes)) % 2
        before = whole[-1]
    return not is_open


def _without_fault(file: DelimitedFile) -> DelimitedFile:
    """Return the file if it can be read as it is, or as tab-separated text without quoting."""
    try:
        _find_fault(file)
    except ReaderError as fault:
        if file.delimiter != "\t":
            raise
        unquoted = dataclasses.replace(file, quoted=False)
        try:
            _find_fault(unquoted)
        except ReaderError:
            raise fault from None
        return unquoted
    return file


def _find_fault(file: DelimitedFile) -> int:
    """Read row by row, slowly, and return how many rows there are.

    Raises:
        ReaderError: At the first fault, with its row, line and column.
    """
    row, line = 1 - file.header, 1
    text: list[str] = []  # lines of the row being read

    def fault(column: int, problem: str) -> ReaderError:
        name = file.names[min(column, len(file.names) - 1)]
        where = f"row {row} (line {line})" if row else "row of column names"
        return ReaderError(f"{file.path}, {where}, column {name!r}: {problem}")

    def lines() -> Iterator[str]:
        for one in _lines(file.path, file.encoding):
            text.append(one)
            yield one

    rows = csv.reader(
        lines(),
        delimiter=file.delimiter,
        quoting=csv.QUOTE_MINIMAL if file.quoted else csv.QUOTE_NONE,
        strict=True,
    )
    with _field_limit():
        while True:
            try:
                values = next(rows, None)
            except csv.Error as error:
                raise fault(*_broken_value("".join(text), file.delimiter, str(error))) from None
            if values is None:
                return max(row - 1, 0)
            if sum(map(len, text)) > _BLOCK:
                raise fault(0, f"a row longer than {_BLOCK >> 20} MiB")
            if found := _fault_in_row(values, file):
                is_torn = found[0] == len(values) and not text[-1].endswith(("\r", "\n"))
                if file.torn_end and is_torn and len(values) < len(file.names):
                    return row
                raise fault(*found)
            row += bool(values)
            line += len(text)
            text.clear()


def _fault_in_row(values: list[str], file: DelimitedFile) -> tuple[int, str] | None:
    """Return the column where a row is wrong and what is wrong there; a blank row is not."""
    if values and len(values) != len(file.names):
        return len(values), _wrong_length(len(values), len(file.names))
    for column, value in enumerate(values):
        if problem := _problem_in_value(value, file.encoding):
            return column, problem
    return None


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield a file's lines; bytes that are not text come as surrogates, for the message."""
    errors = "replace" if encoding.startswith("utf-16") else "surrogateescape"
    python = "utf-8-sig" if encoding == _UTF8 else encoding
    with path.open(encoding=python, errors=errors, newline="") as file:
        number = 0
        while line := file.readline(_BLOCK):
            number += 1
            if len(line) == _BLOCK and not line.endswith(("\n", "\r")):
                raise ReaderError(f"{path}, line {number}: longer than {_BLOCK >> 20} MiB")
            yield line


@contextmanager
def _field_limit() -> Iterator[None]:
    """Let Python's reader take values as long as pyarrow does, and no longer."""
    before = csv.field_size_limit(_BLOCK)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _broken_value(text: str, delimiter: str, error: str) -> tuple[int, str]:
    """Return the column whose quotes end a row wrongly, and what is wrong."""
    if "field limit" in error:
        problem = f"a value longer than {_BLOCK >> 20} MiB, probably a quote left open"
    else:
        problem = "quotes that do not pair up; write a quote inside a value twice and quote it all"
    value = re.compile(
        '(?:"(?:[^"]++|"")*+"|[^"D\r\n][^D\r\n]*|)(?=[D\r\n]|$)'.replace("D", delimiter)
    )
    column = at = 0
    while (match := value.match(text, at)) and text[match.end() : match.end() + 1] == delimiter:
        column, at = column + 1, match.end() + 1
    return column, problem


def _wrong_length(found: int, expected: int) -> str:
    if found < expected:
        return f"the row ends after {found} of {expected} values; is a delimiter or quote missing?"
    return (
        f"the row has {found} values for {expected} columns; put values with delimiters in quotes"
    )


def _problem_in_value(value: str, encoding: str) -> str | None:
    if "\0" in value:
        return "a NUL byte; the file is damaged, export it again"
    wide = encoding.startswith("utf-16")
    torn = re.search("\ufffd" if wide else "[\udc80-\udcff]", value)
    if torn is None:
        return None
    byte = "" if wide else f" (byte 0x{ord(torn[0]) & 0xFF:02x})"
    return (
        f"text that is not {encoding.upper()}{byte}; save the file as UTF-8 or name its "
        "encoding with --set encoding=cp1252"
    )


def _clean_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([clean(column) for column in batch], names=batch.schema.names)


def _without_blank_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Leave out rows without any value: spreadsheets save the empty rows at their end."""
    blank = np.ones(batch.num_rows, dtype=bool)
    for column in batch:
        blank &= pc.is_null(column).to_numpy(zero_copy_only=False)
        if not blank.any():
            return batch
    return batch.filter(pa.array(~blank))
