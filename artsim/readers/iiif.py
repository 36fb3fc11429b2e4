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

SETTINGS: tuple[str, ...] = (
    "size",  # pixels of the longest side of the images' addresses, or max
    "language",  # of labels and values where there are several: en
)

_PEEKED = 1 << 16  # bytes of a file looked at
_LOOKED_AT = 20  # files of a folder looked at: there may be one beside each picture
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
    manifest's metadata is a column: a list where it has several values anywhere. Where a canvas
    has several pictures those after the first have ``#2``, ``#3`` behind the id. Pictures without
    an image service that can resize keep the address they have.

    Raises:
        ReaderError: If a file is no manifest, none of the listed ones is there, or there is no
            picture in any.
    """
    options.allow("iiif")
    size, language = options.size(), options.setting("language", "en")
    files, notes = _manifests(path)
    rows = (row for file in files for row in _rows(_load(file), size, language))
    table = table_of(rows, splits=True)
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

    Those that a collection lists and that are not there are named in the notes.
    """
    if path.is_file() and _kind(_load(path)) == "Manifest":
        return [path], ()
    manifests: dict[str, Path] = {}
    collections: dict[str, list[str]] = {}  # what each lists
    wanted: list[str] = []
    for file in sorted((path if path.is_dir() else path.parent).rglob("*.json")):
        if is_hidden(file.name) or not file.is_file() or not _looks_right(file):
            continue
        found = _load(file)
        if _kind(found) == "Manifest":
            id_ = _id(found)
            manifests[id_ if id_ and id_ not in manifests else str(file)] = file
        elif _kind(found) == "Collection":
            collections[_id(found)] = _listed(found)
            if file == path or path.is_dir():
                wanted.append(_id(found))
    listed = _unfold(wanted, collections)
    if path.is_dir():
        listed = list(dict.fromkeys((*listed, *manifests)))
    missing = [id_ for id_ in listed if id_ not in manifests]
    said = (
        f"{path} lists {len(missing)} manifests or collections that are not among the files "
        f"there, first {next(iter(missing), None)}; save them beside it"
    )
    if missing and len(missing) == len(listed):
        raise ReaderError(said)
    if not listed:
        raise ReaderError(f"no IIIF manifest in {path}; expected .json files of version 2 or 3")
    there = [manifests[id_] for id_ in listed if id_ in manifests]
    return there, (said,) if missing else ()


def _unfold(ids: list[str], collections: Mapping[str, list[str]]) -> list[str]:
    """Replace collections by what they list, to any depth; what lists itself is met once."""
    unfolded: dict[str, None] = {}
    met: set[str] = set()
    ahead = ids[::-1]
    while ahead:
        id_ = ahead.pop()
        if id_ not in collections:
            unfolded[id_] = None
        elif id_ not in met:
            met.add(id_)
            ahead += reversed(collections[id_])
    return list(unfolded)


def _load(file: Path) -> Json:
    found = load_json(file)
    if not isinstance(found, dict):
        raise ReaderError(f"{file} is not an IIIF manifest; expected a JSON object")
    return found


def _id(resource: Json) -> str:
    return str(resource.get("id") or resource.get("@id") or "")


def _kind(resource: Json) -> str:
    """Return Manifest, Canvas and so on; version 2 writes sc:Manifest."""
    return str(resource.get("type") or resource.get("@type") or "").rpartition(":")[2]


def _objects(value: object) -> list[Json]:
    """List the objects in what may be one, several or none."""
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, dict)]


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
    """Collect what a manifest says of its object."""
    required = next(iter(_objects(manifest.get("requiredStatement"))), {})
    texts = {
        "title": manifest.get("label"),
        "summary": manifest.get("summary") or manifest.get("description"),
        "attribution": required.get("value") or manifest.get("attribution"),
        "rights": manifest.get("rights") or manifest.get("license"),
        "nav_date": manifest.get("navDate"),
    }
    found = {name: " ".join(_texts(value, language)) for name, value in texts.items()}
    return {**{name: text for name, text in found.items() if text}, **_pairs(manifest, language)}


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
    return {name: one[0] if len(one) == 1 else one for name, one in found.items() if one}


