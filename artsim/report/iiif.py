"""An answer as a IIIF Presentation 3 manifest: a canvas for each query and each match.

Written as plain JSON after https://iiif.io/api/presentation/3.0/: iiif-prezi3, the library for it,
allows no Pillow newer than 12.0.0. The tests hold every resource against the specification's rules,
and artsim's own reader reads the manifest back.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from artsim import __version__
from artsim.datatypes import Box, as_text, percentile, printable
from artsim.errors import ImageError, StoreError
from artsim.images import describe
from artsim.report.captions import Caption, file_of, is_url
from artsim.report.citation import Citation, detail_of, name_of
from artsim.report.pages import save_text
from artsim.report.thumbnails import data_url, small_copy
from artsim.search import Match, Query

NOWHERE = "https://artsim.invalid"  # a manifest that is not published has ids all the same

_SIDE = 1024  # pixels of the longer side of an image inside the manifest
_UNKNOWN = {"width": 1000, "height": 1000}  # the shape of a canvas whose image is not at hand
# A request to a IIIF image service: region, size, rotation, quality and format.
_REQUEST = re.compile(
    r"(?P<service>https?://.+)/(?:full|square|(?:pct:)?[\d.,]+)/(?P<size>[^/]+)/!?[\d.]+"
    r"/(?:default|native|color|gray|grey|bitonal)\.\w+"
)
_RIGHTS = re.compile(r"https?://(creativecommons\.org|rightsstatements\.org)/\S+")
_CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"

Json = dict[str, Any]


def manifest(cited: Citation, *, root: Path, base: str | None = None) -> Json:
    """Write an answer as a manifest.

    An image on the web stays there, by its image service if it has one. A file below ``root``, the
    folder of the index's images, is put into the manifest as a small JPEG; or it is referred to
    below ``base``, where the manifest, as ``manifest.json``, and those files are published.

    Raises:
        StoreError: If the base is not an http or https address.
    """
    if base is not None and not is_url(base):
        raise StoreError(
            f"{base!r} cannot be the base of a IIIF manifest; give the http or https address under "
            "which its pictures will be published"
        )
    where = (base or NOWHERE).rstrip("/")
    answer = cited.answer
    shown: list[Match | Query] = [*answer.queries, *answer.matches]
    return {
        **_head(where, f"Similar to {answer.name}"),
        "summary": _text(
            f"The {len(answer.matches)} most similar of {answer.searched:,} pictures, by "
            f"{answer.by}",
            "en",
        ),
        "metadata": [
            _pair("Index", cited.index),
            _pair("Model", cited.passport.spec),
            _pair("Weights, sha256", cited.passport.weights_sha256),
            _pair("Command", cited.command),
            _pair("Searched on", cited.date),
            _pair("Software", f"artsim {cited.version}"),
        ],
        "behavior": ["individuals"],
        "items": [
            _canvas(each, f"{where}/canvas/{place}", root=root, base=base)
            for place, each in enumerate(shown)
        ],
    }


def set_manifest(name: str, works: Sequence[Query], *, index: str, root: Path) -> Json:
    """Write a set of works of an index as a manifest, see `manifest`."""
    return {
        **_head(NOWHERE, name),
        "metadata": [_pair("Index", index), _pair("Software", f"artsim {__version__}")],
        "behavior": ["individuals"],
        "items": [
            _canvas(each, f"{NOWHERE}/canvas/{place}", root=root, base=None)
            for place, each in enumerate(works)
        ],
    }


def _head(where: str, label: str) -> Json:
    return {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": f"{where}/manifest.json",
        "type": "Manifest",
        "label": _text(label, "en"),
    }


def save_manifest(values: Json, path: Path) -> None:
    """Write a manifest to a file.

    Raises:
        StoreError: If the file cannot be written.
    """
    text = json.dumps(values, ensure_ascii=False, indent=1)
    save_text(printable(text.encode("utf-8", "replace").decode()), path)


def _canvas(shown: Match | Query, id_: str, *, root: Path, base: str | None) -> Json:
    caption = Caption.of(shown.metadata)
    size = _size(shown)
    title = caption.title or name_of(shown)
    if isinstance(shown, Match):
        title = f"{shown.rank} · {shown.score:.3f} · {title}"
    canvas: Json = {
        "id": id_,
        "type": "Canvas",
        "label": _text(title),
        **(size or _UNKNOWN),
        "metadata": list(_pairs(shown)),
    }
    credit = caption.credit or caption.rights
    if credit:
        canvas["requiredStatement"] = _pair("Credit", credit)
    if rights := _rights(caption):
        canvas["rights"] = rights
    if caption.link:
        page = {"id": caption.link, "type": "Text", "format": "text/html"}
        canvas["homepage"] = [page | {"label": _text("Object page", "en")}]
    body = _body(shown, size, root=root, base=base)
    if body is not None:
        canvas["items"] = [_annotation(f"{id_}/page", "picture", "painting", body, id_)]
    detail = detail_of(shown)
    if detail is not None and size:
        canvas["annotations"] = [_detail(shown, detail, canvas)]
    return canvas


def _detail(shown: Match | Query, box: Box, canvas: Json) -> Json:
    """Mark the detail that was searched for or found, as a region of its canvas."""
    left, top, right, bottom = box.edges(canvas["width"], canvas["height"])
    body = {
        "type": "TextualBody",
        "value": f"The detail {'found' if isinstance(shown, Match) else 'searched for'}",
        "format": "text/plain",
        "language": "en",
    }
    target = f"{canvas['id']}#xywh={left},{top},{right - left},{bottom - top}"
    # Viewers show comments by default.
    return _annotation(f"{canvas['id']}/detail", "region", "commenting", body, target)


def _annotation(page: str, name: str, motivation: str, body: Json, target: str) -> Json:
    """Make a page of one annotation."""
    annotation = {"id": f"{page}/{name}", "type": "Annotation", "motivation": motivation}
    annotations = [annotation | {"body": body, "target": target}]
    return {"id": page, "type": "AnnotationPage", "items": annotations}


def _pairs(shown: Match | Query) -> Iterator[Json]:
    yield _pair("Id", name_of(shown))
    if isinstance(shown, Match):
        yield _pair("Score", str(round(float(shown.score), 6)))
        if shown.percentile is not None:
            yield _pair("Percentile", percentile(shown.percentile))
        for name, share in shown.shares.items():
            yield _pair(f"Score by {name}", str(round(float(share), 6)))
    if (detail := detail_of(shown)) is not None:
        yield _pair("Detail", str(detail))
    for name, value in shown.metadata.items():
        values = [as_text(one) for one in (value if isinstance(value, list) else [value])]
        if any(values):
            yield _pair(name, *(text for text in values if text))


def _body(shown: Match | Query, size: Json, *, root: Path, base: str | None) -> Json | None:
    """Describe the image: by its address on the web, else a small copy."""
    file, service = file_of(shown.image), _service(shown)
    if service is not None:
        address, version = service
        everything = "max" if version == 3 else "full"
        return {
            "id": f"{address}/full/{everything}/0/default.jpg",
            "type": "Image",
            "format": "image/jpeg",
            **size,
            "service": [_service_of(address, version)],
        }
    if file is None:
        if shown.image is None:
            return None
        return {"id": shown.image, "type": "Image", **size}
    if base is not None:
        inside = file.is_relative_to(root)
        place = file.relative_to(root).as_posix() if inside else file.name
        address = f"{base.rstrip('/')}/{quote(place, errors='surrogateescape')}"
        return {"id": address, "type": "Image", **size}
    try:
        picture = small_copy(file, _SIDE)
    except ImageError:
        return None
    return {
        "id": data_url(picture, quality=85),
        "type": "Image",
        "format": "image/jpeg",
        "width": picture.width,
        "height": picture.height,
    }


def _service(shown: Match | Query) -> tuple[str, int] | None:
    """Find the IIIF image service of an image, and its version by the address."""
    service = Caption.of(shown.metadata).iiif
    if service:
        address = service.removesuffix("/info.json").rstrip("/")
        match = _REQUEST.fullmatch(address)
        return (match["service"] if match else address), _version(address)
    match = _REQUEST.fullmatch(shown.image or "")
    return (match["service"], _version(match[0])) if match else None


def _version(address: str) -> int:
    """Guess the version of an image service; viewers read the real one from its info.json."""
    return 3 if "/iiif/3/" in address or "/full/max/" in address else 2


def _service_of(address: str, version: int) -> Json:
    if version == 3:
        return {"id": address, "type": "ImageService3", "profile": "level1"}
    level = "http://iiif.io/api/image/2/level1.json"
    return {"@id": address, "@type": "ImageService2", "profile": level}


def _size(shown: Match | Query) -> Json:
    """Return width and height of an image if its file is at hand."""
    file = file_of(shown.image)
    with suppress(ImageError):
        if file is not None:
            described = describe(file)
            return {"width": described.width, "height": described.height}
    return {}


def _rights(caption: Caption) -> str | None:
    """Return the address of a license; the specification allows no other text here."""
    text = unquote(caption.rights).strip()
    if _RIGHTS.fullmatch(text):
        return re.sub("^https", "http", text)  # as both publish their addresses
    return _CC0 if text.upper() in ("CC0", "CC0 1.0") else None


def _pair(name: str, *values: str) -> Json:
    return {"label": _text(name, "en"), "value": {"none": [_plain(value) for value in values]}}


def _text(text: str, language: str = "none") -> Json:
    return {language: [text]}


def _plain(text: str) -> str:
    """Keep a value that looks like markup from being read as such."""
    is_markup = text.startswith("<") and text.endswith(">")
    return f"<span>{html.escape(text, quote=False)}</span>" if is_markup else text
