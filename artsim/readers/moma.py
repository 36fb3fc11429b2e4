"""The Museum of Modern Art's open data, Artworks.csv, in its three layouts.

15 columns with `ImageURL` in 2015, then 29 with `ThumbnailURL` and the artists' dates, today 30
with `ImageURL,OnView`; see https://github.com/MuseumofModernArt/collection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import Catalog
from artsim.errors import ReaderError
from artsim.readers.columns import ColumnType, convert, field_names, split_list
from artsim.readers.delimited import column_names, open_delimited
from artsim.readers.options import ReaderOptions
from artsim.readers.pictures import files_with
from artsim.readers.years import YEARS, years_of

WHAT = "The Museum of Modern Art: Artworks.csv of its open data"
EXAMPLE = "moma:Artworks.csv"
SETTINGS: tuple[str, ...] = ("encoding",)

_IMAGES = ("ImageURL", "ThumbnailURL")  # the first that is there
_MARKS = ("Title", "Artist", "Date", "Medium", "ObjectID", "DateAcquired")  # in every layout

# Columns that get other names, mostly the same in snake case; one that is not here keeps its name.
_KNOWN = (
    *("Title", "Artist", "ConstituentID", "ArtistBio", "Nationality", "Gender", "Date", "Medium"),
    *("Dimensions", "CreditLine", "AccessionNumber", "Classification", "Department"),
    *("DateAcquired", "Cataloged", "CuratorApproved", "URL", "OnView"),
)
_NUMBERS = (
    *("Circumference (cm)", "Depth (cm)", "Diameter (cm)", "Height (cm)", "Length (cm)"),
    *("Weight (kg)", "Width (cm)", "Seat Height (cm)", "Duration (sec.)"),
)
_NAMES = {
    name: re.sub(r"[^a-z]+", "_", re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_")
    for name in (*_KNOWN, *_NUMBERS)
} | {
    "BeginDate": "artist_born",
    "EndDate": "artist_died",
    "MoMANumber": "accession_number",
    "Duration (sec.)": "duration_s",
}

_UNKNOWN = "Nationality unknown"  # what the museum writes among nationalities


def detects(path: Path) -> bool:
    """Return whether ``path`` is such a table, or a folder with Artworks.csv or one like it."""
    tables = (file for file in _candidates(path) if file.suffix.lower() == ".csv")
    return any(set(_MARKS) <= set(column_names(file)) for file in tables)


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Read Artworks.csv; the id is the ObjectID and the image an address, which may be missing.

    ``nationality``, ``gender`` and ``constituent_id`` are lists, for a work can have several
    artists; ``artist`` stays the text it is, because names hold commas too. ``artist_born`` and
    ``artist_died`` are those of the first artist, and missing where the museum writes ``(0)``:
    unknown, or living. ``years`` is the date as first and last year.
    """
    options.allow("moma")
    file = _find(path)
    # a large file whose download was cut off ends in half a row; its work is still one
    encoding = options.settings.get("encoding")
    table = open_delimited(file, encoding=encoding, torn_end=True, strict=options.strict)
    image = next((name for name in _IMAGES if name in table.names), " or ".join(_IMAGES))
    table.require((*_MARKS, image))
    sources = [name for name in table.names if name not in ("ObjectID", image)]
    readers = {name: _READERS.get(name, _TEXT) for name in sources}
    names = field_names([_NAMES.get(name, name) for name in sources])
    empty = pa.array([], pa.string())
    fields = [(name, read(empty).type) for name, read in zip(names, readers.values(), strict=True)]
    schema = pa.schema([("id", pa.string()), ("image", pa.string()), *fields, ("years", YEARS)])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in table.batches():
            columns = [batch["ObjectID"], _addresses(batch[image])]
            columns += [read(batch[name]) for name, read in readers.items()]
            yield pa.RecordBatch.from_arrays([*columns, years_of(batch["Date"])], schema=schema)

    return Catalog(
        name="moma" if file.stem.lower() == "artworks" else file.stem,
        reader="moma",
        source=path,
        root=file.parent,
        schema=schema,
        batches=batches,
        notes=table.notes,
    )


def _candidates(path: Path) -> list[Path]:
    exact = path / "Artworks.csv"
    if path.is_file() or exact.is_file():
        return [path if path.is_file() else exact]
    return [file for file in files_with(path, (".csv",)) if file.name.startswith("Artworks")]


def _find(path: Path) -> Path:
    files = _candidates(path)
    if not files:
        raise ReaderError(f"no Artworks.csv in {path}; name the file, such as moma:FILE.csv")
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise ReaderError(f"{path} has several tables ({names}); name one, such as moma:{files[0]}")
    return files[0]


def _addresses(column: pa.Array) -> pa.Array:
    """Keep whole addresses; a row that the end of a download tore may hold the start of one."""
    is_whole = pc.match_substring_regex(column, "(?i)^https?://")
    return pc.if_else(is_whole, column, pa.scalar(None, pa.string()))


def _split_parentheses(column: pa.Array) -> pa.Array:
    """Turn ``(Swiss) () (Dutch)`` into a list without the unknown."""
    inner = pc.replace_substring_regex(column, r"^\(|\)$", "")
    known = pc.replace_substring_regex(inner, rf"(^|\() *{_UNKNOWN} *(\)|$)", r"\1\2")
    return split_list(pc.replace_substring_regex(known, r"\) *\(", "|"), "|")


def _first_year(column: pa.Array) -> pa.Array:
    """Read the first of ``(1841) (0)``; 0 stands for unknown or living."""
    year = pc.struct_field(pc.extract_regex(column, r"^\((?P<year>[0-9]{1,4})\)"), "year")
    year = pc.cast(year, pa.int64())
    return pc.if_else(pc.equal(year, 0), pa.scalar(None, pa.int64()), year)


def _measure(column: pa.Array) -> pa.Array:
    """Read a size, 045.7 too; anything but a number of zero or more is missing."""
    size = convert(column, ColumnType("decimal"))
    return pc.if_else(pc.greater_equal(size, 0), size, pa.scalar(None, pa.float64()))


_TEXT = partial(convert, type_=ColumnType("text"))
_READERS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "ConstituentID": partial(split_list, separator=","),
    "Nationality": _split_parentheses,
    "Gender": _split_parentheses,
    "BeginDate": _first_year,
    "EndDate": _first_year,
    # centimeters, kilograms and seconds
    **dict.fromkeys(_NUMBERS, _measure),
}
