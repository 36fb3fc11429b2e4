"""A table beside pictures (CSV, TSV, Excel, Parquet): a row per picture, columns of metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artsim.datatypes import Catalog, FieldType, shell_word
from artsim.errors import ReaderError
from artsim.places import is_remote, parquet_source
from artsim.readers.batches import rows_of_parquet
from artsim.readers.columns import ColumnGuess, convert, declared_types, field_names, strip_lists
from artsim.readers.delimited import clean, open_delimited
from artsim.readers.key_columns import (
    IMAGE_COLUMNS,
    columns_of_pictures,
    find_column,
    id_note,
    image_note,
    key_columns,
)
from artsim.readers.missing import null_words
from artsim.readers.options import ReaderOptions
from artsim.readers.paths import image_root, roots_of_table
from artsim.readers.pictures import files_with
from artsim.readers.views import count_several, pictures_in, with_views
from artsim.readers.workbook import SUFFIX, open_workbook
from artsim.readers.years import YEARS

WHAT = "A CSV, TSV, Excel or Parquet table next to its pictures"
EXAMPLE = "table:objects.csv"
SETTINGS: tuple[str, ...] = (
    "encoding",  # cp1252: of a CSV that is not UTF-8
    "separator",  # between the values of lists, if not | or ;
    "views",  # of several pictures in one cell: first, or all
)

# Compared without case, spaces and punctuation; the first that the table has is taken.
_WELL_KNOWN = ("objects", "metadata")  # tables that are taken where there are several
_SUFFIXES = (".csv", ".tsv", ".tab", ".csv.gz", ".tsv.gz", SUFFIX, ".parquet")
_LISTED = 30  # files named in a message
_PROBED = 100  # first image paths that are kept, to find the folder they start from


def detects(path: Path) -> bool:
    """Return whether ``path`` is a table or a folder that holds one."""
    return path.name.lower().endswith(_SUFFIXES) if path.is_file() else bool(_tables(path))


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Read a table, or the table of a folder: ``objects``, ``metadata`` or the only one.

    Types of a CSV's columns are inferred over all rows (see `ColumnGuess`), those of Parquet are
    kept. Image paths start at ``options.images``, at the table's folder, or in a folder
    there, wherever the first ones are found. Without an id column the image path is the id.
    """
    views = options.setting("views", "first", choices=("first", "all"))
    file = find_table(path)
    table = _open(file, options)
    keys = key_columns(file, table.schema.names, options, lambda: _columns_of_pictures(table))
    declared = _declared_types(file, table.schema, options.types)
    sources = [name for name in table.schema.names if name not in keys]
    separator = options.settings.get("separator")
    stored = {name: table.schema.field(name).type for name in sources}
    guesses = {
        name: ColumnGuess(
            name,
            declared=declared.get(name),
            may_be_number=table.numbers,
            separator=separator,
            null=null_words(options.null),
        )
        for name in sources
        if stored[name] == pa.string() or name in declared
    }
    images, several = _look_through(file, table, guesses, keys[1])
    images = [first for cell in images if (first := pictures_in(cell)[0])]
    types = {name: guess.decide() for name, guess in guesses.items()}
    arrow = {**stored, **{name: type_.arrow for name, type_ in types.items()}}
    fields = zip(field_names(sources), arrow.values(), strict=True)
    schema = pa.schema([("id", pa.string()), ("image", pa.string()), *fields])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in table.batches():
            columns = [_as_text(batch[name]) for name in keys]
            for name in sources:
                column = batch[name]
                columns.append(convert(_as_text(column), types[name]) if name in types else column)
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    found = () if options.image_column else image_note(keys[1])
    named_for_folder = path.is_dir() or _stem(file).lower() in _WELL_KNOWN
    catalog = Catalog(
        name=(file.parent.name if named_for_folder else _stem(file)) or "collection",
        reader="table",
        source=path,
        root=image_root(images, roots_of_table(file, images), options),
        schema=schema,
        batches=batches,
        notes=(*table.notes, *_notes(guesses), *found, *id_note(keys, images)),
    )
    return with_views(catalog, every=views == "all", several=several)


