"""MAMe, the museum art mediums dataset: 37,407 pictures, 29 media, and the split it comes with.

MAMe_dataset.csv, with MAMe_labels.csv beside it or not; see https://arxiv.org/abs/2007.13693.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from artsim.datatypes import Catalog
from artsim.errors import ReaderError
from artsim.readers.columns import ColumnType, convert
from artsim.readers.delimited import column_names, open_delimited
from artsim.readers.options import ReaderOptions
from artsim.readers.pictures import candidate_roots, image_root

SETTINGS: tuple[str, ...] = ("encoding",)

_TABLE = "MAMe_dataset.csv"
_LABELS = "MAMe_labels.csv"

# The column "Museum-based instance ID" is left out: the accession number alone predicts 37.5 % of
# the test media, so it must never become a feature or a label.
_COLUMNS = {
    "Medium": ("medium", ColumnType("text")),
    "Museum": ("museum", ColumnType("text")),
    "Subset": ("split", ColumnType("text")),  # train, val or test
    "Width": ("pixel_width", ColumnType("decimal")),  # of the full picture
    "Height": ("pixel_height", ColumnType("decimal")),
    "Product size": ("pixel_count", ColumnType("decimal")),
    "Aspect ratio": ("aspect_ratio", ColumnType("decimal")),  # width / height
}
_WHOLE = ("Width", "Height", "Product size")  # written as 3144.0

_NUMBER = r"^[0-9]+(\.[0-9]*)?$"


def detects(path: Path) -> bool:
    """Return whether ``path`` is the table or the folder it lies in."""
    file = path / _TABLE if path.is_dir() else path
    return file.suffix.lower() == ".csv" and {"Image file", *_COLUMNS} <= set(column_names(file))


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Read the table; the id is the name of the picture's file.

    The pictures are looked for beside the table and in each folder there, or in
    ``options.images``: the dataset is given out in several sizes, and ``pixel_width`` and the like
    always are those of the full picture.

    Raises:
        ReaderError: If the table is missing or broken, or a value is not what it should be.
    """
    options.allow("mame", "images")
    file = path / _TABLE if path.is_dir() else path
    if not file.is_file():
        raise ReaderError(f"no {_TABLE} in {path}; name the folder that it lies in")
    table = open_delimited(file, encoding=options.settings.get("encoding"))
    table.require(("Image file", *_COLUMNS))
    media = _media(file.parent / _LABELS)
    fields = [(name, _type(source, type_)) for source, (name, type_) in _COLUMNS.items()]
    schema = pa.schema([("id", pa.string()), ("image", pa.string()), *fields])

    def batches() -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in table.batches(["Image file", *_COLUMNS]):
            _check(batch, media, file, rows)
            rows += batch.num_rows
            columns = [
                convert(batch[source], type_).cast(_type(source, type_))
                for source, (_, type_) in _COLUMNS.items()
            ]
            images = batch["Image file"]
            yield pa.RecordBatch.from_arrays([images, images, *columns], schema=schema)

    images: list[str] = []
    for batch in batches():  # once through, so that a wrong value is found before anything starts
        images = images or batch["image"].drop_null().to_pylist()[:100]
    return Catalog(
        name="mame",
        reader="mame",
        source=path,
        root=image_root(images, candidate_roots(file.parent), options) or file.parent,
        schema=schema,
        batches=batches,
    )


def _type(source: str, type_: ColumnType) -> pa.DataType:
    return pa.int64() if source in _WHOLE else type_.arrow


def _media(labels: Path) -> frozenset[str]:
    """Read the names of the media, or none where the file is not there."""
    if not labels.is_file():
        return frozenset()
    table = open_delimited(labels, names=("index", "medium"), delimiter=",")
    return frozenset(medium for batch in table.batches() for medium in batch["medium"].to_pylist())


def _check(batch: pa.RecordBatch, media: frozenset[str], file: Path, rows: int) -> None:
    """Raise an error for the first value that is no number, or no medium that the labels name."""
    for source, (_, type_) in _COLUMNS.items():
        column = batch[source]
        if type_.parsing == "decimal":
            fits, expected = pc.match_substring_regex(column, _NUMBER), "a number"
        elif source == "Medium" and media:
            fits, expected = pc.is_in(column, pa.array(sorted(media))), f"listed in {_LABELS}"
        else:
            continue
        row = pc.index(pc.or_(pc.is_null(column), fits), False).as_py()
        if row >= 0:
            raise ReaderError(
                f"{file}, row {rows + row + 1}, column {source!r}: {column[row].as_py()!r} is not "
                f"{expected}; correct it"
            )
