"""Options for a reader: which columns, where the pictures are, and its own settings."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from artsim.errors import ReaderError
from artsim.places import as_path

_FLAGS = {
    "id_column": "--id-column",
    "image_column": "--image-column",
    "images": "--images",
    "types": "--type",
    "null": "--null",
    "exclude": "--exclude",
    "settings": "--set",
}
_COLUMNS = ("id_column", "image_column", "images", "types")  # what not every reader takes


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
        for name in _COLUMNS:
            if name not in names and getattr(self, name):
                raise ReaderError(
                    f"the {reader} reader finds its columns and pictures itself and takes no "
                    f"{_FLAGS[name]}; leave it out, or read a table with table:FILE"
                )

    @property
    def flags(self) -> list[str]:
        """What you specify, as the command line has it: ``--type year=number``."""
        found = []
        for name, value in self.to_json().items():
            if isinstance(value, dict):
                value = [f"{key}={each}" for key, each in value.items()]
            words = value if isinstance(value, list) else [value]
            found += [f"{_FLAGS[name]} {shlex.quote(word)}" for word in words]
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what you specify as plain values, but for ``strict``; `from_json` reads it."""
        images = None if self.images is None else str(as_path(self.images).absolute())
        values: dict[str, Any] = {
            "id_column": self.id_column,
            "image_column": self.image_column,
            "images": images,
            "types": dict(self.types),
            "null": list(self.null),
            "exclude": list(self.exclude),
            "settings": dict(self.settings),
        }
        return {name: value for name, value in values.items() if value}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], *, strict: bool = False) -> Self:
        """Read what `to_json` returned; what is not known is left out."""
        known = {each.name for each in fields(cls)}
        read: dict[str, Any] = {name: value for name, value in values.items() if name in known}
        for name in ("null", "exclude"):
            read[name] = tuple(read.get(name, ()))
        if "images" in read:
            read["images"] = as_path(read["images"])
        return cls(**read, strict=strict)

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
