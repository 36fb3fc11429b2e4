"""A tree of pictures: each picture is a row, and the folders it lies in are its labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from artsim.datatypes import Catalog
from artsim.errors import ReaderError
from artsim.readers.options import ReaderOptions
from artsim.readers.pictures import is_hidden, is_picture, printable

SETTINGS: tuple[str, ...] = ()

_SPLITS = frozenset(("train", "val", "valid", "validation", "test"))
_BATCH = 8192  # rows a record batch


def detects(path: Path) -> bool:
    """Return whether ``path`` is a folder; its pictures are found when it is read."""
    return path.is_dir()


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Read a tree of pictures; ids are paths relative to ``path``, with ``/`` and the extension.

    A flat folder has no metadata. In a tree ``class`` is the first folder below ``path``; when the
    top folders are all named train, val, valid, validation or test, they become ``split`` and the
    class is the folder below. Trees that go deeper have ``folder`` too, the whole relative parent.

    Raises:
        ReaderError: If there is no picture, or a folder cannot be listed.
    """
    if not path.is_dir():
        raise ReaderError(f"{path} is not a folder; name the folder that holds the pictures")
    options.allow("folder")
    shape = _Shape()
    for folders, _ in _walk(path):
        shape.add(folders)
    if not shape.pictures:
        raise ReaderError(
            f"no picture found in {path} or below; expected files such as .jpg, .png or .tif"
        )
    schema = pa.schema([(name, pa.string()) for name in ("id", "image", *shape.columns())])

    def batches() -> Iterator[pa.RecordBatch]:
        rows: list[tuple[str | None, ...]] = []
        for folders, name in _walk(path):
            image = printable("/".join((*folders, name)))
            rows.append((image, image, *shape.values(folders)))
            if len(rows) == _BATCH:
                yield _batch(rows, schema)
                rows = []
        if rows:
            yield _batch(rows, schema)

    return Catalog(
        name=path.name or "collection",
        reader="folder",
        source=path,
        root=path,
        schema=schema,
        batches=batches,
    )


@dataclass
class _Shape:
    """What the folders of a tree stand for, from the place of every picture in it."""

    pictures: int = 0
    depth: int = 0  # folders above the deepest picture
    top: set[str] = field(default_factory=set)  # first folders; "" for pictures that have none

    def add(self, folders: tuple[str, ...]) -> None:
        self.pictures += 1
        self.depth = max(self.depth, len(folders))
        self.top.add(folders[0] if folders else "")

    @property
    def split(self) -> bool:
        return all(name.lower() in _SPLITS for name in self.top)

    @property
    def class_depth(self) -> int:
        return 2 if self.split else 1

    def columns(self) -> list[str]:
        columns = ["split"] if self.split else []
        if self.depth >= self.class_depth:
            columns.append("class")
        if self.depth > self.class_depth:
            columns.append("folder")
        return columns

    def values(self, folders: tuple[str, ...]) -> Iterator[str | None]:
        for column in self.columns():
            if column == "folder":
                yield printable("/".join(folders)) or None
            else:
                level = 0 if column == "split" else self.class_depth - 1
                yield printable(folders[level]) if len(folders) > level else None


def _walk(root: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the folders and the name of every picture below ``root``, in a fixed order.

    Each folder is listed once: a link is followed only where nothing else leads (see `_leads_out`)
    and never twice, so that links in a ring end.
    """
    real_root = root.resolve()
    visited: set[tuple[int, int]] = set()
    stack: list[tuple[tuple[str, ...], list[tuple[str, str]]]] = []

    def enter(folders: tuple[str, ...]) -> None:
        path = root.joinpath(*folders)
        try:
            status = path.stat()
            if (status.st_dev, status.st_ino) not in visited:
                visited.add((status.st_dev, status.st_ino))
                stack.append((folders, _listing(path)))
        except OSError as error:
            raise ReaderError(
                f"cannot list the folder {printable(str(path))}: {error.strerror}; "
                "make it readable or move it out of the collection"
            ) from error

    enter(())
    while stack:
        folders, entries = stack[-1]
        if not entries:
            stack.pop()
            continue
        name, kind = entries.pop()
        if kind == "picture":
            yield folders, name
        elif kind == "folder" or _leads_out(root.joinpath(*folders, name), real_root):
            enter((*folders, name))


def _leads_out(link: Path, real_root: Path) -> bool:
    """Return whether a link shows pictures that the tree itself does not."""
    target = link.resolve()
    if real_root.is_relative_to(target):
        return False  # a ring: the target holds the whole collection
    if target.is_relative_to(real_root):
        # met anyway, unless it is kept in a hidden folder as version-controlled data often is
        return any(is_hidden(part) for part in target.relative_to(real_root).parts)
    return True


def _listing(path: Path) -> list[tuple[str, str]]:
    """List a folder's pictures, folders and links to folders, last name first."""
    with os.scandir(path) as entries:
        kinds = ((entry.name, _kind(entry)) for entry in entries if not is_hidden(entry.name))
        return sorted(((name, kind) for name, kind in kinds if kind is not None), reverse=True)


def _kind(entry: os.DirEntry[str]) -> str | None:
    """Return the kind of an entry: folder, link to a folder or picture; None for anything else.

    A link to nowhere is a picture that is missing; a pipe or a device is nothing.
    """
    try:
        if entry.is_dir():
            return "link" if entry.is_symlink() else "folder"
        is_there = entry.is_file()
    except OSError:  # a link to itself
        is_there = False
    if not is_picture(entry.name):
        return None
    is_lost = not is_there and entry.is_symlink() and not Path(entry.path).exists()
    return "picture" if is_there or is_lost else None


def _batch(rows: list[tuple[str | None, ...]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
