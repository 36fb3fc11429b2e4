"""The label that a museum puts next to a work, found in its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artsim.datatypes import as_text, caption_columns, first_text


@dataclass(frozen=True, kw_only=True)
class Caption:
    """What a museum's label says about a work, as far as its record does."""

    title: str = ""
    artist: str = ""
    date: str = ""
    accession: str = ""
    credit: str = ""
    rights: str = ""
    link: str = ""  # the page of the object, http or https
    iiif: str = ""  # the base address of its image service, http or https

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> Caption:
        """Find it in a record, by the names that museums give their columns."""
        found = {
            part: first_text(metadata, names) for part, names in caption_columns(metadata).items()
        }
        for part in ("link", "iiif"):
            found[part] = found[part].strip() if is_url(found[part].strip()) else ""
        return cls(**found)

    @classmethod
    def columns(cls, metadata: Mapping[str, Any]) -> list[str]:
        """Return the columns of a record whose text its caption has, except of a IIIF service."""
        caption = cls.of(metadata)
        return [
            next(name for name in names if as_text(metadata[name]))
            for part, names in caption_columns(metadata).items()
            if part != "iiif" and getattr(caption, part)
        ]

    @property
    def lines(self) -> tuple[str, ...]:
        """Title, artist and date, those that are known."""
        return tuple(line for line in (self.title, self.artist, self.date) if line)


def is_url(text: str) -> bool:
    """Check whether it is an address on the web, safe to link to."""
    return text.lower().startswith(("http://", "https://"))


def file_of(image: str | None) -> Path | None:
    """Return the file of a picture; None if it is only on the web."""
    return None if image is None or is_url(image) else Path(image)
