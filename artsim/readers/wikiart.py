"""The WikiArt lists of ArtGAN: style, genre and artist, one row per picture and one split per task.

The lists of https://github.com/cs-chan/ArtGAN/tree/master/WikiArt%20Dataset in any of their three
shapes, with the class files beside them, all in one folder or each task in its own (``Style/``):

    style_train.csv, style_val.csv    path,index
    artist_train, artist_val          (Path to image),, (Groundtruth class) / blank / path,,index
    elsewhere                         image_path,class_index / path,index
    style_class.txt, genre_class      index name
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from artsim.datatypes import Catalog
from artsim.errors import ReaderError
from artsim.readers.options import ReaderOptions
from artsim.readers.paths import candidate_roots, image_root

WHAT = "ArtGAN's WikiArt lists of style, genre and artist"
EXAMPLE = "wikiart:wikiart/Style"
SETTINGS: tuple[str, ...] = ()

TASKS = ("style", "genre", "artist")
_SPLITS = ("train", "val", "test")
_SUFFIXES = ("", ".csv", ".txt")

# Lines that a list may have before its first picture.
_HEADER = re.compile(r"\(Path to image\)|image_path\s*,", re.IGNORECASE)
_LINE = re.compile(r"(?P<path>.+?)\s*,{1,2}\s*(?P<index>[0-9]+)")
_CLASS = re.compile(r"(?P<index>[0-9]+)\s+(?P<name>\S.*)")


def detects(path: Path) -> bool:
    """Return whether the folder holds a list of one of the tasks."""
    return path.is_dir() and any(_lists(path, task) for task in TASKS)


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Merge the lists; the id is the path in them, such as ``Rococo/canaletto_the-stonemason.jpg``.

    Each task that has lists has a column with its class and another, such as ``style_split``, with
    train, val or test; both are missing for pictures that are not in the task. A picture may be in
    different splits in different tasks. One that a list names twice, as genre_val does with two
    classes, is one row with the class named first. The pictures are looked for in
    ``options.images``, beside the lists and in each folder there.
    """
    options.allow("wikiart", "images")
    if not detects(path):
        raise ReaderError(
            f"no list such as style_train.csv in {path}; name the folder of the lists"
        )
    columns: dict[str, dict[str, str]] = {}  # values by path
    faults: list[str] = []
    for task in TASKS:
        if lists := _lists(path, task):
            classes = _classes(path, task)
            columns[task], columns[f"{task}_split"] = _read_lists(lists, task, classes, faults)
    images = list(dict.fromkeys(image for values in columns.values() for image in values))
    if faults and (options.strict or len(faults) > len(images)):
        raise ReaderError(faults[0])
    if not images:
        raise ReaderError(f"the lists in {path} name no picture")
    note = f"bad lines of lists are left out: {len(faults):,}, first {'; '.join(faults[:1])}"
    values = {name: list(map(found.get, images)) for name, found in columns.items()}
    return Catalog.of_table(
        pa.table({"id": images, "image": images, **values}),
        name=path.name or "wikiart",
        reader="wikiart",
        source=path,
        root=image_root(images, candidate_roots(path), options),
        notes=(note,) if faults else (),
    )


def _lists(folder: Path, task: str) -> dict[str, Path]:
    found = {split: _find(folder, task, split) for split in _SPLITS}
    return {split: file for split, file in found.items() if file is not None}


def _find(folder: Path, task: str, what: str) -> Path | None:
    """Find a file of a task in the folder, or in the task's own: ``Style/style_train.csv``."""
    places = (folder, folder / task.capitalize(), folder / task)
    files = (place / f"{task}_{what}{suffix}" for place in places for suffix in _SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def _classes(folder: Path, task: str) -> dict[str, str]:
    """Read the names of the classes by index; nothing where there is no class file."""
    file = _find(folder, task, "class")
    classes: dict[str, str] = {}
    for number, line in _lines(file) if file is not None else ():
        match = _CLASS.fullmatch(line)
        if match is None:
            raise ReaderError(f"{file}, line {number}: {line!r} is not of the form 'index name'")
        classes[match["index"]] = match["name"]
    return classes


def _read_lists(
    lists: dict[str, Path], task: str, classes: dict[str, str], faults: list[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Read the lists of a task: class and split of each path. Bad lines are added to ``faults``."""
    labels: dict[str, str] = {}
    splits: dict[str, str] = {}
    for split, file in lists.items():
        for number, line in _lines(file):
            if not (match := _LINE.fullmatch(line)):
                if _HEADER.match(line):
                    continue
                faults.append(f"{file}, line {number}: {line!r} is not of the form 'path,index'")
                continue
            path, index = match["path"], match["index"]
            if classes and index not in classes:
                faults.append(
                    f"{file}, line {number}: no class {index} in the class file of {task}, which "
                    f"goes up to {max(classes, key=int)}"
                )
                continue
            labels.setdefault(path, classes.get(index, index))
            if (before := splits.setdefault(path, split)) != split:
                raise ReaderError(
                    f"{file}, line {number}: {path!r} is in the {before} list of {task} too; "
                    "leave it in one of them"
                )
    return labels, splits


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if stripped := line.strip():
                    yield number, stripped
    except UnicodeDecodeError as error:
        raise ReaderError(f"{file} is not UTF-8 ({error.reason}); save it as UTF-8") from error
