"""What browsers and proxies may keep of answers: by a tag, which they ask with the next time."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request, Response
from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response as Answer
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import ASGIApp, Scope

from artsim.server.pages import PAGE, version

_FOR = "max-age=3600"  # an hour without asking
_ASKS = "no-cache"  # it is kept, and asked for whether it has changed
_FOREVER = "max-age=31536000, immutable"  # without asking
_LEAST = 500  # bytes that are compressed


def picture(request: Request, tag: str, make: Callable[[], bytes]) -> Response:
    """Answer with a JPEG, made only for those who do not have it yet.

    ``tag`` changes with the picture; without one it is sent each time. On a server with a token it
    is kept by browsers alone, not by a proxy that many share.
    """
    shared = "private, " if request.app.state.saves else ""
    headers = {"cache-control": f"{shared}{_FOR}"}
    if tag:
        headers["etag"] = f'"{tag}"'
        if headers["etag"] in _known(request):
            return NotModifiedResponse(Headers(headers))
    return Response(make(), media_type="image/jpeg", headers=headers)


def page_files() -> ASGIApp:
    """Return what serves the files of the page: compressed, and sent once."""
    return GZipMiddleware(_Files(directory=PAGE), minimum_size=_LEAST)


class _Files(StaticFiles):
    """A page never mixes modules of two versions: those of the present one have it in their path.

    They are kept without asking; of any other version there are none.
    """

    async def get_response(self, path: str, scope: Scope) -> Answer:
        kept = path.removeprefix(f"{version()}/")
        found = await super().get_response(kept, scope)
        found.headers["cache-control"] = _FOREVER if kept != path else _ASKS
        return found


def _known(request: Request) -> list[str]:
    """Return the tags of what the visitor has."""
    tags = request.headers.get("if-none-match", "").split(",")
    return [tag.strip().removeprefix("W/") for tag in tags]
