"""The JSON interface to concepts: learn from marks, rank, ask, save."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from numpy.typing import NDArray

from artsim.errors import SearchError
from artsim.prediction import (
    Concept,
    Marks,
    concept_columns,
    concept_names,
    concept_rows,
    delete_concept,
    load_concept,
    save_concept,
)
from artsim.report import set_page
from artsim.server import answers
from artsim.server.answers import answers_with
from artsim.server.collecting import works_of
from artsim.server.messages import UNNAMED, ConceptIn, MarksIn, Name, RankedIn, TeachIn
from artsim.server.room import Room
from artsim.server.visits import InRoom, MaySave
from artsim.store import csv_text

T = TypeVar("T")
Rows = NDArray[np.int64]

teaching = APIRouter(prefix="/api", tags=["teach"])


@teaching.post("/{index}/teach", **answers_with(answers.TaughtOut))
async def teach(room: InRoom, request: Request, wanted: TeachIn) -> dict[str, Any]:
    """Learn a concept from marks: the likeliest works, and those whose marks would help most."""
    most = request.app.state.limits.matches
    if wanted.k > most:
        raise SearchError(f"at most {most} works are possible, got k = {wanted.k}")
    return await _in_turn(request, _teach, room, wanted)


@teaching.post("/{index}/teach/{kind}", response_class=Response)
async def export(
    room: InRoom, request: Request, kind: Literal["csv", "html"], wanted: RankedIn
) -> Response:
    """Export the likeliest as CSV or a page, or all, as 'artsim teach --marks' reads them."""
    most = request.app.state.limits.matches
    if kind == "html" and (wanted.k is None or wanted.k > most):
        raise SearchError(f"a page has at most {most} works, got k = {wanted.k}")
    text = await _in_turn(request, _export, room, wanted, kind)
    return Response(
        text.encode("utf-8", "backslashreplace"),
        media_type=f"text/{kind}; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="concept.{kind}"'},
    )


@teaching.get("/{index}/concepts", **answers_with(list[answers.SavedConceptOut]))
def concepts(room: InRoom) -> list[dict[str, Any]]:
    """List the saved concepts with their marks, the newest first."""
    found = []
    for name in concept_names(room.store):
        head = load_concept(room.store, name)
        if head is not None and head.marks is not None:
            here = head.marks.without(_elsewhere(room, head.marks))
            marks = {"positive": here.of(True), "negative": here.of(False)}
            found.append({"name": name, **marks, "created": head.created})
    return found


@teaching.post("/{index}/concepts", dependencies=[MaySave], **answers_with(answers.LearnedOut))
async def save(room: InRoom, request: Request, wanted: ConceptIn) -> dict[str, Any]:
    """Save a concept as two columns of the index. Needs a server with a token."""
    saved = await _in_turn(request, _save, room, wanted)
    await run_in_threadpool(request.app.state.museum.saved, room)
    return saved


@teaching.delete("/{index}/concepts", dependencies=[MaySave], **answers_with(answers.DeletedOut))
async def delete(room: InRoom, request: Request, name: Name) -> dict[str, Any]:
    """Delete a concept and its columns. Needs a server with a token."""
    await run_in_threadpool(delete_concept, room.store.reopen(), name)
    await run_in_threadpool(request.app.state.museum.saved, room)
    return {"deleted": name}


async def _in_turn(request: Request, work: Callable[..., T], *args: Any) -> T:
    state = request.app.state
    async with asyncio.timeout(state.limits.answer_seconds), state.learning:
        return await run_in_threadpool(work, *args)


def _learn(room: Room, marks: MarksIn) -> Concept:
    return room.teacher.learn(room.teacher.mark(marks.positive, marks.negative))


def _teach(room: Room, wanted: TeachIn) -> dict[str, Any]:
    concept = _learn(room, wanted)
    rows = room.meeting(wanted)
    return {
        "rows": room.store.rows,
        "searched": len(concept.unmarked(rows)),
        "yes": int((concept.logits > 0).sum()),
        "matches": _describe(room, concept, concept.ranked(wanted.k, rows).tolist()),
        "ask": _describe(room, concept, room.teacher.ask(concept, wanted.ask, rows).tolist()),
    }


def _describe(room: Room, concept: Concept, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Describe works as the matches of a search are described."""
    plain: dict[str, Any] = {"percentile": None, "shares": {}, "box": None}
    scores = np.round(concept.scores[list(rows)], 6).tolist()
    return [
        work | {"rank": rank, "score": score} | plain
        for rank, (work, score) in enumerate(zip(room.describe_works(rows), scores, strict=True), 1)
    ]


def _export(room: Room, wanted: RankedIn, kind: str) -> str:
    concept, met = _learn(room, wanted), room.meeting(wanted)
    is_all = wanted.k is None and met is None
    chosen = None if is_all else _likeliest(room, concept, wanted, met)
    if kind == "html" and chosen is not None:
        page = _page(room, concept, wanted.name, chosen)
        return room.without_folders(page)
    rows = concept_rows(room.works, concept, chosen)
    columns = [name for name in concept_columns(room.works) if name != "image"]  # a path here
    return csv_text(columns, (map(row.get, columns) for row in rows))


def _page(room: Room, concept: Concept, name: str, chosen: Rows) -> str:
    works = works_of(room, chosen.tolist())
    marked = set(concept.marks.of(True))
    figures = [
        f"score {score:.3f}" + (", marked yes" if work.name in marked else "")
        for work, score in zip(works, concept.scores[chosen].tolist(), strict=True)
    ]
    yes, no = len(marked), len(concept.marks.of(False))
    about = (
        f"The works most likely to show {_shown(name)}, learned from works that were marked ({yes} "
        f"yes, {no} no). A score above 0.5 means yes. Only the marked works were checked by a "
        "person."
    )
    return set_page(name, works, index=room.name, about=about, figures=figures)


def _shown(name: str) -> str:
    return "this" if name == UNNAMED else f"“{name}”"


def _likeliest(room: Room, concept: Concept, wanted: RankedIn, met: Rows | None) -> Rows:
    k = wanted.k or room.store.rows
    rows = concept.ranked(k, met)
    if wanted.marked:
        places = room.works.places(concept.marks.of(True))
        known = places[places >= 0]
        rows = np.union1d(rows, known if met is None else np.intersect1d(known, met))
        rows = rows[np.lexsort((rows, -concept.logits[rows]))][:k]
    return rows


def _elsewhere(room: Room, marks: Marks) -> set[str]:
    """Return the ids of marks that are of another index, from where the concept was taken."""
    rows = room.works.places(marks.ids)
    return {id_ for id_, row in zip(marks.ids, rows, strict=True) if row < 0}


def _save(room: Room, wanted: ConceptIn) -> dict[str, Any]:
    teacher, before = room.teacher, load_concept(room.store, wanted.name)
    marks = teacher.mark(wanted.positive, wanted.negative)
    if wanted.replaces:
        kept = teacher.marks_of(before)
        marks = kept.without(set(kept.ids) - _elsewhere(room, kept)).updated(marks)
    evaluated = teacher.evaluate(marks)
    saved = save_concept(
        wanted.name, teacher, teacher.learn(marks), evaluated, replaces=wanted.replaces
    )
    return {**vars(saved), "held_out": evaluated and evaluated.to_json()}
