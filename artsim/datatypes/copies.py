"""Copies here of folders in object stores, which people know by their addresses."""

from __future__ import annotations

from pathlib import Path

_addresses: dict[Path, str] = {}  # of the folders of copies


def name_copy(folder: Path, address: str) -> None:
    """Let `shown_path` name a folder, and what is in it, by the address that it is a copy of."""
    _addresses[folder] = address


def shown_path(path: Path) -> str:
    """Return how people know a path: the address it is a copy of, else the path itself."""
    for folder in (path, *path.parents) if _addresses else ():
        if folder in _addresses:
            return "/".join((_addresses[folder], *path.relative_to(folder).parts))
    return str(path)
