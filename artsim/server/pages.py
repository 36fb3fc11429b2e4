"""The page, and what is answered where there is none: both in HTML, with a way on."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse

if TYPE_CHECKING:
    from jinja2 import Environment

    from artsim.server.museum import Museum

PAGE = Path(__file__).parent / "page"
OPEN = ("/page/style.css", "/page/icon.svg")  # of the page that is shown without a token

# A work among the terms of an address, as `page/visit/state.js` writes them.
_OF_WORK = re.compile(r"-?\d*\.?\d+(?:@[\d.,]+)?:id:(.*)", re.DOTALL)


def front_page(request: Request) -> HTMLResponse:
    """Return the page; without a collection or a work that its address names, a page says so."""
    museum: Museum = request.app.state.museum
    named = request.query_params.get("index")
    if named is not None and named not in museum.rooms:
        return missing_page(request, f"There is no collection “{named}” here.")
    room = museum.rooms[named] if named is not None else next(iter(museum.rooms.values()))
    for term in request.query_params.getlist("q"):
        found = _OF_WORK.fullmatch(term)
        if found and not room.works.has(found[1]):
            reason = f"There is no work “{found[1]}” in the collection “{room.name}”."
            return missing_page(request, reason, room.name)
    files = f"{_base(request)}/page/{version()}"
    # All modules are named, so that they are loaded at once, not each when another imports it.
    modules = sorted(each.relative_to(PAGE).as_posix() for each in PAGE.rglob("*.js"))
    return _page(
        "index.html",
        200,
        base=_base(request),
        files=files,
        title=_title(request),
        modules=modules,
    )


@cache
def version() -> str:
    """Return what changes with any file of the page; those under it in a path never change."""
    found = hashlib.sha256()
    for file in sorted(each for each in PAGE.rglob("*") if each.is_file()):
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def missing_page(request: Request, reason: str, index: str | None = None) -> HTMLResponse:
    """Return a page with the status 404 that leads to the collections, or to one of them."""
    museum: Museum = request.app.state.museum
    names = [index] if index is not None else list(museum.rooms)
    links = [(name, f"{_base(request)}/?index={quote(name, safe='')}") for name in names]
    return _page(
        "missing.html",
        404,
        base=_base(request),
        title=_title(request),
        reason=reason,
        links=links,
    )


def locked_page(base: str) -> HTMLResponse:
    """Return a page with the status 401 for visitors without a token."""
    return _page("locked.html", 401, base=base)


def _base(request: Request) -> str:
    """Return the path of the page without its slash: empty, but under a proxy's prefix."""
    base: str = request.scope.get("root_path", "")
    return base


def _title(request: Request) -> str:
    """Return the title of the server: the one given, else the name of its only index."""
    museum: Museum = request.app.state.museum
    title: str | None = request.app.state.title
    return title or (next(iter(museum.rooms)) if len(museum.rooms) == 1 else "artsim")


def _page(name: str, status: int, **data: object) -> HTMLResponse:
    text = _templates().get_template(name).render(**data)
    page = text.encode("utf-8", "replace")  # an address can hold what UTF-8 cannot
    return HTMLResponse(page, status, headers={"cache-control": "no-cache"})


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader

    return Environment(loader=FileSystemLoader(PAGE), autoescape=True)
