"""The JSON interface: search, works and their pictures, facets, map, exports."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from dataclasses import asdict, replace
from shlex import quote
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from artsim.errors import FetchError, ImageError, SearchError
from artsim.fetch import FetchSettings, fetch_picture_async
from artsim.places import as_path
from artsim.report import (
    Caption,
    cite,
    data_url,
    is_whole,
    manifest,
    matches_csv,
    matches_page,
    overlay,
    small_copy,
)
from artsim.search import SearchAnswer, Term, among
from artsim.server import answers, caching
from artsim.server.answers import answers_with
from artsim.server.duplicating import other_pictures
from artsim.server.facets import count_values, find_values
from artsim.server.guard import Limits
from artsim.server.messages import BrowseIn, FacetsIn, MapIn, SearchIn, TermIn, ValuesIn, WhyIn
from artsim.server.museum import Museum
from artsim.server.pictures import Uploads, hidden_reasons
from artsim.server.room import Room, describe_work
from artsim.server.verifying import MOST
from artsim.server.visits import InRoom, inside, saves

api = APIRouter(prefix="/api", tags=["search"])

_WHY_SIDE = 480  # pixels of the longer side


class _Visit:
    """A visitor's request to an index."""

    def __init__(self, request: Request, room: InRoom) -> None:
        self.room = room
        self._limits: Limits = request.app.state.limits
        self._uploads: Uploads = request.app.state.uploads
        self._museum: Museum = request.app.state.museum

    async def search(self, query: SearchIn, only: str | None = None) -> SearchAnswer:
        """Search the index within the limits, or compare with a single work by its id."""
        limits = self._limits
        first = query.offset or 0
        if first + query.k > limits.matches:
            asked = f"k = {query.k}" if query.offset is None else f"offset + k = {first + query.k}"
            raise SearchError(f"at most {limits.matches} matches are possible, got {asked}")
        if len(query.terms) > limits.terms:
            raise SearchError(f"a query has at most {limits.terms} terms, got {len(query.terms)}")
        async with asyncio.timeout(limits.answer_seconds):
            terms = tuple([await self._term(each, query) for each in query.terms])
            crops = [each.id for each in query.terms if each.id is not None and each.crop]
            with hidden_reasons(crops[0]) if crops else nullcontext():
                conditions = await run_in_threadpool(self.room.conditions, query)
                if only is not None:
                    conditions += (among(np.array([self.room.works.row(only)])),)
                request = query.as_request(terms, conditions)
                if query.offset is None or only is not None:
                    return await asyncio.wrap_future(self.room.batcher.search(request))
                request = replace(request, k=limits.matches)
                whole = await asyncio.wrap_future(self.room.batcher.search(request))
                return replace(whole, matches=whole.matches[first : first + query.k])

    async def _term(self, term: TermIn, query: SearchIn) -> Term:
        """Read a term; a visitor's picture is decoded for all indexes that it is compared in."""
        found = term.as_term(await self.data(term))
        if found.data is not None:
            rooms = self._museum.rooms
            named = [rooms.get(each.name.partition(":")[0], self.room) for each in query.by]
            try:
                for room in dict.fromkeys([self.room, *named]):
                    await self._uploads.prepare(found.data, found.box, room.encoder)
            except ImageError as error:
                raise type(error)(f"{found.label!r}: {error}") from error
        return found

    async def data(self, term: TermIn) -> bytes | None:
        """Return an uploaded picture, or download it from the web."""
        if term.upload is not None:
            return self._uploads.get(term.upload)
        if term.url is None:
            return None
        limits = self._limits
        if not limits.fetch:
            raise SearchError("this server does not fetch pictures from the web; upload the file")
        settings = FetchSettings(max_bytes=limits.upload_bytes, retries=0, check=False)
        try:
            return await fetch_picture_async(term.url, settings)
        except FetchError as error:
            reason, refused, _ = str(error).partition("(refused)")
            if not refused:
                raise
            # Visitors do not learn the addresses of this network.
            raise FetchError(
                f"{reason}{refused}: give a public http or https address of a picture"
            ) from error


