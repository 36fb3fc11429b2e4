"""Records of any kind, whose id and picture are found by their keys: ``records:FILE``.

Nested values become columns named by their paths, ``creator.full_name``; lists stay lists. To give
the columns other names, write a mapping (``map:FILE.toml``); ``artsim inspect SOURCE --draft-map``
writes the first one.
"""

from __future__ import annotations

from pathlib import Path

from artsim.datatypes import PICTURE_SUFFIXES, Catalog
from artsim.errors import ReaderError
from artsim.readers.drafting import draft
from artsim.readers.mapped import read_mapped
from artsim.readers.mapping import ImageMap, MuseumMap
from artsim.readers.nested import parse_path
from artsim.readers.options import ReaderOptions
from artsim.readers.pictures import files_with
from artsim.readers.record_files import SUFFIXES

WHAT = "Records of any kind as JSON, JSON lines, XML, CSV, Excel or Parquet"
EXAMPLE = "records:export.json"
# views=first: one picture a record, or all; separator: between the values of a list in one text
SETTINGS: tuple[str, ...] = ("views", "separator")

_SIDECARS = (".json", ".xml")  # of which every picture may have one beside it


def detects(path: Path) -> bool:
    """Return whether it is a file of records, or a folder of records that name pictures."""
    if path.is_file():
        return path.name.lower().endswith(SUFFIXES)
    if not path.is_dir():
        return False
    pictures = files_with(path, tuple(f".{each}" for each in PICTURE_SUFFIXES))
    if pictures and len(files_with(path, _SIDECARS)) != 1:
        return False
    try:
        return draft(path).image is not None
    except ReaderError:
        return False


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Read the records of a file, or of all files in a folder and below.

    ``--id-column`` and ``--image-column`` name a key, or a path of keys; without them they are
    found. A record without an id is left out, one without a picture keeps its row.
    """
    options.allow("records", "images", "types", "id_column", "image_column")
    found = draft(path, id_path=options.id_column, image_path=options.image_column)
    if found.id is None or found.image is None:
        lacking, option = ("picture", "image") if found.image is None else ("id", "id")
        raise ReaderError(
            f"no key of {path} looks like the {lacking}; the keys are {', '.join(found.keys)}; "
            f"name one with --{option}-column"
        )
    map_ = MuseumMap(
        name="records",
        id=parse_path(found.id),
        image=(ImageMap(path=found.image),),
        files=found.files,
    )
    return read_mapped(path, map_, options)
