"""A tree of pictures: each picture is a row, and the folders above it are its labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa

from artsim.datatypes import Catalog, name_as_text
from artsim.errors import ReaderError
from artsim.places import FolderEntry, scan
from artsim.readers.excluding import Excluded, excluded_by
from artsim.readers.options import ReaderOptions
from artsim.readers.pictures import is_hidden, is_picture

WHAT = "A folder of pictures; the names of its folders are labels"
EXAMPLE = "folder:paintings/"
SETTINGS: tuple[str, ...] = ()

_SPLITS = frozenset(("train", "val", "valid", "validation", "test"))
_BATCH = 8192  # rows a record batch
_NAMED = 5  # suffixes of files left out that a note names
# Files that are kept beside pictures and are none: tables, texts, settings, checksums.
_BESIDE = frozenset(
    (
        *("cfg", "csv", "db", "html", "ini", "js", "json", "jsonl", "log", "lock", "md", "md5"),
        *("ndjson", "parquet", "py", "rst", "sh", "sha1", "sha256", "tab", "toml", "tsv", "txt"),
        *("url", "xlsx", "xml", "xmp", "yaml", "yml"),
    )
)


def detects(path: Path) -> bool:
    """Return whether ``path`` is a folder; its pictures are found when it is read."""
    return path.is_dir()


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Read a tree of pictures; ids are paths relative to ``path``, with ``/`` and the extension.

    A flat folder has no metadata. In a tree ``class`` is the first folder below ``path``; when the
    top folders are all named train, val, valid, validation or test, they become ``split`` and the
    class is the folder below. Trees that go deeper have ``folder`` too, the whole relative parent.
    """
    if not path.is_dir():
        raise ReaderError(f"{path} is not a folder; name the folder that holds the pictures")
    options.allow("folder")
    depth, tops = -1, set()  # folders above the deepest picture; first folders, "" for none
    others: Counter[str] = Counter()  # files that are not pictures, by suffix
    is_excluded = excluded_by(options.exclude)
    for folders, _ in _walk(path, is_excluded, others):
        depth = max(depth, len(folders))
        tops.add(folders[0].lower() if folders else "")
    if not tops:
        found = f", but {_named(others)}" if others else ""
        raise ReaderError(
            f"no picture found in {path} or below{found}; expected files such as .jpg, .png or .tif"
        )
    first = 1 if tops <= _SPLITS else 0  # the level of the class
    is_used = {"split": first == 1, "class": depth > first, "folder": depth > first + 1}
    columns = [name for name, used in is_used.items() if used]
    schema = pa.schema([(name, pa.string()) for name in ("id", "image", *columns)])

    def batches() -> Iterator[pa.RecordBatch]:
        pictures = _walk(path, is_excluded)
        while some := list(islice(pictures, _BATCH)):
            images = [name_as_text("/".join((*folders, name))) for folders, name in some]
            cells = {
                "split": [name_as_text(folders[0]) for folders, _ in some] if first else [],
                "class": [_level(folders, first) for folders, _ in some],
                "folder": [name_as_text("/".join(folders)) or None for folders, _ in some],
            }
            arrays = [images, images, *(cells[name] for name in columns)]
            yield pa.RecordBatch.from_arrays(
                [pa.array(each, pa.string()) for each in arrays], schema=schema
            )

    return Catalog(
        name=path.name or "collection",
        reader="folder",
        source=path,
        root=path,
        schema=schema,
        batches=batches,
        notes=(_left_out(path, others),) if others else (),
    )


def _left_out(path: Path, others: Counter[str]) -> str:
    return (
        f"files in {path} that are not named as pictures are left out: {_named(others)}; give "
        "pictures among them the suffix of their format, or convert them"
    )


def _named(others: Counter[str]) -> str:
    named = [
        f"{count:,} {f'.{suffix}' if suffix else 'without a suffix'}"
        for suffix, count in others.most_common(_NAMED)
    ]
    more = others.total() - sum(count for _, count in others.most_common(_NAMED))
    return ", ".join([*named, *([f"{more:,} of other kinds"] if more else [])])


def _level(folders: tuple[str, ...], level: int) -> str | None:
    return name_as_text(folders[level]) if len(folders) > level else None


def _walk(
    root: Path, is_excluded: Excluded, others: Counter[str] | None = None
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the folders and the name of every picture below ``root``, in a fixed order.

    ``others`` counts the other files by their suffix, without those that go with pictures.

    Each folder is listed once: a link is followed only out of the tree (see `_leads_out`) and never
    twice, so that links in a ring end.
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
                listing = _listing(path)
                kept = (each for each in listing if not is_excluded("/".join((*folders, each[0]))))
                stack.append((folders, list(kept)))
        except OSError as error:
            raise ReaderError(
                f"cannot list the folder {name_as_text(str(path))}: {error.strerror}; "
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
        elif kind == "other":
            suffix = name_as_text(Path(name).suffix[1:].lower())
            if others is not None and suffix not in _BESIDE:
                others[suffix] += 1
        elif kind == "folder" or _leads_out(root.joinpath(*folders, name), real_root):
            enter((*folders, name))


def _leads_out(link: Path, real_root: Path) -> bool:
    """Return whether a link leads to pictures that the tree itself does not list."""
    target = link.resolve()
    if real_root.is_relative_to(target):
        return False  # a ring: the target holds the whole collection
    if target.is_relative_to(real_root):
        # listed anyway, unless it is in a hidden folder as version-controlled data often is
        return any(is_hidden(part) for part in target.relative_to(real_root).parts)
    return True


def _listing(path: Path) -> list[tuple[str, str]]:
    """List a folder's files, folders and links to folders, last name first."""
    with scan(path) as entries:
        kinds = ((entry.name, _kind(entry)) for entry in entries if not is_hidden(entry.name))
        return sorted(((name, kind) for name, kind in kinds if kind is not None), reverse=True)


def _kind(entry: FolderEntry) -> str | None:
    """Return folder, link (to a folder), picture or other (file); None for anything else.

    A link to nowhere is a picture that is missing; a pipe or a device is nothing.
    """
    try:
        if entry.is_dir():
            return "link" if entry.is_symlink() else "folder"
        is_there = entry.is_file()
    except OSError:  # a link to itself
        is_there = False
    is_lost = not is_there and entry.is_symlink() and not Path(entry.path).exists()
    if is_picture(entry.name):
        return "picture" if is_there or is_lost else None
    return "other" if is_there else None
