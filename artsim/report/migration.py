"""The works whose neighbors change most with another model: a sheet and a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from artsim import __version__
from artsim.report.captions import Caption
from artsim.report.pages import render
from artsim.report.sheet import Tile, contact_sheet
from artsim.report.thumbnails import thumbnail

_SIDE = 150  # pixels of the longer side of a picture on the page


@dataclass(frozen=True)
class ShownWork:
    """A work as it is shown."""

    id: str
    image: str | None  # a file, or None
    caption: Caption
    stays: bool = False  # it is a neighbor by both models


@dataclass(frozen=True)
class ChangedWork:
    """A work and its nearest by the old and by the new model."""

    work: ShownWork
    shared: int  # neighbors that stay
    k: int
    old: Sequence[ShownWork]
    new: Sequence[ShownWork]


def changes_sheet(changed: Sequence[ChangedWork]) -> Image.Image:
    """Draw two rows for each work: its nearest by the old model, below them those by the new."""
    tiles = [
        tile
        for each in changed
        for model, works in (("old", each.old), ("new", each.new))
        for tile in (
            _tile(each.work, f"{model} model", f"{each.shared} of {each.k} stay"),
            *(_tile(work, *(["stays"] if work.stays else [])) for work in works),
        )
    ]
    longest = max((len(each.old) for each in changed), default=0)
    return contact_sheet(None, tiles, columns=1 + longest)


def changes_page(
    changed: Sequence[ChangedWork], *, index: str, models: tuple[str, str], facts: Sequence[str]
) -> str:
    """Write the page: one HTML file with small copies of the pictures."""
    shown: list[dict[str, Any]] = [
        {
            "work": _shown(each.work),
            "shared": each.shared,
            "k": each.k,
            "rows": [
                (name, [_shown(work) for work in works])
                for name, works in (("Old model", each.old), ("New model", each.new))
            ],
        }
        for each in changed
    ]
    return render(
        "migration.html",
        changed=shown,
        index=index,
        models=models,
        facts=facts,
        version=__version__,
    )


def _tile(work: ShownWork, *lines: str) -> Tile:
    return Tile(None if work.image is None else Path(work.image), (_name(work), *lines))


def _name(work: ShownWork) -> str:
    return work.caption.title or work.id


def _shown(work: ShownWork) -> dict[str, Any]:
    return {
        "name": _name(work),
        "caption": work.caption,
        "stays": work.stays,
        "thumbnail": None if work.image is None else thumbnail(Path(work.image), _SIDE),
    }
