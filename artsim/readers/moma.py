"""The Museum of Modern Art's open data, Artworks.csv, in its three layouts.

2015 (15 columns, `ImageURL`), then 29 columns with `ThumbnailURL` and artists' dates, and today's 30
with `ImageURL,OnView`; see https://github.com/MuseumofModernArt/collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import Catalogue
from artsim.errors import ReaderError
from artsim.readers.columns import YEARS, ColumnType, convert, field_names, split_list
from artsim.readers.delimited import column_names, open_delimited
from artsim.readers.options import ReaderOptions

__all__ = ["SETTINGS", "detects", "read"]

SETTINGS: tuple[str, ...] = ("encoding",)

_IMAGES = ("ImageURL", "ThumbnailURL")  # the first that is there
_MARKS = ("Title", "Artist", "Medium", "ObjectID", "DateAcquired")  # in every layout

# How each column is called and read; one that is not here is text and keeps its name.
_NAMES = {
    "Title": "title",
    "Artist": "artist",
    "ConstituentID": "constituent_id",
    "ArtistBio": "artist_bio",
    "Nationality": "nationality",
    "BeginDate": "artist_born",
    "EndDate": "artist_died",
    "Gender": "gender",
    "Date": "date",
    "Medium": "medium",
    "Dimensions": "dimensions",
    "CreditLine": "credit_line",
    "AccessionNumber": "accession_number",
    "MoMANumber": "accession_number",
    "Classification": "classification",
    "Department": "department",
    "DateAcquired": "date_acquired",
    "Cataloged": "cataloged",
    "CuratorApproved": "curator_approved",
    "URL": "url",
    "OnView": "on_view",
    "Circumference (cm)": "circumference_cm",
    "Depth (cm)": "depth_cm",
    "Diameter (cm)": "diameter_cm",
    "Height (cm)": "height_cm",
    "Length (cm)": "length_cm",
    "Weight (kg)": "weight_kg",
    "Width (cm)": "width_cm",
    "Seat Height (cm)": "seat_height_cm",
    "Duration (sec.)": "duration_s",
}
_NUMBERS = tuple(name for name in _NAMES if name.endswith((" (cm)", " (kg)", " (sec.)")))

# 1896, c. 1896, (1976-77), 1976-1977. Anything else, 'Before 1950' or '1959, published 1976', says
# more than a range can.
_DATE = (
    r"^\(?(?:c\.|ca\.|circa)?\s*(?P<begin>[0-9]{4})"
    r"(?:\s*[-\x{2013}/]\s*(?P<end>[0-9]{4}|[0-9]{2}))?\.?\)?\.?$"
)


def detects(path: Path) -> bool:
    """Tell whether ``path`` is such a table, or a folder with Artworks.csv or one like it."""
    files = [path] if path.is_file() else _candidates(path)
    return any(set(_MARKS) <= set(column_names(file)) for file in files if _is_csv(file))


def read(path: Path, options: ReaderOptions) -> Catalogue:
    """Read Artworks.csv; the id is the ObjectID and the image an address, which may be missing.

    ``nationality``, ``gender`` and ``constituent_id`` are lists, for a work can have several
    artists; ``artist`` stays the text it is, because names hold commas too. ``artist_born`` and
    ``artist_died`` are those of the first artist, and missing where the museum writes ``(0)``:
    unknown, or living. ``years`` is the date where it is a year or a plain range.

    Raises:
        ReaderError: If the table is missing or broken, or is in none of the three layouts.
    """
    options.allow("moma")
    file = _find(path)
    table = open_delimited(file, encoding=options.settings.get("encoding"))
    image = next((name for name in _IMAGES if name in table.names), None)
    missing = next((name for name in _MARKS if name not in table.names), None)
    if missing or image is None:
        raise ReaderError(
            f"{file} has no column {missing or ' or '.join(_IMAGES)!r}; its columns are "
            f"{', '.join(table.names)}; read another layout with table:{file}"
        )
    sources = [name for name in table.names if name not in ("ObjectID", image)]
    readers = {name: _READERS.get(name, _as_it_is) for name in sources}
    names = field_names([_NAMES.get(name, name) for name in sources])
    empty = pa.array([], pa.string())
    fields = [(name, read(empty).type) for name, read in zip(names, readers.values(), strict=True)]
    schema = pa.schema([("id", pa.string()), ("image", pa.string()), *fields, ("years", YEARS)])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in table.batches():
            columns = [batch["ObjectID"], batch[image]]
            columns += [read(batch[name]) for name, read in readers.items()]
            yield pa.RecordBatch.from_arrays([*columns, _years(batch["Date"])], schema=schema)

    return Catalogue(
        name="moma" if file.stem.lower() == "artworks" else file.stem,
        reader="moma",
        source=path,
        root=file.parent,
        schema=schema,
        batches=batches,
    )
