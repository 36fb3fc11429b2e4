"""Readers: each turns one kind of collection into the rows of a catalog.

To add one, write its module (see `Reader`) and name it in `READERS`; for records of a museum a
mapping of ten lines in `maps/` will do.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from artsim import places
from artsim.datatypes import Catalog
from artsim.errors import ReaderError
from artsim.readers import (
    folder,
    iiif,
    imagefolder,
    imageparquet,
    mame,
    moma,
    nga,
    records,
    rijks,
    table,
    webdataset,
    wikiart,
)
from artsim.readers.attribution import with_qualifiers
from artsim.readers.codes import look_like_codes, with_suggested_types
from artsim.readers.columns import is_identifier
from artsim.readers.delimited import column_names, open_delimited
from artsim.readers.drafting import draft_map
from artsim.readers.excluding import excluded_by, without_excluded
from artsim.readers.key_columns import ID_COLUMNS, IMAGE_COLUMNS
from artsim.readers.mapped import bundled_maps, museum_maps
from artsim.readers.missing import null_words, without_null_words
from artsim.readers.numbers import is_number
from artsim.readers.options import DEFAULT_OPTIONS, ReaderOptions
from artsim.readers.paths import with_files
from artsim.readers.pictures import is_hidden, is_picture, is_url
from artsim.readers.record_files import load_json
from artsim.readers.rows import no_room
from artsim.readers.shards import folder_of, is_pattern, shards
from artsim.readers.table import find_table
from artsim.readers.vocabulary import NAMES, note_own_names, with_vocabulary
from artsim.readers.walking import walking_once

__all__ = [
    "DEFAULT_OPTIONS",
    "ID_COLUMNS",
    "IMAGE_COLUMNS",
    "READERS",
    "Reader",
    "ReaderOptions",
    "column_names",
    "draft_map",
    "excluded_by",
    "find_table",
    "is_hidden",
    "is_identifier",
    "is_number",
    "is_picture",
    "is_url",
    "load_json",
    "look_like_codes",
    "museum_maps",
    "no_room",
    "open_delimited",
    "read_collection",
    "split_source",
    "with_files",
]


class Reader(Protocol):
    """A module that recognizes and reads one kind of collection."""

    @property
    def WHAT(self) -> str:
        """What it reads, in a few words."""
        ...

    @property
    def EXAMPLE(self) -> str:
        """A collection as the command line names it: ``moma:Artworks.csv``."""
        ...

    @property
    def SETTINGS(self) -> tuple[str, ...]:
        """The names it accepts in `ReaderOptions.settings`."""
        ...

    def detects(self, path: Path) -> bool:
        """Return whether it can read the folder or file, mostly from their names."""
        ...

    def read(self, path: Path, options: ReaderOptions) -> Catalog:
        """Read the folder or file, an absolute path that exists.

        Raises:
            ReaderError: If a file is missing, empty or damaged, a column or a folder of pictures is
                missing, or an option or setting makes no sense; the message says which and where.
        """
        ...


# Tried in this order: special kinds before general ones.
READERS: MutableMapping[str, Reader] = {
    "nga": nga,
    "moma": moma,
    "wikiart": wikiart,
    "mame": mame,
    "imagefolder": imagefolder,
    "imageparquet": imageparquet,
    "rijks": rijks,
    "iiif": iiif,
    **bundled_maps(),
    "table": table,
    "records": records,
    "webdataset": webdataset,
    "folder": folder,
}

# Readers of sources that write "Workshop of Rembrandt" for an artist.
_NAMES_WITH_QUALIFIERS = ("table", "moma", "rijks", "imagefolder", "iiif")
_OF_PATTERNS = ("imageparquet", "webdataset")
_WITHOUT_COLUMNS = ("folder", "wikiart")  # whose values are names of folders and classes
_FIXED_TYPES = ("nga", "moma", "mame")  # which take no --type

_NAMED = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_+.-]+):(?P<path>.*)", re.DOTALL)


def read_collection(source: str | Path, *, options: ReaderOptions = DEFAULT_OPTIONS) -> Catalog:
    """Read a collection with the reader you name, or else the first that recognizes it.

    ``source`` is a folder or file, or ``READER:PATH`` such as ``table:met/list.csv``.

    Raises:
        ReaderError: If nothing is there, no reader knows it, or the reader cannot read it.

    Example:
        >>> read_collection("paintings").fields
    """
    name, path = _split_source(source)
    # Path("") is the working directory; an empty name is rather a shell variable without value.
    if isinstance(source, str) and (not source or source == f"{name}:"):
        raise ReaderError(f"{source!r} names no folder or file; '.' is the working directory")
    try:
        _list_store(path)
        if not path.exists() and not is_pattern(path):
            raise ReaderError(
                f"{path} does not exist; name a folder of pictures or a table of them"
            )
        if is_pattern(path) and not shards(path, path.suffix.lower()):
            raise ReaderError(f"no file fits {path}; name the folder of the files")
        path = path.resolve()
        return _read(name, path, options)
    except OSError as error:
        check = "the address, the credentials and the network" if places.is_remote(path) else ""
        raise ReaderError(
            f"{error.filename or path} cannot be read: {error.strerror}; check "
            f"{check or 'its permissions'}"
        ) from error


def split_source(source: str | Path) -> tuple[str | None, Path]:
    """Split ``READER:PATH`` as an index notes them; the reader is None where none is named."""
    name, path = _split_source(source)
    return name, path.resolve()


def _split_source(source: str | Path) -> tuple[str | None, Path]:
    """Split ``NAME:PATH``; a single letter before the colon is a Windows drive."""
    named = _NAMED.fullmatch(source) if isinstance(source, str) else None
    if named is None or places.is_remote(source):
        return None, places.as_path(source)
    if named["name"] in READERS:
        return named["name"], places.as_path(named["path"])
    if Path(source).exists():
        return None, Path(source)
    if named["path"].startswith("//"):
        raise ReaderError(
            f"{source} is on the web; fetch it first and name the file or folder, or name an "
            "object store: s3://, gs:// or hf://"
        )
    raise ReaderError(f"no reader named {named['name']!r}; choose from {', '.join(READERS)}")


def _list_store(path: Path) -> None:
    """List what belongs to a collection in an object store: a table's pictures are beside it."""
    if places.is_remote(path):
        places.list_below(path)
        folder = folder_of(path)
        if (folder != path and path.suffix.lower() not in places.CONTAINERS) or is_pattern(path):
            places.list_below(folder)


