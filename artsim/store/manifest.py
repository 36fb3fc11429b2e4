"""The content of manifest.json: what an index contains and how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from artsim.datatypes import Field, FieldType, Passport, shell_word, shown_path
from artsim.errors import StoreError
from artsim.store.checksums import sealed, unsealed

MANIFEST = "manifest.json"
COPY = "manifest.copy.json"  # of the finished index, for `artsim repair`
FORMAT = 1  # of the folder; raised when an older artsim could not read it


@dataclass(frozen=True)
class Part:
    """One Parquet file of the index."""

    file: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class DerivedLabel:
    """A label computed from the metadata on demand: `artsim.labels.expressions`."""

    name: str
    expression: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an index contains and how it was made."""

    name: str
    reader: str
    source: str  # what the user named
    root: str  # image paths are relative to this folder
    fields: tuple[Field, ...]
    passport: Passport
    options: Mapping[str, Any] = field(default_factory=dict)  # with which the source is read
    tiles: int = 0  # per side, if pictures are embedded in tiles too; see `tile_boxes`
    labels: tuple[DerivedLabel, ...] = ()
    parts: tuple[Part, ...] = ()
    next_part: int = 0  # number of the next part file; chunks without rows count too
    complete: bool = False  # every row of the catalog was tried
    created: str = ""
    updated: str = ""
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Return the content of manifest.json."""
        return sealed(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the text of a manifest.json."""
        values = unsealed(text)
        return cls(
            **{
                **values,
                "fields": tuple(Field(f["name"], FieldType(f["type"])) for f in values["fields"]),
                "passport": Passport.from_json(values["passport"]),
                "labels": tuple(DerivedLabel(**label) for label in values.get("labels", ())),
                "parts": tuple(Part(**part) for part in values["parts"]),
            }
        )


def read_manifest(path: Path, name: str = MANIFEST) -> Manifest:
    """Read the manifest of an index, or its copy.

    Raises:
        StoreError: If there is none, or it cannot be read.
    """
    file, index = path / name, shown_path(path)
    has_copy = name == MANIFEST and (path / COPY).is_file()
    try:
        text = file.read_text(encoding="utf-8")
        found = json.loads(text)["format"]
        if found != FORMAT:
            raise StoreError(
                f"{index!r} has index format {found}, this artsim reads {FORMAT}; "
                "pip install -U artsim, or embed again"
            )
        manifest = Manifest.from_json(text)
        for part in manifest.parts:
            if Path(part.file).name != part.file:  # an index may be a stranger's
                raise ValueError(f"the part {part.file!r} is outside the index")
        return manifest
    except (FileNotFoundError, NotADirectoryError) as error:
        if has_copy:
            raise StoreError(
                f"{shown_path(file)!r} is missing; run 'artsim repair {shell_word(index)}'"
            ) from error
        raise StoreError(
            f"no index at {index!r}; make one with 'artsim embed COLLECTION -o {shell_word(index)}'"
        ) from error
    except OSError as error:
        raise StoreError(f"cannot read {shown_path(file)!r}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}"
        repair = f"run 'artsim repair {shell_word(index)}'"
        remedy = repair if has_copy else "embed again to a new folder"
        raise StoreError(f"{shown_path(file)!r} is damaged ({problem}); {remedy}") from error
