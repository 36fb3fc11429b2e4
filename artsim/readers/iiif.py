"""IIIF Presentation manifests and collections, versions 2 and 3: one row per picture.

Only files are read: manifests saved beside each other, or a collection saved with the manifests
that it lists (https://iiif.io/api/presentation/3.0/, https://iiif.io/api/presentation/2.1/).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from artsim.datatypes import RESERVED, Catalog
from artsim.errors import ReaderError
from artsim.readers.nested import Flat, text_of
from artsim.readers.options import ReaderOptions
from artsim.readers.pictures import files_with, is_hidden
from artsim.readers.record_files import load_json
from artsim.readers.rows import Row, table_of

WHAT = "IIIF Presentation manifests and collections, saved as files"
EXAMPLE = "iiif:manifests/"
SETTINGS: tuple[str, ...] = (
    "size",  # pixels of the longest side of the images' addresses, or max
    "language",  # of labels and values where there are several: en
)

_PEEKED = 1 << 16  # bytes of a file that are searched for the address of the standard
_LOOKED_AT = 20  # files of a folder that are opened: there may be one beside each picture
_OURS = ("object", "title", "canvas", "summary", "attribution", "rights", "nav_date")

_REGION = re.compile(r"[0-9]+,[0-9]+,[0-9]+,[0-9]+")

Json = Mapping[str, Any]


def detects(path: Path) -> bool:
    """Return whether ``path`` is a manifest or collection, or a folder with one on top."""
    files = [path] if path.is_file() else files_with(path, (".json",))[:_LOOKED_AT]
    return any(_looks_right(file) for file in files if file.suffix.lower() == ".json")


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Read manifests; the id is the canvas, the image its IIIF address at ``size`` pixels.

    ``object`` is the manifest, ``title`` and ``canvas`` are the two labels, and every pair of the
    manifest's metadata is a column: a list if it ever has several values. The ids of a canvas's
    second and third picture end in ``#2`` and ``#3``. Pictures without an image service that can
    resize keep their address.
    """
    options.allow("iiif", "types")
    size, language = options.size(), options.setting("language", "en")
    files, notes = _manifests(path)
    rows = (row for file in files for row in _rows(_load(file), size, language))
    table = table_of(rows, options, optional=_OURS, splits=True)
    if not table.num_rows:
        raise ReaderError(f"no picture in the IIIF manifests of {path}")
    return Catalog.of_table(
        table,
        name=path.stem or "iiif",
        reader="iiif",
        source=path,
        root=path if path.is_dir() else path.parent,
        notes=notes,
    )


def _looks_right(file: Path) -> bool:
    with file.open("rb") as start:
        text = start.read(_PEEKED)
    return b"iiif.io/api/presentation" in text or b"shared-canvas.org/ns/context" in text


def _manifests(path: Path) -> tuple[list[Path], tuple[str, ...]]:
    """Find the files of the manifests, in the order of the collection where there is one.

    A note counts those that a collection lists and that are missing.
    """
    if path.is_file() and _kind(_load(path)) == "Manifest":
        return [path], ()
    manifests: dict[str, Path] = {}
    collections: dict[str, list[str]] = {}  # the ids that each lists
    wanted: list[str] = []
    for file, resource in _resources(path if path.is_dir() else path.parent):
        kind, id_ = _kind(resource), _id(resource)
        if kind == "Manifest":
            manifests[id_ if id_ and id_ not in manifests else str(file)] = file
        elif kind == "Collection":
            collections[id_] = _listed(resource)
            if file == path or path.is_dir():
                wanted.append(id_)
    listed = _unfold(wanted, collections)
    if path.is_dir():
        listed = list(dict.fromkeys((*listed, *manifests)))
    missing = [id_ for id_ in listed if id_ not in manifests]
    if not listed:
        raise ReaderError(f"no IIIF manifest in {path}; expected .json files of version 2 or 3")
    found = [manifests[id_] for id_ in listed if id_ in manifests]
    if not missing:
        return found, ()
    note = (
        f"{path} lists {len(missing)} manifests or collections that are not among the files "
        f"there, first {missing[0]}; save them beside it"
    )
    if not found:
        raise ReaderError(note)
    return found, (note,)


