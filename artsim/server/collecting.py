"""The JSON interface to sets of works: export them, save them as columns."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from artsim.errors import ImageError, ResourcesError, SearchError
from artsim.labels import delete_set, read_sets, save_set
from artsim.places import as_path
from artsim.report import set_csv, set_manifest, set_page
from artsim.search import Query
from artsim.server import answers
from artsim.server.answers import answers_with
from artsim.server.messages import Name, SetIn
from artsim.server.room import Room
from artsim.server.visits import InRoom, MaySave, inside

collecting = APIRouter(prefix="/api", tags=["sets"])

_SIDE = 1024  # pixels of the longer side of a picture in a zip
_MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "iiif": "application/ld+json",
    "zip": "application/zip",
}
_UNSAFE = re.compile(r"[^\w.-]+", re.ASCII)


@collecting.get("/{index}/sets", **answers_with(list[answers.SavedSetOut]))
def sets(room: InRoom) -> list[dict[str, Any]]:
    """List the saved sets with the ids of their works."""
    return [{"name": name, "ids": ids} for name, ids in read_sets(room.store).items()]


@collecting.post("/{index}/sets", dependencies=[MaySave], **answers_with(answers.NewSetOut))
async def save(room: InRoom, request: Request, wanted: SetIn) -> dict[str, Any]:
    """Save a set as a column of the index: yes or no. Needs a server with a token."""
    await run_in_threadpool(_save, room, wanted)
    await run_in_threadpool(request.app.state.museum.saved, room)
    return {"name": wanted.name, "works": len(set(wanted.ids))}


@collecting.delete("/{index}/sets", dependencies=[MaySave], **answers_with(answers.DeletedOut))
async def delete(room: InRoom, request: Request, name: Name) -> dict[str, Any]:
    """Delete a set. Needs a server with a token."""
    await run_in_threadpool(delete_set, room.store.reopen(), name)
    await run_in_threadpool(request.app.state.museum.saved, room)
    return {"deleted": name}


@collecting.post("/{index}/sets/export/{kind}", response_class=Response)
async def export(
    room: InRoom, request: Request, kind: Literal["csv", "html", "iiif", "zip"], wanted: SetIn
) -> Response:
    """Export a set: a spreadsheet, a page, a IIIF manifest, or its pictures."""
    most = request.app.state.limits.matches
    if len(wanted.ids) > most:
        raise SearchError(f"at most {most} works can be exported, got {len(wanted.ids)}")
    data = await run_in_threadpool(_export, room, wanted, kind)
    ending = "json" if kind == "iiif" else kind
    name = _UNSAFE.sub("-", wanted.name).strip("-.") or "set"
    return Response(
        data,
        media_type=_MEDIA[kind],
        headers={"content-disposition": f'attachment; filename="{name}.{ending}"'},
    )


def works_of(room: Room, rows: Sequence[int]) -> list[Query]:
    """Return works as exports take them."""
    return [
        Query(name=id_, image=image, row=row, metadata=metadata)
        for row, (id_, image, metadata) in zip(rows, room.works.known(rows), strict=True)
    ]


def _save(room: Room, wanted: SetIn) -> None:
    save_set(room.store.reopen(), wanted.name, wanted.ids, replaces=wanted.replaces)


def _export(room: Room, wanted: SetIn, kind: str) -> bytes:
    works = works_of(room, [room.works.row(id_) for id_ in dict.fromkeys(wanted.ids)])
    root = as_path(room.store.manifest.root)
    if kind == "zip":
        return _zip(room, works, root)
    if kind == "csv":
        text = set_csv(_named_inside(works, root))
    elif kind == "html":
        text = set_page(wanted.name, works, index=room.name)
    else:
        text = json.dumps(set_manifest(wanted.name, works, index=room.name, root=root), indent=1)
    return room.without_folders(text).encode("utf-8", "backslashreplace")


def _zip(room: Room, works: Sequence[Query], root: Path) -> bytes:
    """Pack small copies of the pictures, and a table that says which is which."""
    out = io.BytesIO()
    files: list[str | None] = []
    with zipfile.ZipFile(out, "w") as archive:  # JPEGs are compressed already
        for place, work in enumerate(works, 1):
            name = f"{place:03}-{_UNSAFE.sub('-', work.name)[:80]}.jpg"
            try:
                data = room.thumbnails.get(work.name, _SIDE)
            except ResourcesError:
                raise
            except ImageError:  # it is on the web, or gone: its row has no file
                files.append(None)
                continue
            archive.writestr(name, data)
            files.append(name)
        table = set_csv(_named_inside(works, root), file=files)
        archive.writestr("works.csv", room.without_folders(table).encode("utf-8", "replace"))
    return out.getvalue()


def _named_inside(works: Sequence[Query], root: Path) -> list[Query]:
    return [replace(work, image=inside(work.image, root)) for work in works]
