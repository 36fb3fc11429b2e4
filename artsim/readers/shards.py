"""Files that hold many pictures each, in a folder and its folders of splits."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from artsim.readers.pictures import is_hidden

_DEPTH = 3  # folders: data/, or default/train/ as Hugging Face converts data sets
_SPLIT = re.compile(r"(train|val|valid|validation|test)(?=$|[-_.\d])", re.IGNORECASE)


def shards(path: Path, suffix: str) -> list[Path]:
    """List the files that end in a suffix, in order: the one named, or those of a folder."""
    if path.is_file():
        return [path] if path.name.lower().endswith(suffix) else []
    patterns = ("*/" * depth + "*" for depth in range(_DEPTH))
    found = (file for pattern in patterns for file in sorted(path.glob(pattern)))
    return [
        file
        for file in found
        if file.name.lower().endswith(suffix)
        and not any(map(is_hidden, file.relative_to(path).parts))
        and file.is_file()
    ]


def split_of(shard: PurePath) -> str | None:
    """Return the split that a shard's name or folder begins with: ``train-00000.tar``."""
    found = (_SPLIT.match(part) for part in reversed(shard.parts))
    return next((match[1].lower() for match in found if match), None)
