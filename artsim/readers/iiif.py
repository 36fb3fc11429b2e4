"""IIIF Presentation manifests and collections, versions 2 and 3: one row per picture.

Only files are read: manifests saved beside each other, or a collection saved with the manifests
that it lists (https://iiif.io/api/presentation/3.0/, https://iiif.io/api/presentation/2.1/).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from artsim.datatypes import RESERVED, Catalog
from artsim.errors import ReaderError
from artsim.readers.manifests import (
    Json,
    find_manifests,
    id_of,
    kind_of,
    load_manifest,
    looks_right,
    objects,
)
from artsim.readers.markup import plain_text
from artsim.readers.nested import Flat, text_of
from artsim.readers.options import ReaderOptions
from artsim.readers.pictures import files_with, is_picture
from artsim.readers.rows import GatheredRows, Row

WHAT = "IIIF Presentation manifests and collections, saved as files"
EXAMPLE = "iiif:manifests/"
SETTINGS: tuple[str, ...] = (
    "size",  # pixels of the longest side of the images' addresses, or max
    "language",  # of labels and values where there are several: en
)

_LOOKED_AT = 20  # files of a folder that are opened: there may be one beside each picture
_OURS = ("object", "title", "canvas", "summary", "attribution", "rights", "nav_date")

_REGION = re.compile(r"[0-9]+,[0-9]+,[0-9]+,[0-9]+")

# Kinds of what a canvas shows that is no picture.
_NO_PICTURES = ("Audio", "Dataset", "MovingImage", "Model", "Sound", "Text", "TextualBody", "Video")


def detects(path: Path) -> bool:
    """Return whether ``path`` is a manifest or collection, or a folder with one on top."""
    files = [path] if path.is_file() else files_with(path, (".json",))[:_LOOKED_AT]
    return any(looks_right(file) for file in files if file.suffix.lower() == ".json")


def read(path: Path, options: ReaderOptions) -> Catalog:
    """Read manifests; the id is the canvas, the image its IIIF address at ``size`` pixels.

    ``object`` is the manifest, ``title`` and ``canvas`` are the two labels, and every pair of the
    manifest's metadata is a column: a list if it ever has several values. The ids of a canvas's
    second and third picture end in ``#2`` and ``#3``. Pictures without an image service that can
    resize keep their address. A manifest that cannot be read is left out with a note, or refused if
    ``options.strict``.
    """
    options.allow("iiif", "types")
    size, language = options.size(), options.setting("language", "en")
    files, notes = find_manifests(path)
    if notes and options.strict:
        raise ReaderError(notes[0])
    empty: list[str] = []  # canvases without a picture
    rows = (row for file in files for row in _rows(load_manifest(file), size, language, empty))
    table = GatheredRows(rows, options, optional=_OURS, splits=True).table()
    if not table.num_rows:
        raise ReaderError(f"no picture in the IIIF manifests of {path}")
    if empty:
        notes.append(f"canvases without a picture are left out: {len(empty):,}, first {empty[0]}")
    return Catalog.of_table(
        table,
        name=path.stem or "iiif",
        reader="iiif",
        source=path,
        root=path if path.is_dir() else path.parent,
        notes=tuple(notes),
    )


def _first(value: object) -> Json:
    return next(iter(objects(value)), {})


def _rows(manifest: Json, size: int | None, language: str, empty: list[str]) -> Iterator[Row]:
    shared = _description(manifest, language)
    canvases = list(_canvases(manifest))
    if not canvases:
        empty.append(f"those of {id_of(manifest)}, which has none")
    for canvas in canvases:
        label = " ".join(_texts(canvas.get("label"), language))
        pictures = list(_pictures(canvas))
        if not pictures:
            empty.append(id_of(canvas) or f"one of {id_of(manifest)}")
        for number, picture in enumerate(pictures, 1):
            yield {
                "id": _row_id(canvas, picture, number),
                "image": _address(picture, size),
                "object": id_of(manifest) or None,
                "canvas": label or None,
                **shared,
                **_pairs(canvas, language),
            }


def _row_id(canvas: Json, picture: Json, number: int) -> str | None:
    """Name a row by its canvas, or else by its picture."""
    if canvas_id := id_of(canvas):
        return canvas_id + (f"#{number}" if number > 1 else "")
    return id_of(picture) or None


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
    for pair in objects(resource.get("metadata")):
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
        if text := plain_text(markup):
            by_language.setdefault(str(tagged.get("@language", "")), []).append(text)
    first = next(iter(by_language.values()), [])
    return by_language.get(language, by_language.get("", first))


def _canvases(manifest: Json) -> Iterator[Json]:
    yield from objects(manifest.get("items"))
    for sequence in objects(manifest.get("sequences")):
        yield from objects(sequence.get("canvases"))


def _pictures(canvas: Json) -> Iterator[Json]:
    """Yield the pictures painted on a canvas; of alternatives the one to show first."""
    bodies = [annotation.get("resource") for annotation in objects(canvas.get("images"))]
    for page in objects(canvas.get("items")):
        bodies += [annotation.get("body") for annotation in objects(page.get("items"))]
    for body in (one for value in bodies for one in _resources(value)):
        if kind_of(body) == "Choice":
            body = _first(body.get("default") or body.get("items") or body.get("item"))
        if kind_of(body) == "SpecificResource":
            body = {**_first(body.get("source") or body.get("full")), "region": _region(body)}
        if _is_picture(body):
            yield body


def _resources(value: object) -> list[Json]:
    """List what a canvas shows; of some only the address is given."""
    values = value if isinstance(value, list) else [value]
    return objects([{"id": one} if isinstance(one, str) else one for one in values])


def _is_picture(resource: Json) -> bool:
    """Return whether a resource is a picture, by its type, or else format, service or name."""
    kind, format_ = kind_of(resource), str(resource.get("format") or "")
    if kind in ("Image", "StillImage") or kind.startswith("image/") or format_.startswith("image/"):
        return True
    if kind in _NO_PICTURES or format_:
        return False
    return bool(_image_services(resource)) or is_picture(id_of(resource).partition("?")[0])


def _region(resource: Json) -> str | None:
    """Return the part of a picture that is painted, ``x,y,w,h``; None for the whole.

    https://iiif.io/api/annex/openannotation/#iiif-image-api-selector
    """
    for selector in objects(resource.get("selector")):
        region = selector.get("region")
        if isinstance(region, str) and _REGION.fullmatch(region):
            return region
    return None


def _address(picture: Json, size: int | None) -> str | None:
    """Return the address of the picture with ``size`` pixels on its longest side.

    Never more than the image has, which version 3 of the Image API refuses; and only one side is
    given, which every server that resizes supports (https://iiif.io/api/image/3.0/compliance/).
    """
    service, profile = next(iter(_image_services(picture)), ({}, "level0"))
    version = re.search(r"(?:ImageService|image(?:-api)?/)(\d)", profile)
    number = version[1] if version else "2"
    quality = "native" if number == "1" else "default"
    whole = "max" if number == "3" else "full"
    region = picture.get("region") or "full"
    if "level0" not in profile:
        scaled = whole if size is None else _scaled(service, picture, size)
    elif fixed := _fixed(service, size):
        region, scaled = "full", f"{fixed[0]},{fixed[1]}" if number == "3" else f"{fixed[0]},"
    elif id_of(picture) or not service:  # the whole, and no part of it
        return id_of(picture) or None
    else:
        region, scaled = "full", whole
    return (
        f"{id_of(service).removesuffix('/info.json').rstrip('/')}/{region}/{scaled}/0/{quality}.jpg"
    )


def _fixed(service: Json, size: int | None) -> tuple[int, int] | None:
    """Return the smallest of the sizes that a server at level 0 has, which is large enough."""
    sides = [(one.get("width"), one.get("height")) for one in objects(service.get("sizes"))]
    known = [(w, h) for w, h in sides if isinstance(w, int) and isinstance(h, int)]
    enough = [pair for pair in known if size is not None and max(pair) >= size]
    return min(enough, key=max, default=None)


def _image_services(picture: Json) -> list[tuple[Json, str]]:
    services = [(one, _profile(one)) for one in objects(picture.get("service"))]
    return [each for each in services if re.search("ImageService|image-api|api/image", each[1])]


def _scaled(service: Json, picture: Json, size: int) -> str:
    pairs: list[tuple[Any, ...]] = [
        (one.get("width"), one.get("height")) for one in (service, picture)
    ]
    if region := picture.get("region"):
        pairs = [tuple(map(int, region.split(",")[2:]))]
    # a size of 0 means that the museum does not know it
    known = (pair for pair in pairs if all(isinstance(side, int) and side > 0 for side in pair))
    width, height = next(known, (None, None))
    size = min([size, *_limits(service)])
    if width is None or height is None:
        return f"!{size},{size}"
    return f"{min(size, width)}," if width >= height else f",{min(size, height)}"


def _limits(service: Json) -> Iterator[int]:
    """Yield the longest sides that a server says it makes.

    One that limits the width alone means the height too, and an area holds a square of its root
    (https://iiif.io/api/image/3.0/#54-technical-properties).
    """
    for limits in (service, *objects(service.get("profile"))):  # version 2 has them in the profile
        for name in ("maxWidth", "maxHeight", "maxArea"):
            if isinstance(limit := limits.get(name), int) and limit > 0:
                yield math.isqrt(limit) if name == "maxArea" else limit


def _profile(service: Json) -> str:
    """Join what describes a service's kind, version and level."""
    profiles = service.get("profile")
    profiles = profiles if isinstance(profiles, list) else [profiles]
    texts = [service.get("type"), service.get("@type"), service.get("@context"), *profiles]
    return " ".join(text for text in texts if isinstance(text, str))
