r"""The names of picture files as text: bytes that are not UTF-8, as in Latin-1, are ``\xNN``."""

from __future__ import annotations

import os
import re
from pathlib import Path

_BYTE = re.compile(r"\\x([89a-f][0-9a-f])")


def name_as_text(name: str) -> str:
    r"""Write a file name as text; bytes of it that are not UTF-8 become ``\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def picture_file(root: str | Path, image: str) -> Path:
    r"""Return the file of a row's ``image``, which may hold bytes as ``\xNN``.

    A file that has these letters in its name comes first.
    """
    return Path(picture_path(root, image))


def picture_path(root: str | Path, image: str) -> str:
    """Return the same as text, which is several times faster for millions of rows."""
    file = os.path.join(root, image)  # noqa: PTH118
    if "\\x" not in image or _BYTE.search(image) is None or os.path.lexists(file):
        return file
    return os.path.join(root, _BYTE.sub(lambda byte: chr(0xDC00 + int(byte[1], 16)), image))  # noqa: PTH118
