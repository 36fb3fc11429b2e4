"""Options for a reader: which columns, where the pictures are, and its own settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from artsim.errors import ReaderError

_FLAGS = {
    "id_column": "--id-column",
    "image_column": "--image-column",
    "images": "--images",
    "types": "--type",
}


@dataclass(frozen=True, kw_only=True)
class ReaderOptions:
    """What you specify about a collection; the reader infers the rest."""

    id_column: str | None = None  # column that names each picture
    image_column: str | None = None  # column with the path or URL of the picture
    images: Path | None = None  # folder that image paths are relative to
    types: Mapping[str, str] = field(default_factory=dict)  # column -> text, list, number, years
    null: tuple[str, ...] = ()  # words for no value, beside nan, NULL and N/A; see `null_words`
    exclude: tuple[str, ...] = ()  # patterns of pictures and folders to leave out: thumbs/*
    strict: bool = False  # refuse a table with a bad row
    settings: Mapping[str, str] = field(default_factory=dict)  # one reader's own: views=all

    def allow(self, reader: str, *names: str) -> None:
        """Refuse the options that a reader would ignore.

        Raises:
            ReaderError: If an option other than ``names`` and ``settings`` is given.
        """
        for name, flag in _FLAGS.items():
            if name not in names and getattr(self, name):
                raise ReaderError(
                    f"the {reader} reader finds its columns and pictures itself and takes no "
                    f"{flag}; leave it out, or read a table with table:FILE"
                )

    def setting(self, name: str, default: str, *, choices: tuple[str, ...] = ()) -> str:
        """Return one of the reader's own settings.

        Raises:
            ReaderError: If ``choices`` are given and the value is none of them.
        """
        value = self.settings.get(name, default)
        if choices and value not in choices:
            raise ReaderError(f"no {name}={value!r}; choose {name} from {', '.join(choices)}")
        return value

    def size(self) -> int | None:
        """Return the longest side of the images to request, in pixels; None for full size.

        The default is about twice what networks need, and light on the museum's server.

        Raises:
            ReaderError: If the setting ``size`` is neither a number of pixels nor ``max``.
        """
        size = self.setting("size", "512")
        if size == "max":
            return None
        if not (size.isascii() and size.isdecimal()) or int(size) == 0:
            raise ReaderError(f"no size={size!r}; choose a number of pixels, size=512, or size=max")
        return int(size)


DEFAULT_OPTIONS = ReaderOptions()