def _texts(value: object, language: str) -> list[str]:
    """List the texts of a value in the requested language, else in none, else in the first."""
    if isinstance(value, dict) and "@value" not in value:
        chosen = next((key for key in (language, "none", "@none") if key in value), None)
        return _texts(value[chosen] if chosen else next(iter(value.values()), None), language)
    by_language: dict[str, list[str]] = {}
    for one in value if isinstance(value, list) else [value]:
        tagged = one if isinstance(one, dict) else {"@value": one}
        text = text_of(tagged.get("@value"))
        if text is not None and (stripped := _without_markup(text)):
            tag = str(tagged.get("@language", ""))
            by_language.setdefault(tag, []).append(stripped)
    chosen = next((tag for tag in (language, "") if tag in by_language), None)
    return by_language[chosen] if chosen is not None else next(iter(by_language.values()), [])


def _without_markup(text: str) -> str:
    bare = re.sub(r"<[^>]*>", "", text) if "<" in text else text
    return html.unescape(bare).strip()


def _canvases(manifest: Json) -> Iterator[Json]:
    yield from _objects(manifest.get("items"))
    for sequence in _objects(manifest.get("sequences")):
        yield from _objects(sequence.get("canvases"))


def _pictures(canvas: Json) -> Iterator[Json]:
    """Yield the pictures painted on a canvas; of alternatives the one to be shown first."""
    bodies = [annotation.get("resource") for annotation in _objects(canvas.get("images"))]
    for page in _objects(canvas.get("items")):
        bodies += [annotation.get("body") for annotation in _objects(page.get("items"))]
    for body in (one for value in bodies for one in _objects(value)):
        if _kind(body) == "Choice":
            body = next(iter(_objects(body.get("default") or body.get("items"))), {})
        if _kind(body) == "SpecificResource":
            region = _region(body)
            body = next(iter(_objects(body.get("source") or body.get("full"))), {})
            body = {**body, "region": region}
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

    Never more than the image has, which version 3 of the Image API refuses, and by one side alone,
    which every server that resizes supports (https://iiif.io/api/image/3.0/compliance/).
    """
    service = next((one for one in _objects(picture.get("service")) if _is_image(one)), None)
    if service is None or "level0" in _said(service):
        return _id(picture) or None
    version = re.search(r"ImageService(\d)|image(?:-api)?/(\d)", _said(service))
    number = (version[1] or version[2]) if version else "2"
    quality = "native" if number == "1" else "default"
    scaled = _scaled(service, picture, size, "max" if number == "3" else "full")
    region = picture.get("region") or "full"
    return f"{_id(service).rstrip('/')}/{region}/{scaled}/0/{quality}.jpg"


def _scaled(service: Json, picture: Json, size: int | None, everything: str) -> str:
    if size is None:
        return everything
    pairs = [(one.get("width"), one.get("height")) for one in (service, picture)]
    if region := picture.get("region"):
        _, _, *sides = map(int, region.split(","))
        pairs = [(sides[0], sides[1])]
    # a size of 0 is one that the museum does not know
    known = (pair for pair in pairs if all(isinstance(side, int) and side > 0 for side in pair))
    width, height = next(known, (None, None))
    if width is None or height is None:
        return f"!{size},{size}"
    return f"{min(size, width)}," if width >= height else f",{min(size, height)}"


def _is_image(service: Json) -> bool:
    return re.search(r"ImageService|image-api|api/image", _said(service)) is not None


def _said(service: Json) -> str:
    """Join what a service says of its kind, version and level."""
    profiles = service.get("profile")
    profiles = profiles if isinstance(profiles, list) else [profiles]
    said = [service.get("type"), service.get("@type"), service.get("@context"), *profiles]
    return " ".join(one for one in said if isinstance(one, str))