@dataclass(frozen=True)
class _Table:
    """A table as stored: text that is to be typed, and columns that have types."""

    schema: pa.Schema
    batches: Callable[[], Iterator[pa.RecordBatch]]
    numbers: bool  # whether text may turn out to be numbers
    notes: tuple[str, ...] = ()


def _tables(folder: Path) -> list[Path]:
    """List the tables of a folder, the well-known ones first."""
    return sorted(files_with(folder, _SUFFIXES), key=lambda file: (_rank(file), file.name))


def _rank(file: Path) -> int:
    stem = _stem(file).lower()
    return _WELL_KNOWN.index(stem) if stem in _WELL_KNOWN else len(_WELL_KNOWN)


def _stem(file: Path) -> str:
    """Return the name without its suffix, of ``objects.csv.gz`` too."""
    return Path(file.name.removesuffix(".gz")).stem


def find_table(path: Path) -> Path:
    """Return the table that is read of a folder, or the file itself.

    Raises:
        ReaderError: If a folder has none, or several.
    """
    if path.is_file():
        return path
    tables = _tables(path)
    if not tables:
        raise ReaderError(
            f"no table in {path}; expected objects.csv or another CSV, TSV, Excel or Parquet file"
        )
    if len(tables) > 1 and _rank(tables[0]) == len(_WELL_KNOWN):
        names = ", ".join(table.name for table in tables[:_LISTED])
        raise ReaderError(
            f"{path} has several tables ({names}); name one, such as "
            f"{shell_word(f'table:{tables[0]}')}, or read the pictures alone with "
            f"{shell_word(f'folder:{path}')}"
        )
    return tables[0]


def _open(file: Path, options: ReaderOptions) -> _Table:
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        return _open_parquet(file)
    if suffix != SUFFIX:
        return _open_delimited(file, options)
    book = open_workbook(file)
    schema = pa.schema([(name, pa.string()) for name in book.names])
    return _Table(schema, book.batches, numbers=True, notes=book.notes)


def _open_delimited(file: Path, options: ReaderOptions) -> _Table:
    encoding = options.settings.get("encoding")
    delimited = open_delimited(file, encoding=encoding, strict=options.strict)
    schema = pa.schema([(name, pa.string()) for name in delimited.names])
    return _Table(schema, delimited.batches, numbers=True, notes=delimited.notes)


def _open_parquet(file: Path) -> _Table:
    """Open a Parquet file; columns of bytes, vectors and nested values are left out."""
    try:
        with pq.ParquetFile(parquet_source(file)) as parquet:
            kept = {
                column.name: type_
                for column in parquet.schema_arrow
                if (type_ := _kept_type(column.type)) is not None
            }
            names = parquet.schema_arrow.names
            inside = [column.name for column in parquet.schema_arrow if _is_picture(column.type)]
    except (pa.ArrowException, OSError) as error:
        raise ReaderError(f"{file} cannot be read as Parquet: {_line(error)}") from error
    if inside and find_column(list(kept), None, IMAGE_COLUMNS) is None:
        raise ReaderError(
            f"{file} holds the pictures themselves, in the column {inside[0]!r}; read it with "
            f"{shell_word(f'imageparquet:{file}')}"
        )
    for name in kept:
        if names.count(name) > 1:
            raise ReaderError(f"{file} has {names.count(name)} columns named {name!r}; rename one")
    schema = pa.schema(kept.items())

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            with pq.ParquetFile(parquet_source(file), pre_buffer=is_remote(file)) as parquet:
                for batch in parquet.iter_batches(rows_of_parquet(parquet, kept), None, list(kept)):
                    columns = [_as_kept(batch[name], type_) for name, type_ in kept.items()]
                    yield pa.RecordBatch.from_arrays(columns, schema=schema)
        except (pa.ArrowException, OSError) as error:
            raise ReaderError(f"{file} cannot be read: {_line(error)}") from error

    return _Table(schema, batches, numbers=False)


def _is_picture(type_: pa.DataType) -> bool:
    """Return whether a column holds the bytes of pictures, as Hugging Face's do."""
    return pa.types.is_struct(type_) and {member.name for member in type_} == {"bytes", "path"}