def _read(name: str | None, path: Path, options: ReaderOptions) -> Catalog:
    if path.is_dir() and _is_empty(path):
        raise ReaderError(f"the folder {path} is empty; put pictures or a table of them in it")
    name = name or _detect(path)
    reader = READERS[name]
    if "null" in options.settings:  # --null, as a setting
        settings = dict(options.settings)
        words = settings.pop("null").split(",")
        options = replace(options, null=(*options.null, *words), settings=settings)
    for setting in options.settings:
        if setting not in reader.SETTINGS:
            known = ", ".join(reader.SETTINGS) or "none"
            raise ReaderError(f"the {name} reader has no setting {setting!r}; it has: {known}")
    catalog = reader.read(path, options)
    if name != "folder":  # which lists what is there, and leaves out what is excluded
        catalog = without_excluded(with_files(catalog), options.exclude)
    catalog = replace(catalog, exclude=options.exclude, options=options.to_json())
    catalog = with_vocabulary(catalog, NAMES.get(name, {}))
    if name in _WITHOUT_COLUMNS:
        return catalog
    catalog = without_null_words(note_own_names(catalog), null_words(options.null))
    if name not in _FIXED_TYPES:
        catalog = with_suggested_types(catalog, options.types)
    return with_qualifiers(catalog) if name in _NAMES_WITH_QUALIFIERS else catalog


def _is_empty(folder: Path) -> bool:
    with places.scan(folder) as entries:
        return next(entries, None) is None


def _detect(path: Path) -> str:
    named = _OF_PATTERNS if is_pattern(path) else READERS
    with walking_once():
        for name in named:
            if READERS[name].detects(path):
                return name
    if is_picture(path.name):
        raise ReaderError(f"{path} is one picture; name the folder or the table that lists it")
    raise ReaderError(
        f"no reader knows {path}; name one: {', '.join(f'{n}:PATH' for n in READERS)}"
    )
