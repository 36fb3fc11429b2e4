"""The libtiff inside Pillow: kept from writing to stderr, and its compressions."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import PIL


def silence() -> None:
    """Stop libtiff from printing what it finds wrong with a file, which Pillow raises too."""
    _library()


def lacks_compression(number: int) -> bool:
    """Return whether libtiff was built without a compression, by its number in the file."""
    library = _library()
    return library is not None and not library.TIFFIsCODECConfigured(ctypes.c_uint16(number))


@cache
def _library() -> ctypes.CDLL | None:
    """The library of Pillow's wheel for Linux and macOS; elsewhere it cannot be reached."""
    site = Path(PIL.__file__).parent
    for folder in (site.parent / "pillow.libs", site / ".dylibs"):
        for file in folder.glob("libtiff*"):
            try:
                library = ctypes.CDLL(str(file))
                library.TIFFSetErrorHandler(None)
                library.TIFFSetWarningHandler(None)
            except (OSError, AttributeError):
                continue
            return library
    return None
