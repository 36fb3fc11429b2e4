"""Files that hold many pictures each, in a folder and its folders of splits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath

import pyarrow as pa

from artsim.datatypes import Catalog
from artsim.places import CONTAINERS, scan
from artsim.readers.nested import Flat
from artsim.readers.pictures import files_with, is_hidden
from artsim.readers.rows import Row

_DEPTH = 3  # folders: data/, or default/train/ as Hugging Face converts data sets
_WILD = re.compile(r"[*?\[]")
_SPLIT = re.compile(r"(train|val|valid|validation|test)(?=$|[-_.\d])", re.IGNORECASE)


def shards(path: Path, suffix: str) -> list[Path]:
    """List the files that end in a suffix, in order.

    That is the one named, those that fit a pattern, or those of a folder.
    """
    if path.is_file():
        return [path] if path.name.lower().endswith(suffix) else []
    folder = folder_of(path)
    if not is_pattern(path):
        return _near(folder, suffix)
    return [
        file
        for file in sorted(folder.glob(path.relative_to(folder).as_posix()))
        if file.name.lower().endswith(suffix)
        and not any(map(is_hidden, file.relative_to(folder).parts))
        and file.is_file()
    ]


def _near(folder: Path, suffix: str) -> list[Path]:
    """List the files of a folder, then of its folders, then of theirs."""
    found: list[Path] = []
    folders = [folder]
    for _ in range(_DEPTH):
        below: list[Path] = []
        for each in folders:
            found += files_with(each, [suffix])
            with scan(each) as entries:
                names = [entry.name for entry in entries if entry.is_dir()]
            below += [each / name for name in sorted(names) if not is_hidden(name)]
        folders = below
    return found


def is_pattern(path: Path) -> bool:
    """Return whether a path that is not there means several files: ``shards/train-*.tar``."""
    is_wild = any(map(_WILD.search, path.parts))
    return is_wild and path.suffix.lower() in CONTAINERS and not path.exists()


def folder_of(path: Path) -> Path:
    """Return the folder that pictures are named from: the one named, or what the files are in."""
    if is_pattern(path):
        return next(each for each in path.parents if not any(map(_WILD.search, each.parts)))
    return path.parent if path.is_file() else path


def catalog_of(table: pa.Table, path: Path, *, reader: str, notes: Iterable[str]) -> Catalog:
    """Return the rows of shards as a collection: of a folder, or of the one file that is named."""
    return Catalog.of_table(
        table,
        name=(path.stem if path.is_file() else folder_of(path).name) or "collection",
        reader=reader,
        source=path,
        root=folder_of(path),
        notes=tuple(notes),
    )


def row_of(shard: PurePath, id_: Flat, image: str | None, values: Mapping[str, Flat]) -> Row:
    """Make a row of a picture; its record's own id and image become columns of another name."""
    split = split_of(shard)
    own = {f"{key}_record" if key in ("id", "image") else key: v for key, v in values.items()}
    return {"id": id_, "image": image, **({"split": split} if split else {}), **own}


def split_of(shard: PurePath) -> str | None:
    """Return the split that a shard's name or folder begins with: ``train-00000.tar``."""
    found = (_SPLIT.match(part) for part in reversed(shard.parts))
    return next((match[1].lower() for match in found if match), None)
