"""The JSON interface to duplicates: groups with their evidence, decisions as a table."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool

from artsim.duplicates import PAIR_COLUMNS, DuplicateKind, Group, KeptGroups, pair_rows
from artsim.errors import SearchError
from artsim.places import as_path
from artsim.report import Caption
from artsim.server import answers
from artsim.server.answers import answers_with
from artsim.server.messages import DecisionsIn, DuplicatesIn
from artsim.server.room import Room
from artsim.server.visits import InRoom, inside
from artsim.store import csv_text

duplicating = APIRouter(prefix="/api", tags=["duplicates"])

_SHOWN = 24  # works of a group
_OTHERS = 8  # shown of the duplicates of a work
_COLUMNS = (*PAIR_COLUMNS, "title", "other_title", "decision", "keep")


@duplicating.post("/{index}/duplicates", **answers_with(answers.DuplicateGroupsOut))
def duplicates(room: InRoom, wanted: DuplicatesIn) -> dict[str, Any]:
    """List groups of duplicates, the most certain kind first; look for them if nobody has."""
    progress = room.duplicates.look() if wanted.look else room.duplicates.progress()
    found: dict[str, Any] = asdict(progress) | {"rows": room.store.rows, "total": 0, "groups": []}
    found["reason"] = room.without_folders(progress.reason)
    known = room.duplicates.groups
    if known is None:
        return found
    numbers = known.numbers(wanted.kind)
    page = numbers[wanted.offset : wanted.offset + wanted.limit].tolist()
    counts = Counter(map(str, known.kinds))
    return found | {
        "total": len(numbers),
        "kinds": {str(kind): counts[kind] for kind in DuplicateKind if counts[kind]},
        "works": known.works,
        "groups": [_describe(room, number, known.group(number)) for number in page],
    }


@duplicating.post("/{index}/duplicates/csv", response_class=Response)
async def export(room: InRoom, wanted: DecisionsIn) -> Response:
    """Export every pair as 'artsim dupes --output' does, with what was decided, as CSV."""
    known = room.duplicates.groups
    if known is None:
        raise SearchError("nobody has looked for duplicates yet; open them on the page first")
    text = await run_in_threadpool(_export, room, known, wanted)
    return Response(
        text.encode("utf-8", "backslashreplace"),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="duplicates.csv"'},
    )


def other_pictures(room: Room, row: int) -> list[dict[str, Any]]:
    """Return the duplicates of a work, where they are known: id, caption, and kind of the group."""
    known = room.duplicates.groups
    number = None if known is None else known.with_work(row)
    if known is None or number is None:
        return []
    group = known.group(number)
    others = [other for other in group.works if other != row][:_OTHERS]
    return [
        {name: work[name] for name in ("id", "title", "artist", "date")} | {"kind": str(group.kind)}
        for work in room.describe_works(others)
    ]


def _describe(room: Room, number: int, group: Group) -> dict[str, Any]:
    shown = group.works[:_SHOWN]
    works = room.describe_works(shown)
    ids = {row: work["id"] for row, work in zip(shown, works, strict=True)}
    return {
        "number": number + 1,
        "kind": str(group.kind),
        "lowest": group.lowest,
        "highest": group.highest,
        "size": len(group.works),
        "works": works,
        "pairs": [
            {
                "first": ids[pair.first],
                "second": ids[pair.second],
                "kind": str(pair.kind),
                "bits": pair.bits,
                "score": pair.score,
                "transform": pair.transform,
            }
            for pair in group.pairs
            if pair.first in ids and pair.second in ids
        ],
    }


def _export(room: Room, known: KeptGroups, wanted: DecisionsIn) -> str:
    """Write a row for each pair; works that are decided about are named by their ids.

    The page shows decisions by the same rule: `decision` in `page/duplicates/decisions.js`.
    """
    groups = [known.group(number) for number in range(len(known))]
    rows = np.unique([row for group in groups for row in group.works]).astype(np.int64).tolist()
    root = as_path(room.store.manifest.root)
    works = room.works.known(rows)
    ends = {
        row: (room.name, id_, inside(image, root))
        for row, (id_, image, _) in zip(rows, works, strict=True)
    }
    titles = {id_: Caption.of(metadata).title for id_, _, metadata in works}
    keep, different = set(wanted.keep), set(wanted.different)
    kept = {
        number: next((ends[row][1] for row in group.works if ends[row][1] in keep), None)
        for number, group in enumerate(groups, 1)
    }

    def decided(row: dict[str, Any]) -> dict[str, Any]:
        pair = {row["id"], row["other_id"]}
        kept_one = None if pair & different else kept[row["group"]]
        decision = "not a duplicate" if pair & different else "duplicate" if kept_one else None
        named = {"title": titles[row["id"]], "other_title": titles[row["other_id"]]}
        return row | named | {"decision": decision, "keep": kept_one}

    table = (decided(row) for row in pair_rows(groups, ends))
    return room.without_folders(csv_text(_COLUMNS, (map(row.get, _COLUMNS) for row in table)))
