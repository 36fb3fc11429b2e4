"""Rows of text and lists gathered into Arrow batches: few in memory, the others on the disk."""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice

import pyarrow as pa

from artsim.datatypes import FieldType
from artsim.errors import ReaderError
from artsim.readers.batches import batched
from artsim.readers.columns import ColumnGuess, ColumnType, convert, declared_types, field_names
from artsim.readers.missing import null_words
from artsim.readers.nested import Flat
from artsim.readers.options import ReaderOptions
from artsim.readers.years import YEARS

Row = Mapping[str, Flat]

_BATCH = 2048  # rows held as Python values, at most
_IN_MEMORY = 64 * 2**20  # bytes of packed rows; more go to a temporary file
_LIST = pa.list_(pa.string())
_KEYS = ("id", "image")


class GatheredRows:
    """Rows as they were gathered: read from the start as often as wanted.

    Args:
        rows: Those with other columns than the first ones are null in these.
        options: Types and words for no value, as the user names them.
        years: Columns that hold ``BEGIN/END`` and become ranges of years.
        types: The types of some columns, which are not looked for in their values.
        lists: Columns that are lists, and are there, whatever they hold.
        optional: Columns that are left out where no row has a value.
        splits: Whether text is split into lists where it is written as such, ``a|b``; it is at the
            separator that the user sets.

    Raises:
        ReaderError: If a type is of no column, or is none; or the temporary folder is full.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        options: ReaderOptions,
        *,
        years: Collection[str] = (),
        types: Mapping[str, str] | None = None,
        lists: Collection[str] = (),
        optional: Collection[str] = (),
        splits: bool = False,
    ) -> None:
        self.num_rows = 0
        self._packed = _Packed()
        is_list = dict.fromkeys(_KEYS, False)  # by column, in the order in which they appear
        known: set[str] = set()  # columns with a value
        guesses: dict[str, ColumnGuess] = {}
        declared, words = {**(types or {}), **options.types}, null_words(options.null)
        separator = options.settings.get("separator")
        for batch in _batches(rows, lists):
            for name, array in zip(batch.schema.names, batch.columns, strict=True):
                is_list[name] = is_list.get(name, False) or array.type == _LIST
                if array.null_count < len(array):
                    known.add(name)
                if name not in guesses:
                    guesses[name] = ColumnGuess(
                        name, declared=_type(declared, name), separator=separator, null=words
                    )
                if not is_list[name] and name not in (*_KEYS, *years):
                    guesses[name].add(array)
            self._packed.append(batch)
            self.num_rows += batch.num_rows
        declared_types("the collection", is_list, options.types)
        fields = (*_KEYS, *field_names([name for name in is_list if name not in _KEYS]))
        self._columns: dict[str, tuple[str, pa.DataType, ColumnType | None]] = {}
        for name, field in zip(is_list, fields, strict=True):
            is_object = any(other.startswith(f"{name}.") for other in is_list)  # missing somewhere
            if (name in optional or is_object) and name not in known:
                continue
            parsing = None
            if name not in years and name not in _KEYS and not is_list[name]:
                parsing = _parsing(guesses[name], splits or separator is not None)
            arrow = _LIST if is_list[name] else parsing.arrow if parsing else pa.string()
            self._columns[name] = (field, YEARS if name in years else arrow, parsing)
        self.schema = pa.schema([(field, type_) for field, type_, _ in self._columns.values()])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield id, image and the other columns, in the order in which they first appear.

        A column is a list if any of its values is; numbers are found.
        """
        for batch in self._packed:
            arrays = [
                _column(batch, name, type_, parsing)
                for name, (_, type_, parsing) in self._columns.items()
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def table(self) -> pa.Table:
        """Return all rows as one table."""
        return pa.Table.from_batches(self.batches(), self.schema)

    def first_images(self, count: int) -> list[str | None]:
        """Return the pictures of the first rows."""
        return list(
            islice((each for b in self.batches() for each in b["image"].to_pylist()), count)
        )


def no_room(error: OSError) -> ReaderError:
    """Return the error of a temporary file of rows that cannot be written."""
    return ReaderError(
        f"the rows need more room than {tempfile.gettempdir()} has ({error.strerror}); "
        "name a larger folder in the environment variable TMPDIR"
    )


class _Packed:
    """Record batches of any schemas, packed: in memory, or in a file without a name."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - as long as this
        weakref.finalize(self, self._file.close)
        self._places: list[tuple[int, int]] = []
        self._reading = threading.Lock()
        self._options = pa.ipc.IpcWriteOptions(compression="lz4")

    def append(self, batch: pa.RecordBatch) -> None:
        """Pack one batch."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema, options=self._options) as writer:
            writer.write_batch(batch)
        data = sink.getvalue()
        place = self._places[-1][0] + self._places[-1][1] if self._places else 0
        try:
            self._file.write(data)
        except OSError as error:
            raise no_room(error) from error
        self._places.append((place, len(data)))

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for place, length in self._places:
            with self._reading:
                self._file.seek(place)
                data = self._file.read(length)
            yield from pa.ipc.open_stream(data)


def _type(declared: Mapping[str, str], name: str) -> FieldType | None:
    """Return a column's declared type; one that does not exist is refused at the end."""
    type_ = declared.get(name)
    return FieldType(type_) if type_ in set(FieldType) else None


def _parsing(guess: ColumnGuess, splits: bool) -> ColumnType | None:
    """Return how a column of text is parsed; None if it stays text: titles hold bars, too."""
    decided = guess.decide()
    is_list = decided.arrow == _LIST
    return None if is_list and not splits and guess.declared is None else decided


def _batches(rows: Iterable[Row], lists: Collection[str]) -> Iterator[pa.RecordBatch]:
    for some in batched(rows, _characters, _BATCH):
        batch = {}
        for name in dict.fromkeys(name for row in some for name in row):
            values = [row.get(name) for row in some]
            has_lists = name in lists or any(isinstance(value, list) for value in values)
            batch[name] = _array(values, has_lists)
        yield pa.RecordBatch.from_pydict(batch)


def _characters(row: Row) -> int:
    texts = (value if isinstance(value, list) else (value,) for value in row.values())
    return sum(len(text or "") for some in texts for text in some)


def _array(values: Iterable[Flat], is_list: bool) -> pa.Array:
    if not is_list:
        return pa.array(values, pa.string())
    return pa.array([[each] if isinstance(each, str) else each or None for each in values], _LIST)


def _column(
    batch: pa.RecordBatch, name: str, type_: pa.DataType, parsing: ColumnType | None
) -> pa.Array:
    """Return a column of a batch in its final type."""
    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows, type_)
    column = batch[name]
    if parsing is not None:
        return convert(column, parsing)
    if type_ == YEARS:
        return _years(column)
    # a list everywhere if it is one anywhere
    return column if column.type == type_ else _array(column.to_pylist(), True)


def _years(column: pa.Array) -> pa.Array:
    ends = [value and tuple(map(int, value.split("/"))) for value in column.to_pylist()]
    return pa.array([each and {"begin": each[0], "end": each[1]} for each in ends], YEARS)
