"""Which files are pictures, and which belong to the system, by their names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from artsim.datatypes import PICTURE_SUFFIXES
from artsim.places import scan

# What systems and network storage keep beside pictures: previews, and what was thrown away.
_SYSTEM_NAMES = (
    *("__macosx", "thumbs.db", "desktop.ini", "@eadir", "@tmp", "@__thumb", "#snapshot"),
    *("@recycle", "#recycle", "$recycle.bin", "system volume information", "lost+found"),
)


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
    with scan(folder) as entries:
        found = (entry for entry in entries if entry.name.lower().endswith(wanted))
        names = [each.name for each in found if not is_hidden(each.name) and each.is_file()]
    return [folder / name for name in sorted(names)]


def is_url(image: str) -> bool:
    """Return whether an image is a web address rather than a file."""
    return image[:8].lower().startswith(("http://", "https://"))