def _resources(folder: Path) -> Iterator[tuple[Path, Json]]:
    for file in sorted(folder.rglob("*.json")):
        if not is_hidden(file.name) and file.is_file() and _looks_right(file):
            yield file, _load(file)


def _unfold(ids: list[str], collections: Mapping[str, list[str]]) -> list[str]:
    """Replace collections by what they list, to any depth; each is unfolded once."""
    seen: dict[str, None] = {}
    ahead = ids[::-1]
    while ahead:
        id_ = ahead.pop()
        if id_ not in seen:
            ahead += reversed(collections.get(id_, ()))
        seen[id_] = None
    return [id_ for id_ in seen if id_ not in collections]


def _load(file: Path) -> Json:
    resource = load_json(file)
    if not isinstance(resource, dict):
        raise ReaderError(f"{file} is not an IIIF manifest; expected a JSON object")
    return resource


def _id(resource: Json) -> str:
    return str(resource.get("id") or resource.get("@id") or "")


def _kind(resource: Json) -> str:
    """Return Manifest, Canvas and so on; version 2 writes sc:Manifest."""
    return str(resource.get("type") or resource.get("@type") or "").rpartition(":")[2]


def _objects(value: object) -> list[Json]:
    """List the objects in what may be one, several or none."""
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, dict)]


def _first(value: object) -> Json:
    return next(iter(_objects(value)), {})


def _listed(collection: Json) -> list[str]:
    """List the ids of the manifests and collections in a collection, in order."""
    ids = []
    for part in ("items", "members", "collections", "manifests"):
        for member in _objects(collection.get(part)):
            ids += _listed(member) or [_id(member)]
        ids += [member for member in collection.get(part) or () if isinstance(member, str)]
    return ids


def _rows(manifest: Json, size: int | None, language: str) -> Iterator[Row]:
    shared = _description(manifest, language)
    for canvas in _canvases(manifest):
        label = " ".join(_texts(canvas.get("label"), language))
        for number, picture in enumerate(_pictures(canvas), 1):
            yield {
                "id": (_id(canvas) + (f"#{number}" if number > 1 else "")) or None,
                "image": _address(picture, size),
                "object": _id(manifest) or None,
                "canvas": label or None,
                **shared,
                **_pairs(canvas, language),
            }


def _description(manifest: Json, language: str) -> dict[str, Flat]:
    """Collect a manifest's description of its object."""
    required = _first(manifest.get("requiredStatement"))
    texts = {
        "title": manifest.get("label"),
        "summary": manifest.get("summary") or manifest.get("description"),
        "attribution": required.get("value") or manifest.get("attribution"),
        "rights": manifest.get("rights") or manifest.get("license"),
        "nav_date": manifest.get("navDate"),
    }
    found = {name: " ".join(_texts(value, language)) or None for name, value in texts.items()}
    return {**found, **_pairs(manifest, language)}


def _pairs(resource: Json, language: str) -> dict[str, Flat]:
    """Collect the metadata pairs; ``Date created`` becomes the column date_created."""
    found: dict[str, list[str]] = {}
    for pair in _objects(resource.get("metadata")):
        label = " ".join(_texts(pair.get("label"), language))
        name = re.sub(r"\W+", "_", label.lower()).strip("_")
        if name in (*RESERVED, *_OURS):
            name += "_catalog"
        if name:
            found.setdefault(name, []).extend(_texts(pair.get("value"), language))
    return {name: one if len(one) > 1 else next(iter(one), None) for name, one in found.items()}