Visit = Annotated[_Visit, Depends(_Visit)]


@api.get("/indexes", **answers_with(list[answers.IndexOut]))
def indexes(request: Request) -> list[dict[str, Any]]:
    """List the indexes and what each can do."""
    state = request.app.state
    more = {"urls": state.limits.fetch, "saves": saves(request)}
    found = []
    for room in state.museum.rooms.values():
        path, source = str(room.store), room.store.manifest.source
        names = (quote(path), quote(source)) if state.paths else (quote(room.name), "COLLECTION")
        found.append(room.describe() | more | dict(zip(("path", "collection"), names, strict=True)))
    return found


@api.post("/{index}/search", **answers_with(answers.FoundOut))
async def search(visit: Visit, query: SearchIn) -> dict[str, Any]:
    """Find works by pictures, works and text."""
    return _describe_answer(visit.room, await visit.search(query))


@api.post("/{index}/verify", **answers_with(answers.VerifiedOut))
async def verify(visit: Visit, query: SearchIn) -> dict[str, Any]:
    """Rank matches for details by where their parts lie: begun by the first request.

    Ask again until it is ready, as a search that nobody asks for is given up.
    """
    verifier = visit.room.verifier
    if query.k > MOST or not query.details or not verifier.is_possible:
        raise SearchError(
            f"at most {MOST} matches are checked, for details and in an index with tiles"
        )
    key = query.model_dump_json()
    found = verifier.find(key)
    if found is None:
        answer = await visit.search(query)
        found = verifier.start(key, answer, [await visit.data(each) for each in query.terms])
    is_ready = found.state == "ready"
    return {
        "state": found.state,
        "done": found.done,
        "works": found.works,
        "reason": visit.room.without_folders(found.reason),
        "answer": _describe_answer(visit.room, found.answer) if is_ready else None,
    }


@api.post("/{index}/browse", **answers_with(answers.BrowsedOut))
def browse(room: InRoom, wanted: BrowseIn) -> dict[str, Any]:
    """List works that meet conditions."""
    return room.browse(wanted)


@api.post("/{index}/facets", **answers_with(list[answers.FacetOut]))
def facets(room: InRoom, wanted: FacetsIn) -> list[dict[str, Any]]:
    """Count the values of columns under conditions."""
    return count_values(room.works, room.conditions(wanted))


@api.post("/{index}/values", **answers_with(list[answers.ValueOut]))
def values(room: InRoom, wanted: ValuesIn) -> list[dict[str, Any]]:
    """Find values of a column by a part of their text, also rare ones."""
    return find_values(room.works, room.conditions(wanted), wanted.column, wanted.containing)


@api.get("/{index}/suggestions")
def suggestions(room: InRoom, text: Annotated[str, Query(max_length=200)]) -> list[str]:
    """Suggest words to search with: subjects of pictures, names and titles that contain a text."""
    return room.suggest(text)


@api.get("/{index}/work", **answers_with(answers.WholeWorkOut))
def work(room: InRoom, id: str) -> dict[str, Any]:
    """Return the metadata of a work, its caption, and its duplicates where they are known."""
    row = room.works.row(id)
    (found,) = room.describe_works([row])
    caption = asdict(Caption.of(found["metadata"]))
    added = room.store.added.items()
    more = {
        "captioned": Caption.columns(found["metadata"]),
        "others": other_pictures(room, row),
        "file": room.file(row),
        "predicted": [name for name, column in added if column.is_prediction],
    }
    return found | caption | more


@api.get("/{index}/picture", response_class=Response)
def picture(
    request: Request, room: InRoom, id: str, side: Literal["320", "1024"] = "320"
) -> Response:
    """Return a small copy of a work's picture, a JPEG."""
    content = room.works.content(room.works.row(id))
    tag = content and f"{content}-{side}"
    return caching.picture(request, tag, lambda: room.thumbnails.get(id, int(side)))


_PICTURE = {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}


