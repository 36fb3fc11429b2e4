"""Where the pictures of a collection are, and which files are pictures, by their names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from artsim.datatypes import PICTURE_SUFFIXES
from artsim.errors import ReaderError
from artsim.readers.options import ReaderOptions

_PROBED = 100  # first images that are looked for, to find the folder they start from
_SYSTEM_NAMES = ("__macosx", "thumbs.db", "desktop.ini", "@eadir")


def is_picture(name: str) -> bool:
    """Return whether a file of this name should be a picture.

    One of a format that needs a package which is not installed is one too: it is reported then.
    """
    return name.rpartition(".")[2].lower() in PICTURE_SUFFIXES


def is_hidden(name: str) -> bool:
    """Return whether a file or folder belongs to the system: dot files, ``._*``, ``Thumbs.db``."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def files_with(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """List a folder's own files that end in one of the suffixes (``.csv``), in order.

    Quick in a folder of a million pictures, because it reads little more than names.
    """
    wanted = tuple(suffixes)
    with os.scandir(folder) as entries:
        found = (entry for entry in entries if entry.name.lower().endswith(wanted))
        names = [each.name for each in found if not is_hidden(each.name) and each.is_file()]
    return [folder / name for name in sorted(names)]


def is_url(image: str) -> bool:
    """Return whether an image is a web address rather than a file."""
    return image[:8].lower().startswith(("http://", "https://"))


def printable(name: str) -> str:
    r"""Write a file name as text; bytes of it that are not UTF-8 become ``\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def image_root(
    images: Iterable[str | None], candidates: Sequence[Path], options: ReaderOptions
) -> Path:
    """Find the folder from which image paths start.

    That is ``options.images``, or the first candidate that holds one of the first images, or else
    the first candidate. Web addresses among the images are ignored.

    Raises:
        ReaderError: If ``options.images`` is not a folder.
    """
    if options.images is not None:
        if not options.images.is_dir():
            raise ReaderError(f"the folder of pictures {options.images} does not exist")
        return options.images.resolve()
    first = islice(filter(None, images), _PROBED)
    local = [image for image in first if not is_url(image)]
    found = (root for root in candidates if any(_is_there(root / path) for path in local))
    return next(found, candidates[0])


def candidate_roots(folder: Path) -> list[Path]:
    """List a folder and the folders in it: where image paths may start, see `image_root`."""
    children = (child for child in sorted(folder.iterdir()) if child.is_dir())
    return [folder, *(child for child in children if not is_hidden(child.name))]


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long for the file system, a NUL byte
        return False