def _texts(value: object, language: str) -> list[str]:
    """List the texts of a value in the requested language, else in none, else in the first."""
    if isinstance(value, dict) and "@value" not in value:
        chosen = next((key for key in (language, "none", "@none") if key in value), None)
        return _texts(value[chosen] if chosen else next(iter(value.values()), None), language)
    by_language: dict[str, list[str]] = {}
    for one in value if isinstance(value, list) else [value]:
        tagged = one if isinstance(one, dict) else {"@value": one}
        markup = text_of(tagged.get("@value")) or ""
        if text := html.unescape(re.sub(r"<[^>]*>", "", markup)).strip():
            by_language.setdefault(str(tagged.get("@language", "")), []).append(text)
    first = next(iter(by_language.values()), [])
    return by_language.get(language, by_language.get("", first))


def _canvases(manifest: Json) -> Iterator[Json]:
    yield from _objects(manifest.get("items"))
    for sequence in _objects(manifest.get("sequences")):
        yield from _objects(sequence.get("canvases"))


def _pictures(canvas: Json) -> Iterator[Json]:
    """Yield the pictures painted on a canvas; of alternatives the one to show first."""
    bodies = [annotation.get("resource") for annotation in _objects(canvas.get("images"))]
    for page in _objects(canvas.get("items")):
        bodies += [annotation.get("body") for annotation in _objects(page.get("items"))]
    for body in (one for value in bodies for one in _objects(value)):
        if _kind(body) == "Choice":
            body = _first(body.get("default") or body.get("items"))
        if _kind(body) == "SpecificResource":
            body = {**_first(body.get("source") or body.get("full")), "region": _region(body)}
        if _kind(body) == "Image":
            yield body


def _region(resource: Json) -> str | None:
    """Return the part of a picture that is painted, ``x,y,w,h``; None for the whole.

    https://iiif.io/api/annex/openannotation/#iiif-image-api-selector
    """
    for selector in _objects(resource.get("selector")):
        region = selector.get("region")
        if isinstance(region, str) and _REGION.fullmatch(region):
            return region
    return None


def _address(picture: Json, size: int | None) -> str | None:
    """Return the address of the picture with ``size`` pixels on its longest side.

    Never more than the image has, which version 3 of the Image API refuses; and only one side is
    given, which every server that resizes supports (https://iiif.io/api/image/3.0/compliance/).
    """
    services = ((one, _profile(one)) for one in _objects(picture.get("service")))
    images = (each for each in services if re.search("ImageService|image-api|api/image", each[1]))
    service, profile = next(images, ({}, "level0"))
    if "level0" in profile:
        return _id(picture) or None
    version = re.search(r"(?:ImageService|image(?:-api)?/)(\d)", profile)
    number = version[1] if version else "2"
    quality = "native" if number == "1" else "default"
    whole = "max" if number == "3" else "full"
    scaled = whole if size is None else _scaled(service, picture, size)
    region = picture.get("region") or "full"
    return f"{_id(service).rstrip('/')}/{region}/{scaled}/0/{quality}.jpg"


def _scaled(service: Json, picture: Json, size: int) -> str:
    pairs: list[tuple[Any, ...]] = [
        (one.get("width"), one.get("height")) for one in (service, picture)
    ]
    if region := picture.get("region"):
        pairs = [tuple(map(int, region.split(",")[2:]))]
    # a size of 0 means that the museum does not know it
    known = (pair for pair in pairs if all(isinstance(side, int) and side > 0 for side in pair))
    width, height = next(known, (None, None))
    if width is None or height is None:
        return f"!{size},{size}"
    return f"{min(size, width)}," if width >= height else f",{min(size, height)}"


def _profile(service: Json) -> str:
    """Join what describes a service's kind, version and level."""
    profiles = service.get("profile")
    profiles = profiles if isinstance(profiles, list) else [profiles]
    texts = [service.get("type"), service.get("@type"), service.get("@context"), *profiles]
    return " ".join(text for text in texts if isinstance(text, str))
