r"""The file that a path means, where another machine or program has written the path.

One rule for every reader. A path that exists is taken as it is. Otherwise it means the file whose
path is the same in another Unicode form or in other case, if there is just one, with ``\`` for
``/`` and ``%20`` for a space. Of a path that starts at another machine's root, as ``D:\`` or
``file:///``, the first folders are left out, the same ones for every row.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize
from urllib.parse import unquote

import numpy as np
import pyarrow as pa

from artsim import places
from artsim.datatypes import Catalog, Statuses, name_as_text
from artsim.errors import ReaderError
from artsim.places import picture_path
from artsim.readers.options import ReaderOptions
from artsim.readers.pictures import is_hidden, is_url

_PROBED = 100  # first images that are looked for, to find the folder they start from
_ROOTED = re.compile(r"(?:file:/*|[A-Za-z]:)?/|[A-Za-z]:")
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00a0 \t\r\n"  # around paths, out of spreadsheets


class Paths:
    """The files below a folder, by the paths that tables have for them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._text = str(root)
        self._folders: dict[str, str | None] = {"": ""}  # by the path that a table has for them
        self._listings: dict[str, dict[str, list[str]]] = {}  # of folders: names by how they read
        self._dropped: dict[str, list[str]] = {}  # first folders, by the root above them

    def find(self, image: str) -> str | None:
        """Return the path of an image as it is on the disk, or None if it is not there."""
        if places.exists(picture_path(self._text, image)):
            return image
        cleaned = image.strip(_INVISIBLE).replace("\\", "/")
        for path in dict.fromkeys((image, cleaned, unquote(cleaned, errors="surrogateescape"))):
            for parts in self._parts(path):
                if (found := self._descend(parts)) is not None:
                    return name_as_text(found)
        return None

    def _parts(self, path: str) -> Iterator[list[str]]:
        rooted = _ROOTED.match(path)
        parts = [part for part in path[rooted.end() if rooted else 0 :].split("/") if part]
        parts = [part for part in parts if part != "."]
        if rooted is None:
            yield parts
        elif (dropped := self._dropped.get(rooted[0])) is not None:
            if parts[: len(dropped)] == dropped:
                yield parts[len(dropped) :]
        else:
            for count in range(len(parts)):
                if self._descend(parts[count:]) is not None:
                    self._dropped[rooted[0]] = parts[:count]
                    yield parts[count:]

    def _descend(self, parts: list[str]) -> str | None:
        """Follow the names from folder to folder."""
        folder = self._folder(parts[:-1])
        path = None if folder is None or not parts else self._enter(folder, parts[-1])
        return path if path is not None and places.exists(self.root / path) else None

    def _folder(self, parts: list[str]) -> str | None:
        written = "/".join(parts)
        if written not in self._folders:
            above = self._folder(parts[:-1])
            self._folders[written] = None if above is None else self._enter(above, parts[-1])
        return self._folders[written]

    def _enter(self, folder: str, part: str) -> str | None:
        """Return the path of the one name in a folder that reads like this one."""
        names = [part] if part == ".." else self._listing(folder).get(_read(part), [])
        for same in (str, lambda text: normalize("NFC", text), _read):
            fitting = [name for name in names if same(name) == same(part)]
            names = fitting or names
        if len(names) != 1:
            return None
        return f"{folder}/{names[0]}" if folder else names[0]

    def _listing(self, folder: str) -> dict[str, list[str]]:
        if folder not in self._listings:
            listing: dict[str, list[str]] = {}
            try:
                for file in (self.root / folder).iterdir():
                    listing.setdefault(_read(file.name), []).append(file.name)
            except (OSError, ValueError):
                pass
            self._listings[folder] = listing
        return self._listings[folder]


def image_root(
    images: Iterable[str | None], candidates: Sequence[Path], options: ReaderOptions
) -> Path:
    """Find the folder from which image paths start.

    That is ``options.images``; or the folder that holds all images if their paths are absolute; or
    the first candidate that holds one of the first images, as it is written or as `Paths` reads it,
    or else the first candidate. Web addresses are ignored.

    Raises:
        ReaderError: If ``options.images`` is not a folder.
    """
    if options.images is not None:
        if not options.images.is_dir():
            raise ReaderError(f"the folder of pictures {options.images} does not exist")
        return options.images.resolve()
    named = [image for image in images if image and not is_url(image)]
    local = named[:_PROBED]
    if local and all(map(os.path.isabs, local)):
        with suppress(ValueError):  # some are relative, or on another drive
            folder = Path(os.path.commonpath([os.path.split(image)[0] for image in named]))
            if folder != folder.parent and folder.is_dir():
                return folder
    exact = (root for root in candidates if any(places.exists(root / path) for path in local))
    read = (root for root in candidates if any(map(Paths(root).find, local)))
    return next(itertools.chain(exact, read), candidates[0])


def roots_of_table(file: Path, images: Sequence[str]) -> list[Path]:
    """List the folders where the image paths of a table may start, see `image_root`.

    That is its folder, ``images`` in it, or the only other folder in it that has one of the images:
    several may have copies in other sizes.
    """
    roots = [file.parent, file.parent / "images"]
    local = [path for path in images if path and not is_url(path)][:_PROBED]

    def has_one(folder: Path) -> bool:
        return any(places.exists(folder / path) for path in local)

    if places.is_remote(file) or any(map(has_one, roots)):
        return roots
    others = [folder for folder in candidate_roots(file.parent)[1:] if has_one(folder)]
    return [*roots, *others] if len(others) == 1 else roots


def candidate_roots(folder: Path) -> list[Path]:
    """List a folder and the folders in it: where image paths may start, see `image_root`."""
    children = (child for child in sorted(folder.iterdir()) if child.is_dir())
    return [folder, *(child for child in children if not is_hidden(child.name))]


def with_files(catalog: Catalog) -> Catalog:
    """Name every picture by the path that it has on the disk; a note counts those that change.

    What was seen of the pictures is kept with the catalog.
    """
    paths, statuses = Paths(catalog.root), Statuses()
    root, found = str(catalog.root), dict[str, str]()
    for batch in catalog.batches():
        images = batch["image"].to_pylist()
        sizes, times = places.statuses(root, images)
        for place in np.flatnonzero(sizes < 0).tolist():
            image = images[place]
            if image and not is_url(image) and (path := paths.find(image)) not in (image, None):
                found[image] = images[place] = path
        statuses.add(images, sizes, times)
    catalog = replace(catalog, statuses=statuses)
    if not found:
        return catalog
    written, read = next(iter(found.items()))
    paths_are = "1 path is" if len(found) == 1 else f"{len(found):,} paths are"
    note = (
        f"{paths_are} not written as on the disk (case, Unicode form, backslashes, %20, another "
        f"machine's folders), first {written!r} for {read!r}"
    )
    place = catalog.schema.get_field_index("image")

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in catalog.batches():
            images = [found.get(image, image) for image in batch["image"].to_pylist()]
            yield batch.set_column(place, "image", pa.array(images, pa.string()))

    return replace(catalog, batches=batches, notes=(*catalog.notes, note))


def _read(name: str) -> str:
    """Reduce a name to how it reads: without case and Unicode form, bytes as Latin-1."""
    if name.isascii():
        return name.casefold()
    text = os.fsencode(name).decode("latin-1") if not _is_text(name) else name
    return normalize("NFC", normalize("NFC", text).casefold())


def _is_text(name: str) -> bool:
    return not any("\udc80" <= letter <= "\udcff" for letter in name)
