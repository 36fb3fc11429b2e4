"""Where the pictures of a collection are, and which files are pictures, by their names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from artsim.errors import ReaderError
from artsim.readers.options import ReaderOptions

# Formats that museums keep. One that this machine cannot decode is still listed, so that it is
# reported and not silently left out.
PICTURE_SUFFIXES = frozenset(
    (
        *("avif", "bmp", "gif", "heic", "heif", "jfif", "jp2", "jpe", "jpeg", "jpg", "png"),
        *("tif", "tiff", "webp"),
    )
)

_SYSTEM_NAMES = frozenset(("__macosx", "thumbs.db", "desktop.ini", "@eadir"))


def is_picture(name: str) -> bool:
    """Return whether a file of this name should be a picture."""
    return name.rpartition(".")[2].lower() in PICTURE_SUFFIXES


def is_hidden(name: str) -> bool:
    """Return whether a file or folder belongs to the system: dot files, ``._*``, ``Thumbs.db``."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def files_with(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """List a folder's own files that end in one of the suffixes (``.csv``), in order.

    Quick in a folder of a million pictures, for it looks at names and at little else.
    """
    wanted = tuple(suffixes)
    with os.scandir(folder) as entries:
        names = (
            entry.name
            for entry in entries
            if entry.name.lower().endswith(wanted) and not is_hidden(entry.name) and entry.is_file()
        )
        return [folder / name for name in sorted(names)]


def is_url(image: str) -> bool:
    """Return whether an image is a web address rather than a file."""
    return image[:8].lower().startswith(("http://", "https://"))


def printable(name: str) -> str:
    r"""Write a file name as text; bytes of it that are not UTF-8 become ``\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def image_root(
    images: Iterable[str], candidates: Iterable[Path], options: ReaderOptions
) -> Path | None:
    """Find the folder from which image paths start.

    Args:
        images: The first images; web addresses among them are passed over.
        candidates: Folders to try, in this order.
        options: ``options.images`` is taken, whatever it holds, if it is given.

    Returns:
        The first candidate that holds one of the images, or None.

    Raises:
        ReaderError: If the folder that the user named is not there.
    """
    if options.images is not None:
        if not options.images.is_dir():
            raise ReaderError(f"the folder of pictures {options.images} does not exist")
        return options.images.resolve()
    local = [image for image in images if not is_url(image)]
    return next(
        (root for root in candidates if any(_is_there(root / path) for path in local)), None
    )


def candidate_roots(folder: Path) -> list[Path]:
    """List a folder and the folders in it: where image paths may start, see `image_root`."""
    children = (child for child in sorted(folder.iterdir()) if child.is_dir())
    return [folder, *(child for child in children if not is_hidden(child.name))]


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long for the file system, a NUL byte
        return False
