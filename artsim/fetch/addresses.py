"""Catalogs of web addresses: any reader's, or a plain list of them, IIIF ones at a size."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artsim.datatypes import Catalog
from artsim.errors import FetchError, ReaderError
from artsim.readers import (
    DEFAULT_OPTIONS,
    IMAGE_COLUMNS,
    READERS,
    ReaderOptions,
    column_names,
    is_url,
    read_collection,
)

_TABLES = (".csv", ".tsv", ".tab", ".parquet")

# https://iiif.io/api/image/3.0/#21-image-request-uri-syntax:
# {server}{/prefix}/{identifier}/{region}/{size}/{rotation}/{quality}.{format}
_IIIF = (
    r"^(.*/(?:full|square|(?:pct:)?[\d.]+,[\d.]+,[\d.]+,[\d.]+))"
    r"/(?:max|full|\^max|\^?!?\d*,\d*|\^?pct:[\d.]+)"
    r"(/!?\d+(?:\.\d+)?/(?:default|native|color|colour|gray|grey|bitonal)\.\w+(?:\?.*)?)$"
)


def read_addresses(
    source: str | Path, *, options: ReaderOptions = DEFAULT_OPTIONS, size: str | None = None
) -> Catalog:
    """Read a catalog whose pictures are on the web.

    ``urls:FILE`` is a text file of one address a line, without those that start with ``#``, or a
    table with a column of them; any other source is read as `read_collection` does. ``size`` is
    the longest side to request from IIIF servers, in pixels, or ``max``; unchanged if None.

    Raises:
        ReaderError: If nothing is there or the reader cannot read it.
        FetchError: If a size is given and there is no IIIF address.
    """
    if size is not None and size != "max" and not (size.isdecimal() and int(size)):
        raise FetchError(f"no size {size!r}; choose a number of pixels, such as 512, or max")
    name, path = _split(source)
    if name == "urls" and path.suffix.lower() not in _TABLES:
        catalog = _read_list(path)
    elif name == "urls":
        catalog = read_collection(f"table:{path}", options=_with_url_column(path, options))
    elif size is not None and _takes_size(name, path):
        settings = {**options.settings, "size": size}
        return read_collection(source, options=dataclasses.replace(options, settings=settings))
    else:
        catalog = read_collection(source, options=options)
    return catalog if size is None else _resized(catalog, size)


def _split(source: str | Path) -> tuple[str | None, Path]:
    """Split ``urls:PATH`` or a known ``READER:PATH``; a .txt file is a list too."""
    name, colon, rest = str(source).partition(":")
    if colon and (name == "urls" or name in READERS):
        return name, Path(rest)
    path = Path(source)
    if path.suffix.lower() != ".txt" or not path.is_file():
        return None, path
    with path.open("rb") as stream:
        start = stream.read(1 << 16).decode("utf-8-sig", "replace")
    return "urls" if is_url(next(iter(_entries(start)), "")) else None, path


def _takes_size(name: str | None, path: Path) -> bool:
    """Return whether the reader writes IIIF addresses itself and knows which sizes exist."""
    if name is not None:
        return "size" in READERS[name].SETTINGS
    found = (each for each in READERS.values() if path.exists() and each.detects(path))
    reader = next(found, None)
    return reader is not None and "size" in reader.SETTINGS


def _read_list(path: Path) -> Catalog:
    """Read one address a line; the address is the id. Repeated ones are left out."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ReaderError(f"{path} cannot be read: {error.strerror}; name a text file") from error
    except UnicodeDecodeError as error:
        raise ReaderError(
            f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8, one address per line"
        ) from error
    addresses = _entries(text)
    if not addresses:
        raise ReaderError(f"{path} lists no addresses; expected one per line, such as https://...")
    table = pa.table({"id": addresses, "image": addresses})
    path = path.resolve()
    return Catalog.of_table(
        table, name=path.stem or "urls", reader="urls", source=path, root=path.parent
    )


def _entries(text: str) -> list[str]:
    lines = dict.fromkeys(line.strip() for line in text.split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def _with_url_column(path: Path, options: ReaderOptions) -> ReaderOptions:
    """Take the column ``url``, to the table reader a page, where it knows no other column."""
    if options.image_column is not None or not path.is_file():
        return options
    is_parquet = path.suffix.lower() == ".parquet"
    names = pq.read_schema(path.absolute()).names if is_parquet else column_names(path)
    bare = {"".join(filter(str.isalnum, name.lower())): name for name in names}
    url = next((bare[name] for name in ("url", "link", "address") if name in bare), None)
    if url is None or any(name in bare for name in IMAGE_COLUMNS):
        return options
    return dataclasses.replace(options, image_column=url)


def _resized(catalog: Catalog, size: str) -> Catalog:
    """Request another size wherever an address is one of the IIIF Image API."""
    wanted = "max" if size == "max" else f"!{int(size)},{int(size)}"
    first = next(catalog.batches(), None)
    if first is not None and not pc.any(pc.match_substring_regex(first["image"], _IIIF)).as_py():
        raise FetchError(
            f"--size {size} is for IIIF addresses (.../full/max/0/default.jpg) and "
            f"{catalog.source} begins with none; leave it out"
        )

    def batches() -> Iterator[pa.RecordBatch]:
        place = catalog.schema.get_field_index("image")
        for batch in catalog.batches():
            resized = pc.replace_substring_regex(batch["image"], _IIIF, rf"\1/{wanted}\2")
            yield batch.set_column(place, "image", resized)

    return dataclasses.replace(catalog, batches=batches)