@api.post(
    "/{index}/uploads",
    openapi_extra={"requestBody": _PICTURE | {"required": True}},
    **answers_with(answers.UploadedOut),
)
async def upload(room: InRoom, request: Request) -> dict[str, Any]:
    """Keep an uploaded picture for queries. The body is the file."""
    if not request.headers.get("content-type", "").startswith("image/"):
        raise ImageError("send the picture's file as the body, with the content type image/*")
    key, width, height = await request.app.state.uploads.receive(request.body, room.encoder)
    return {"upload": key, "width": width, "height": height}


@api.post("/{index}/why", **answers_with(answers.WhyOut))
async def why(visit: Visit, query: WhyIn) -> dict[str, Any]:
    """Show which regions make a work similar to a query, as a heat map over the pictures."""
    answer = await visit.search(query, query.match)
    parts = await run_in_threadpool(_explain, visit.room, answer, query.match)
    (match,) = answer.matches
    found = {"score": round(match.score, 6), "percentile": match.percentile}
    return {"parts": parts, "shares": match.shares, **found}


@api.post("/{index}/map", **answers_with(answers.MapOut))
def map_(room: InRoom, wanted: MapIn) -> dict[str, Any]:
    """Return the map of an index."""
    return room.map(wanted)


@api.get("/{index}/groups", **answers_with(list[answers.GroupOut]))
def groups(room: InRoom) -> list[dict[str, Any]]:
    """Return groups of neighbors on the map, named by what is more frequent in them."""
    return room.groups()


@api.post("/{index}/export/{kind}", response_class=Response)
async def export(visit: Visit, kind: Literal["csv", "html", "iiif"], query: SearchIn) -> Response:
    """Export an answer: a spreadsheet, a page to cite, or an IIIF manifest."""
    answer = await visit.search(query)
    command = f"POST /api/{visit.room.name}/search {query.model_dump_json(exclude_defaults=True)}"
    return await run_in_threadpool(_export, visit.room, answer, kind, command)


def _describe_answer(room: Room, answer: SearchAnswer) -> dict[str, Any]:
    sizes = room.sizes([room.works.row(match.id) for match in answer.matches])
    return {
        "name": answer.name,
        "by": answer.by,
        "rows": room.store.rows,
        "searched": answer.searched,
        "left_out": answer.left_out,
        "missing": answer.missing,
        "unknown": answer.unknown,
        "nothing": answer.nothing,
        "relations": [asdict(each) for each in answer.relations],
        "queries": [
            {
                "name": query.name,
                "work": query.row is not None,
                "weight": query.weight,
                "crop": str(query.box) if query.box else None,
                **describe_work(query.metadata),
            }
            for query in answer.queries
        ],
        "matches": [
            {
                "rank": match.rank,
                "id": match.id,
                "score": round(match.score, 6),
                "percentile": match.percentile,
                "shares": match.shares,
                "box": str(match.box) if match.box else None,
                "evidence": match.evidence and round(match.evidence, 2),
                **size,
                **describe_work(match.metadata),
            }
            for match, size in zip(answer.matches, sizes, strict=True)
        ],
    }


def _explain(room: Room, answer: SearchAnswer, id_: str) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "whole": is_whole(each.box),
            "image": data_url(
                overlay(small_copy(each.image, _WHY_SIDE), each.contributions, each.box),
                quality=85,
            ),
        }
        for each in room.explain(answer, id_)
    ]


def _export(room: Room, answer: SearchAnswer, kind: str, command: str) -> Response:
    cited = cite(room.searcher, answer, command=command, index=room.name)
    root = as_path(room.store.manifest.root)
    if kind == "csv":
        matches = [replace(match, image=inside(match.image, root)) for match in answer.matches]
        text, media = matches_csv(matches), "text/csv; charset=utf-8"
    elif kind == "html":
        text, media = matches_page(cited), "text/html; charset=utf-8"
    else:
        text, media = json.dumps(manifest(cited, root=root), indent=1), "application/ld+json"
    ending = "json" if kind == "iiif" else kind
    return Response(
        room.without_folders(text).encode("utf-8", "backslashreplace"),
        media_type=media,
        headers={"content-disposition": f'attachment; filename="artsim.{ending}"'},
    )
