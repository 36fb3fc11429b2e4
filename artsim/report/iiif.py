"""An answer as a IIIF Presentation 3 manifest: a canvas for what was asked and for each match.

Written as plain JSON after https://iiif.io/api/presentation/3.0/: iiif-prezi3, the library for it,
allows no Pillow newer than 12.0.0. The tests hold every resource against the specification's rules,
and artsim's own reader reads the manifest back.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from artsim.datatypes import Box
from artsim.errors import ImageError, StoreError
from artsim.images import describe
from artsim.report.answers import Found, Label, Report, Shown, as_text, file_of, is_address
from artsim.report.pictures import small_copy

__all__ = ["manifest", "save_manifest"]

NOWHERE = "https://artsim.invalid"  # a manifest that is not published has ids all the same

_SIDE = 1024  # pixels of the longer side of a picture that is put into the manifest
_UNKNOWN = (1000, 1000)  # the shape of a canvas whose picture nobody measured
# What asks a IIIF image service for a picture: region, size, rotation, quality and format.
_REQUEST = re.compile(
    r"(?P<service>https?://.+)/(?:full|square|(?:pct:)?[\d.,]+)/(?P<size>[^/]+)/!?[\d.]+"
    r"/(?:default|native|color|gray|gray|bitonal)\.\w+"
)
_RIGHTS = re.compile(r"https?://(creativecommons\.org|rightsstatements\.org)/\S+")
_CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"

Json = dict[str, Any]


def manifest(report: Report, *, root: Path, base: str | None = None) -> Json:
    """Write an answer as a manifest.

    A picture on the web stays there, by its image service where it has one. A file is put into
    the manifest as a small JPEG, or referred to below ``base``.

    Args:
        report: The answer.
        root: The folder that the pictures of the index lie in.
        base: Where the manifest, as ``manifest.json``, and the files of ``root`` are published.

    Raises:
        StoreError: If the base is no address of the web.
    """
    if base is not None and not is_address(base):
        raise StoreError(
            f"{base!r} is no base of a IIIF manifest; give the http or https address that its "
            "pictures are published below"
        )
    where = (base or NOWHERE).rstrip("/")
    shown = [*report.queries, *report.matches]
    return {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": f"{where}/manifest.json",
        "type": "Manifest",
        "label": _text(f"Like {report.name}", "en"),
        "summary": _text(
            f"The {len(report.matches)} most like it of {report.rows:,} pictures, by {report.by}",
            "en",
        ),
        "metadata": [
            _pair("Index", report.index),
            _pair("Model", report.passport.spec),
            _pair("Weights, sha256", report.passport.weights_sha256),
            _pair("Command", report.command),
            _pair("Asked on", report.date),
            _pair("Software", f"artsim {report.version}"),
        ],
        "behavior": ["individuals"],
        "items": [
            _canvas(each, f"{where}/canvas/{place}", root=root, base=base)
            for place, each in enumerate(shown)
        ],
    }


def save_manifest(values: Json, path: Path) -> None:
    """Write a manifest to a file.

    Raises:
        StoreError: If the file cannot be written.
    """
    try:
        text = json.dumps(values, ensure_ascii=False, indent=1)
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(f"cannot write {str(path)!r}: {reason}; name another file") from error


def _canvas(shown: Shown, id_: str, *, root: Path, base: str | None) -> Json:
    label = shown.label
    size = _size(shown)
    width, height = size or _UNKNOWN
    title = label.title or shown.name
    if isinstance(shown, Found):
        title = f"{shown.rank} · {shown.score:.3f} · {title}"
    canvas: Json = {
        "id": id_,
        "type": "Canvas",
        "label": _text(title),
        "width": width,
        "height": height,
        "metadata": list(_pairs(shown)),
    }
    credit = label.credit or label.rights
    if credit:
        canvas["requiredStatement"] = _pair("Credit", credit)
    if rights := _rights(label):
        canvas["rights"] = rights
    if label.link:
        page = {"id": label.link, "type": "Text", "format": "text/html"}
        canvas["homepage"] = [page | {"label": _text("Object page", "en")}]
    body = _body(shown, root=root, base=base)
    if body is not None:
        painting = {
            "id": f"{id_}/page/picture",
            "type": "Annotation",
            "motivation": "painting",
            "body": body,
            "target": id_,
        }
        canvas["items"] = [{"id": f"{id_}/page", "type": "AnnotationPage", "items": [painting]}]
    if shown.box is not None and size is not None:
        canvas["annotations"] = [_detail(shown, shown.box, canvas)]
    return canvas


def _detail(shown: Shown, box: Box, canvas: Json) -> Json:
    """Mark the detail that was asked by or found, as a region of its canvas."""
    page = f"{canvas['id']}/detail"
    left, top, right, bottom = box.edges(canvas["width"], canvas["height"])
    marked = {
        "id": f"{page}/region",
        "type": "Annotation",
        "motivation": "commenting",  # what viewers show unasked
        "body": {
            "type": "TextualBody",
            "value": f"The detail that was {'found' if isinstance(shown, Found) else 'asked by'}",
            "format": "text/plain",
            "language": "en",
        },
        "target": f"{canvas['id']}#xywh={left},{top},{right - left},{bottom - top}",
    }
    return {"id": page, "type": "AnnotationPage", "items": [marked]}


def _pairs(shown: Shown) -> Iterator[Json]:
    yield _pair("Id", shown.name)
    if isinstance(shown, Found):
        yield _pair("Score", f"{shown.score:.6f}")
        if shown.percentile is not None:
            yield _pair("Percentile", f"{shown.percentile:.6g}")
        for name, share in shown.shares.items():
            yield _pair(f"Score by {name}", f"{share:.6f}")
    if shown.box is not None:
        yield _pair("Detail", str(shown.box))
    for name, value in shown.metadata.items():
        values = [as_text(one) for one in (value if isinstance(value, list) else [value])]
        if any(values):
            yield _pair(name, *(text for text in values if text))


def _body(shown: Shown, *, root: Path, base: str | None) -> Json | None:
    """Describe the picture: where it is on the web, else itself."""
    file, service = file_of(shown.image), _service(shown)
    if service is not None:
        address, version = service
        everything = "max" if version == 3 else "full"
        return {
            "id": f"{address}/full/{everything}/0/default.jpg",
            "type": "Image",
            "format": "image/jpeg",
            **_measured(shown),
            "service": [_service_of(address, version)],
        }
    if file is None:
        if shown.image is None:
            return None
        return {"id": shown.image, "type": "Image", **_measured(shown)}
    if base is not None:
        inside = file.is_relative_to(root)
        place = file.relative_to(root).as_posix() if inside else file.name
        address = f"{base.rstrip('/')}/{quote(place, errors='surrogateescape')}"
        return {"id": address, "type": "Image", **_measured(shown)}
    try:
        picture = small_copy(file, _SIDE)
    except ImageError:
        return None
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    data = base64.b64encode(out.getvalue()).decode("ascii")
    return {
        "id": f"data:image/jpeg;base64,{data}",
        "type": "Image",
        "format": "image/jpeg",
        "width": picture.width,
        "height": picture.height,
    }


def _service(shown: Shown) -> tuple[str, int] | None:
    """Find the IIIF image service of a picture, and the version that its address tells."""
    if shown.label.iiif:
        address = shown.label.iiif.removesuffix("/info.json").rstrip("/")
        match = _REQUEST.fullmatch(address)
        return (match["service"] if match else address), _version(address)
    match = _REQUEST.fullmatch(shown.image or "")
    return (match["service"], _version(match[0])) if match else None


def _version(address: str) -> int:
    """Tell the version of an image service; viewers read the truth from its info.json."""
    return 3 if "/iiif/3/" in address or "/full/max/" in address else 2


def _service_of(address: str, version: int) -> Json:
    if version == 3:
        return {"id": address, "type": "ImageService3", "profile": "level1"}
    level = "http://iiif.io/api/image/2/level1.json"
    return {"@id": address, "@type": "ImageService2", "profile": level}


def _size(shown: Shown) -> tuple[int, int] | None:
    """Return width and height of a picture where they are known."""
    if shown.size is not None:
        return shown.size
    file = file_of(shown.image)
    try:
        described = describe(file) if file is not None else None
    except ImageError:
        described = None
    return None if described is None else (described.width, described.height)


def _measured(shown: Shown) -> Json:
    size = _size(shown)
    return {} if size is None else {"width": size[0], "height": size[1]}


def _rights(label: Label) -> str | None:
    """Return the address of a license; the specification allows no other text here."""
    text = unquote(label.rights).strip()
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
