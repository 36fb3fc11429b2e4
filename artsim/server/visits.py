"""What every part of the interface needs of a request: its index, and whether it may save."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from artsim.report import file_of
from artsim.server.room import Room


def room_of(request: Request, index: str) -> Room:
    """Return the index that the address names."""
    room: Room = request.app.state.museum.room(index)
    return room


def saves(request: Request) -> bool:
    """Return whether visitors may save: only those with a token, where the server has one."""
    return bool(request.app.state.saves)


def may_save(request: Request) -> None:
    """Refuse to save on a server without a token, where anybody could."""
    if not saves(request):
        raise HTTPException(
            403,
            "this server saves nothing, as it has no token; export instead, or start it "
            "with --token",
        )


def inside(image: str | None, root: Path) -> str | None:
    """Name a picture within its collection, without its folder."""
    file = file_of(image)
    if file is None:
        return image
    return str(file.relative_to(root) if root in file.parents else file.name)


InRoom = Annotated[Room, Depends(room_of)]
MaySave = Depends(may_save)
