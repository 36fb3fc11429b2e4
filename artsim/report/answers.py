"""An answer to be shown: what was asked, what was found, and all that is needed to cite it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from artsim.datatypes import Box, Passport
from artsim.report.heat import Heat

__all__ = ["Found", "Label", "Report", "Shown", "Why", "as_text", "file_of", "is_address"]

# What columns are called where museums publish them (NGA, MoMA, The Met, Cleveland, Chicago, the
# Rijksmuseum, IIIF). Lower case, without spaces and underscores; the first that is there is taken.
_COLUMNS = {
    part: names.split()
    for part, names in {
        "title": "title objecttitle name objectname label",
        "artist": "artist artists artistdisplayname attribution creator maker artistdisplay "
        "creatordescription principalmaker author painter",
        "date": "date displaydate objectdate creationdate datedisplay datecreated datetext year "
        "years",
        "accession": "accessionnumber accessionnum accessionno objectnumber inventorynumber "
        "inventory mainreferencenumber",
        "credit": "creditline credit courtesy requiredstatement",
        "rights": "rights license license copyright rightsandreproduction sharelicensestatus "
        "copyrightnotice",
        "link": "url objecturl link objectpage linkresource homepage webpage permalink "
        "objectwikidataurl",
        "iiif": "iiifurl iiif iiifimage imageservice iiifservice iiifimageurl",
    }.items()
}


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a museum's label says of a work, as far as its record does."""

    title: str = ""
    artist: str = ""
    date: str = ""
    accession: str = ""
    credit: str = ""
    rights: str = ""
    link: str = ""  # the page of the object, http or https
    iiif: str = ""  # the base address of its image service, http or https

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> Label:
        """Find it in a record, by the names that museums give their columns."""
        by_name = {
            name.lower().replace("_", "").replace(" ", ""): as_text(value)
            for name, value in metadata.items()
        }
        found = {
            part: next((by_name[name] for name in names if by_name.get(name)), "")
            for part, names in _COLUMNS.items()
        }
        for part in ("link", "iiif"):
            found[part] = found[part].strip() if is_address(found[part].strip()) else ""
        return cls(**found)

    @property
    def caption(self) -> tuple[str, ...]:
        """Title, artist and date, those that are known."""
        return tuple(line for line in (self.title, self.artist, self.date) if line)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture with what is known of it."""

    name: str  # an id, a path or words
    image: str | None = None  # a path that opens from here, or an URL
    metadata: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int] | None = None  # (width, height) in pixels, where it is known
    box: Box | None = None  # the detail that was asked by or found, in per cent

    @property
    def label(self) -> Label:
        """What a museum's label says of it."""
        return Label.of(self.metadata)


@dataclass(frozen=True)
class Why:
    """What of a picture made a match."""

    name: str  # of the picture
    image: Path
    heat: Heat


@dataclass(frozen=True, kw_only=True)
class Found(Shown):
    """A match."""

    rank: int  # from 1
    score: float
    percentile: float | None = None  # of random pairs of the index, below it
    shares: Mapping[str, float] = field(default_factory=dict)  # of the score, by aspect
    why: tuple[Why, ...] = ()  # of what was asked by, then of itself

    @property
    def figures(self) -> str:
        """Score, percentile, shares and the detail's place, for people."""
        parts = [f"{self.score:.3f}"]
        if self.percentile is not None:
            parts.append(f"percentile {self.percentile:.4g}")
        parts += [f"{name} {share:.3f}" for name, share in self.shares.items()]
        parts += [f"at {self.box}"] if self.box is not None else []
        return " · ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was asked, what was found, and all that is needed to ask it again."""

    name: str  # what was asked by, in a line
    queries: tuple[Shown, ...]
    matches: tuple[Found, ...]
    index: str  # where it is
    rows: int  # of the index
    by: str  # the tap, or the aspects with their weights
    passport: Passport
    command: str  # that gives this answer
    date: str  # of the answer, ISO 8601
    version: str  # of artsim


def as_text(value: object) -> str:
    """Write a value of a record: lists with commas, years as 1880-1885, nothing as nothing."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(as_text, value))
    if isinstance(value, dict):  # a range of years
        return "-".join(str(end) for end in dict.fromkeys(value.values()) if end is not None)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def is_address(text: str) -> bool:
    """Tell whether it is an address of the web, which may be linked to."""
    return text.lower().startswith(("http://", "https://"))


def file_of(image: str | None) -> Path | None:
    """Return a picture's file; None for what is only on the web."""
    return None if image is None or is_address(image) else Path(image)
