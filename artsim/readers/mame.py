"""MAMe, the museum art mediums dataset: 37,407 pictures, 29 media, and the split it comes with.

MAMe_dataset.csv, with MAMe_labels.csv beside it or not; see https://arxiv.org/abs/2007.13693.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import Catalog
from artsim.errors import ReaderError
from artsim.readers.delimited import column_names, open_delimited
from artsim.readers.options import ReaderOptions
from artsim.readers.paths import candidate_roots, image_root

WHAT = "MAMe, the museum art mediums dataset"
EXAMPLE = "mame:MAMe_dataset.csv"
SETTINGS: tuple[str, ...] = ("encoding",)

_TABLE = "MAMe_dataset.csv"
_LABELS = "MAMe_labels.csv"

# The column "Museum-based instance ID" is left out: the accession number alone predicts 37.5% of
# the test media, so it must never become a feature or a label.
_COLUMNS = {
    "Medium": ("medium", pa.string()),
    "Museum": ("museum", pa.string()),
    "Subset": ("split", pa.string()),  # train, val or test
    "Width": ("pixel_width", pa.int64()),  # of the full picture; written as 3144.0
    "Height": ("pixel_height", pa.int64()),
    "Product size": ("pixel_count", pa.int64()),
    "Aspect ratio": ("aspect_ratio", pa.float64()),  # width / height
}

_NUMBER = r"^[0-9]+(\.[0-9]*)?$"


def detects(path: Path) -> bool:
    """Return whether ``path`` is the table or its folder."""
    file = path / _TABLE if path.is_dir() else path
    return file.suffix.lower() == ".csv" and {"Image file", *_COLUMNS} <= set(column_names(file))


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Read the table; the id is the name of the picture's file.

    The pictures are looked for beside the table and in each folder there, or in
    ``options.images``. The dataset comes in several sizes; ``pixel_width`` and the like are always
    those of the full picture.
    """
    options.allow("mame", "images")
    file = path / _TABLE if path.is_dir() else path
    if not file.is_file():
        raise ReaderError(f"no {_TABLE} in {path}; name the folder that holds it")
    encoding = options.settings.get("encoding")
    delimited = open_delimited(file, encoding=encoding, strict=options.strict)
    notes = list(delimited.notes)
    delimited.require(("Image file", *_COLUMNS))
    table = delimited.table(["Image file", *_COLUMNS])
    media = _media(file.parent / _LABELS)
    images = table["Image file"]
    columns = {"id": images, "image": images}
    for source, (name, type_) in _COLUMNS.items():
        column = table[source]
        if type_ != pa.string():
            fits = pc.match_substring_regex(column, _NUMBER)
            column = _only(fits, column, (file, source, "a number"), notes)
            column = column.cast(pa.float64())
        elif source == "Medium" and media:
            fits = pc.is_in(column, pa.array(media))
            column = _only(fits, column, (file, source, f"listed in {_LABELS}"), notes)
        columns[name] = column.cast(type_)
    if options.strict and len(notes) > len(delimited.notes):
        raise ReaderError(notes[-1])
    return Catalog.of_table(
        pa.table(columns),
        name="mame",
        reader="mame",
        source=path,
        root=image_root(images.to_pylist(), candidate_roots(file.parent), options),
        notes=tuple(notes),
    )


def _media(labels: Path) -> list[str]:
    """Read the names of the media; none where the file is missing."""
    if not labels.is_file():
        return []
    table = open_delimited(labels, names=("index", "medium"), delimiter=",")
    media: list[str] = table.table(["medium"])["medium"].to_pylist()
    return media


def _only(
    fits: pa.ChunkedArray, column: pa.ChunkedArray, where: tuple[Path, str, str], notes: list[str]
) -> pa.ChunkedArray:
    """Make the values that do not fit missing, with a note; ``where``: file, column, expected."""
    odd = column.filter(pc.invert(fits))
    if len(odd):
        file, name, expected = where
        notes.append(
            f"{file}, row {pc.index(fits, False).as_py() + 1}, column {name!r}: "
            f"{odd[0].as_py()!r} is not {expected}; such values are missing: {len(odd):,}"
        )
    return pc.if_else(fits, column, pa.scalar(None, pa.string()))
