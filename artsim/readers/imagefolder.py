"""Pictures with a ``metadata.jsonl`` beside them, as Hugging Face lays them out.

https://huggingface.co/docs/datasets/image_dataset: each line has a ``file_name``; the folders
train, validation and test may each have a file of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from artsim.datatypes import Catalog
from artsim.errors import ReaderError
from artsim.readers.nested import Flat, flatten
from artsim.readers.options import ReaderOptions
from artsim.readers.record_files import read_records
from artsim.readers.rows import GatheredRows, Row

WHAT = "A Hugging Face image folder: pictures with a metadata.jsonl"
EXAMPLE = "imagefolder:data/train"
SETTINGS: tuple[str, ...] = ()

_SPLITS = ("train", "val", "valid", "validation", "test")
_NAME = "metadata.jsonl"


def detects(path: Path) -> bool:
    """Return whether the folder, or a folder of a split in it, has a file of metadata."""
    return path.is_dir() and any(_files(path))


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Read the metadata; the id is the path of the picture below ``path``.

    ``split`` is the folder of the split; every other value of a line is a column.
    """
    options.allow("imagefolder", "types")
    notes: list[str] = []
    table = GatheredRows(
        (
            _row(flatten(record), split)
            for split, file in _files(path)
            for record in read_records(file, notes=None if options.strict else notes)
        ),
        options,
    ).table()
    if not table.num_rows or table["image"].null_count == table.num_rows:
        raise ReaderError(
            f"no {_NAME} in {path} has a line with file_name, the path of its picture; read the "
            "pictures with folder:"
        )
    return Catalog.of_table(
        table,
        name=path.name or "collection",
        reader="imagefolder",
        source=path,
        root=path,
        notes=tuple(notes),
    )


def _files(path: Path) -> Iterator[tuple[str | None, Path]]:
    for split in (None, *_SPLITS):
        file = path / (split or "") / _NAME
        if file.is_file():
            yield split, file


def _row(values: dict[str, Flat], split: str | None) -> Row:
    name = values.pop("file_name", None)
    image = f"{split}/{name}" if split and name else name
    values.pop("image", None)
    renamed = {("id_record" if key == "id" else key): value for key, value in values.items()}
    return {"id": image, "image": image, **({"split": split} if split else {}), **renamed}
