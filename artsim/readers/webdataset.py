"""Pictures in tars, as WebDataset lays them out.

https://github.com/webdataset/webdataset: the files of one sample have one name and different
suffixes, ``000123.jpg``, ``000123.json``, ``000123.cls``, and lie in tars of some thousand samples.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from artsim.datatypes import PICTURE_SUFFIXES, Catalog, name_as_text
from artsim.errors import ReaderError
from artsim.places import Tar, open_container, opened_ahead
from artsim.readers.nested import Flat, flatten, text_of
from artsim.readers.options import ReaderOptions
from artsim.readers.pictures import files_with, is_hidden, is_picture
from artsim.readers.rows import GatheredRows, Row
from artsim.readers.shards import catalog_of, folder_of, row_of, shards

WHAT = "Tars of pictures and their metadata, as WebDataset writes them"
EXAMPLE = "webdataset:shards/"
SETTINGS: tuple[str, ...] = ()

_PACKED = (".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz")
_TEXTS = ("txt", "text", "caption", "cls", "id", "key", "url")  # members that are one value
_NAMED = 5  # suffixes of members left out that a note names

Sample = dict[str, str]  # members by their suffix


def detects(path: Path) -> bool:
    """Return whether it is a tar with pictures, or a folder of such tars without loose pictures."""
    if path.is_file():
        return path.name.lower().endswith((".tar", *_PACKED))
    if path.is_dir() and files_with(path, tuple(f".{each}" for each in PICTURE_SUFFIXES)):
        return False
    found = shards(path, ".tar")
    try:
        return bool(found) and any(map(is_picture, _open(found[0]).members))
    except ReaderError:
        return False


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Read the members of tars; the id is the path of the picture, ``train-000.tar/000123.jpg``.

    The JSON of a sample gives columns by path, its other texts (.txt, .cls) one each; ``split`` is
    what the name of the tar or its folder begins with. ``--id-column`` takes the id from a column.
    """
    options.allow("webdataset", "types", "id_column")
    if packed := [file for suffix in _PACKED for file in shards(path, suffix)]:
        raise ReaderError(
            f"{packed[0]} is compressed; unpack it to a .tar, so that pictures in it "
            "can be opened one by one"
        )
    folder = folder_of(path)
    notes: list[str] = []
    others: Counter[str] = Counter()
    faults: list[str] = []
    rows = (
        row
        for file in opened_ahead(shards(path, ".tar"))
        for row in _rows(file, folder, options.id_column, others, faults)
    )
    table = GatheredRows(rows, options).table()
    if faults and options.strict:
        raise ReaderError(faults[0])
    if not table.num_rows:
        raise ReaderError(f"no picture in the tars of {path}; expected members such as 000123.jpg")
    if faults:
        notes.append(f"faults in tars: {len(faults):,}, first {faults[0]}; the rest is read")
    if others:
        named = ", ".join(f"{count:,} {name}" for name, count in others.most_common(_NAMED))
        notes.append(f"members of tars that are no pictures, JSON or text are left out: {named}")
    return catalog_of(table, path, reader="webdataset", notes=notes)


def _rows(
    file: Path, folder: Path, id_column: str | None, others: Counter[str], faults: list[str]
) -> Iterator[Row]:
    """Read the rows of a tar, one for every picture of a sample; name faults."""
    tar, shard = _open(file), file.relative_to(folder)
    if tar.fault:
        faults.append(f"{file} ends early or is damaged ({tar.fault})")
    for sample in _samples(tar).values():
        pictures = [member for member in sample.values() if is_picture(member)]
        if not pictures:
            others.update(f".{suffix}" for suffix in sample)
            continue
        values: dict[str, Flat] = {}
        for suffix, member in sample.items():
            if suffix.rpartition(".")[2] in ("json", *_TEXTS):
                values |= _values(tar, suffix, member, faults)
            elif not is_picture(member):
                others[f".{suffix}"] += 1
        for member in pictures:
            image = name_as_text(f"{shard.as_posix()}/{member}")
            id_ = _one(values, id_column) if id_column else image
            yield row_of(shard, id_, image, values)


def _open(file: Path) -> Tar:
    try:
        tar = open_container(file)
    except OSError as error:
        raise ReaderError(f"{file} {error.strerror}") from error
    assert isinstance(tar, Tar)
    return tar


def _samples(tar: Tar) -> dict[str, Sample]:
    """Put the members of one name together; the suffix begins at the first dot."""
    samples: dict[str, Sample] = defaultdict(dict)
    for member in tar.members:
        folder, _, name = member.rpartition("/")
        stem, dot, suffix = name.partition(".")
        if dot and not is_hidden(name):
            samples[f"{folder}/{stem}"][suffix.lower()] = member
    return samples


def _values(tar: Tar, suffix: str, member: str, faults: list[str]) -> dict[str, Flat]:
    """Read a member of text: the values of an object, or one that is named by its suffix."""
    try:
        text = tar.read(member).decode("utf-8-sig")
        value: Any = json.loads(text) if suffix.endswith("json") else text
    except (ValueError, OSError, RecursionError) as error:
        faults.append(f"{tar.file}, {member} is not UTF-8 or not JSON ({error})")
        return {}
    return flatten(value if isinstance(value, dict) else {suffix: value})


def _one(values: dict[str, Flat], column: str) -> str | None:
    value = values.get(column)
    return text_of(value[0] if isinstance(value, list) and value else value)
