"""Which files of a folder are IIIF manifests, in the order of the collections that list them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from artsim.errors import ReaderError
from artsim.readers.record_files import load_json
from artsim.readers.walking import files_below

Json = Mapping[str, Any]

_PEEKED = 1 << 16  # bytes of a file that are searched for the address of the standard
_STANDARD = re.compile(
    rb"iiif\.io/api/presentation|shared-canvas\.org/ns/context|\"@?type\"\s*:\s*\"(sc:)?Manifest\""
)
_LISTED = 5  # notes of files that cannot be read


def looks_right(file: Path) -> bool:
    """Return whether a file begins like a manifest or collection."""
    with file.open("rb") as start:
        return _STANDARD.search(start.read(_PEEKED)) is not None


def find_manifests(path: Path) -> tuple[list[Path], list[str]]:
    """Find the files of the manifests, in the order of the collection where there is one.

    Returns:
        The files, and a note for each that cannot be read, or that a collection lists in vain.

    Raises:
        ReaderError: If there is none.
    """
    if path.is_file() and kind_of(load_manifest(path)) == "Manifest":
        return [path], []
    manifests: dict[str, Path] = {}
    collections: dict[str, list[str]] = {}  # the ids that each lists
    wanted: list[str] = []
    faults: list[str] = []
    for file, resource in _resources(path if path.is_dir() else path.parent, faults):
        kind, id_ = kind_of(resource), _same(id_of(resource))
        if kind == "Manifest":
            manifests[id_ if id_ and id_ not in manifests else str(file)] = file
        elif kind == "Collection":
            collections[id_] = _listed(resource)
            if file == path or path.is_dir():
                wanted.append(id_)
    listed = _unfold(wanted, collections)
    if path.is_dir():
        listed |= {id_: id_ for id_ in manifests if id_ not in listed}
    notes = _notes(faults)
    missing = [name for id_, name in listed.items() if id_ not in manifests]
    if missing:
        notes.append(
            f"{path} lists {len(missing)} manifests or collections that are not among the files "
            f"there, first {missing[0]}; save them beside it"
        )
    found = [manifests[id_] for id_ in listed if id_ in manifests]
    if not found and notes:
        raise ReaderError(notes[0])
    if not found:
        raise ReaderError(f"no IIIF manifest in {path}; expected .json files of version 2 or 3")
    return found, notes


def load_manifest(file: Path) -> Json:
    """Read a manifest or collection.

    Raises:
        ReaderError: If it is not JSON, or not an object.
    """
    resource = load_json(file)
    if not isinstance(resource, dict):
        raise ReaderError(f"{file} is not an IIIF manifest; expected a JSON object")
    return resource


def id_of(resource: Json) -> str:
    """Return the id, which version 2 writes @id."""
    return str(resource.get("id") or resource.get("@id") or "")


def kind_of(resource: Json) -> str:
    """Return Manifest, Canvas and so on; version 2 writes sc:Manifest."""
    kind = resource.get("type") or resource.get("@type") or ""
    if isinstance(kind, list):
        kind = next(iter(kind), "")
    return re.sub(r".*(:|dcmitype/)", "", str(kind))


def objects(value: object) -> list[Json]:
    """List the objects in what may be one, several or none."""
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, dict)]


def _notes(faults: list[str]) -> list[str]:
    notes = [f"a manifest is left out: {fault}" for fault in faults[:_LISTED]]
    if more := len(faults) - len(notes):
        notes.append(f"manifests that cannot be read and are left out, besides: {more:,}")
    return notes


def _resources(folder: Path, faults: list[str]) -> Iterator[tuple[Path, Json]]:
    for file in files_below(folder, "**/*.json"):
        try:
            if looks_right(file):
                yield file, load_manifest(file)
            elif not _is_json(file):
                faults.append(f"{file} is not JSON; save it again")
        except ReaderError as error:
            faults.append(str(error))
        except OSError as error:
            faults.append(f"{file} cannot be read: {error.strerror}; check its permissions")


def _is_json(file: Path) -> bool:
    """Return whether a file begins like JSON; info.json of images may lie beside manifests."""
    with file.open("rb") as start:
        return start.read(_PEEKED).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def _same(id_: str) -> str:
    """Reduce an id to what http and https, with and without a slash at its end, have in common."""
    return re.sub(r"^https?://", "", id_).rstrip("/")


def _unfold(ids: list[str], collections: Mapping[str, list[str]]) -> dict[str, str]:
    """Replace collections by what they list, to any depth; each is unfolded once.

    Returns:
        The ids as written, by what `_same` makes of them.
    """
    seen: dict[str, str] = {}
    ahead = ids[::-1]
    while ahead:
        name = ahead.pop()
        if _same(name) not in seen:
            ahead += reversed(collections.get(_same(name), ()))
            seen[_same(name)] = name
    return {id_: name for id_, name in seen.items() if id_ not in collections}


def _listed(collection: Json) -> list[str]:
    """List the ids of the manifests and collections in a collection, in order."""
    ids = []
    for part in ("items", "members", "collections", "manifests"):
        for member in objects(collection.get(part)):
            ids += _listed(member) or [id_of(member)]
        ids += [member for member in collection.get(part) or () if isinstance(member, str)]
    return ids
