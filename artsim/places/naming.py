"""The files that rows name, by the text of their ``image``."""

from __future__ import annotations

import os
import re
from pathlib import Path

from artsim.places.remote import as_path, is_remote

_SLASH = os.sep == "/"
_BYTE = re.compile(r"\\x([89a-f][0-9a-f])")


def picture_file(root: str | Path, image: str) -> Path:
    r"""Return the file of a row's ``image``, which may hold bytes as ``\xNN``.

    A file that has these letters in its name comes first.
    """
    return as_path(picture_path(root, image))


def picture_path(root: str | Path, image: str) -> str:
    """Return the same as text, which is several times faster for millions of rows."""
    if is_remote(image):  # a table may have addresses
        return image
    root = str(root)
    if _SLASH and root[-1:] not in ("", "/") and image[:1] != "/":
        file = f"{root}/{image}"  # as os.path.join does, which takes three times as long
    else:
        file = os.path.join(root, image)  # noqa: PTH118
    if "\\x" not in image or _BYTE.search(image) is None or os.path.lexists(file):
        return file
    return os.path.join(root, _BYTE.sub(lambda byte: chr(0xDC00 + int(byte[1], 16)), image))  # noqa: PTH118