def _kept_type(type_: pa.DataType) -> pa.DataType | None:
    """Return the type that a Parquet column is kept with, or None if it is no metadata."""
    kinds = pa.types
    if kinds.is_dictionary(type_):
        return _kept_type(type_.value_type)
    if kinds.is_integer(type_):
        return pa.int64()
    if kinds.is_floating(type_) or kinds.is_decimal(type_):
        return pa.float64()
    if kinds.is_list(type_) or kinds.is_large_list(type_):
        is_vector = kinds.is_floating(type_.value_type)
        is_flat = not is_vector and _kept_type(type_.value_type) in (pa.string(), pa.int64())
        return pa.list_(pa.string()) if is_flat else None
    if kinds.is_struct(type_):
        return YEARS if [member.name for member in type_] == ["begin", "end"] else None
    is_other = kinds.is_nested(type_) or kinds.is_binary(type_) or kinds.is_large_binary(type_)
    return None if is_other or kinds.is_fixed_size_binary(type_) else pa.string()


def _as_kept(column: pa.Array, type_: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    column = pc.cast(column, type_)
    if pa.types.is_list(type_):
        return strip_lists(column)
    if type_ == pa.float64():  # NaN is what programs write for a missing number
        return pc.if_else(pc.is_finite(column), column, pa.scalar(None, type_))
    return clean(column) if type_ == pa.string() else column


def _declared_types(
    file: Path, schema: pa.Schema, types: Mapping[str, str]
) -> dict[str, FieldType]:
    declared = declared_types(file, schema.names, types)
    for name, type_ in types.items():
        stored = schema.field(name).type
        if pa.types.is_nested(stored) and declared.pop(name) is not FieldType.of(stored):
            raise ReaderError(f"{file}, column {name!r}: {stored} cannot become {type_}")
    return declared


def _columns_of_pictures(table: _Table) -> list[str]:
    """List the columns whose first values name pictures."""
    first = next(table.batches(), None)
    return columns_of_pictures(first.slice(0, _PROBED)) if first is not None else []


def _look_through(
    file: Path, table: _Table, guesses: Mapping[str, ColumnGuess], image_column: str
) -> tuple[list[str], int]:
    """Show every row to the guesses; return the first images, and the rows of several pictures.

    Raises:
        ReaderError: If there is no row, or no value is of the type declared for its column.
    """
    images: list[str] = []
    rows = several = 0
    for batch in table.batches():
        rows += batch.num_rows
        cells = _as_text(batch[image_column])
        several += count_several(cells)
        if len(images) < _PROBED:
            images += cells.drop_null().to_pylist()[:_PROBED]
        for name, guess in guesses.items():
            guess.add(_as_text(batch[name]))
    if not rows:
        raise ReaderError(f"{file} has a row of column names and no rows below it")
    for name, guess in guesses.items():
        if guess.misfit is not None and guess.fits_none:
            row, value = guess.misfit
            raise ReaderError(
                f"{file}, row {row}, column {name!r}: {value!r} is not of type {guess.declared}, "
                "nor is any other value; declare the column as text"
            )
    return images, several


def _notes(guesses: Mapping[str, ColumnGuess]) -> tuple[str, ...]:
    """List values not of the type declared for their column, and numbers that stay text."""
    misfits = (
        f"values of {name!r} that are not of type {guess.declared} count as missing: "
        f"{guess.misfits:,}, first {guess.misfit[1]!r} in row {guess.misfit[0]:,}"
        for name, guess in guesses.items()
        if guess.misfit is not None
    )
    lookalikes = [
        f"{name} ({value} in row {row:,})"
        for name, guess in guesses.items()
        if guess.lookalike is not None
        for row, value in (guess.lookalike,)
        if "." in value
    ]
    if not lookalikes:
        return tuple(misfits)
    return (
        *misfits,
        "columns of numbers stay text where a number would be written differently: "
        f"{', '.join(lookalikes)}; for a measure add --type COLUMN=number",
    )


def _as_text(column: pa.Array) -> pa.Array:
    """Write a column as clean text; whole numbers that Parquet keeps as floats without a point."""
    if pa.types.is_floating(column.type):
        with suppress(pa.ArrowInvalid):
            column = pc.cast(column, pa.int64())
    return clean(pc.cast(column, pa.string()))


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
