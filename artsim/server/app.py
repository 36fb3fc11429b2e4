"""The web application: one page, and the JSON interface behind it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from artsim import __version__
from artsim.datatypes import finite
from artsim.errors import (
    ArtsimError,
    ResourcesError,
    SearchError,
    ShortageError,
    StoreError,
    UnknownWorkError,
    shortage_of,
)
from artsim.server.caching import page_files
from artsim.server.collecting import collecting
from artsim.server.duplicating import duplicating
from artsim.server.guard import Guard, Limits
from artsim.server.iiif import iiif
from artsim.server.messages import Refused
from artsim.server.monitoring import add_metrics
from artsim.server.museum import Museum
from artsim.server.pages import front_page, missing_page
from artsim.server.pictures import Uploads, collection_decoders
from artsim.server.routes import api
from artsim.server.teaching import teaching

_log = logging.getLogger(__name__)

_REFUSED = {
    400: "What is asked cannot be answered",
    401: "The token is missing or wrong",
    403: "The request comes from the page of another website",
    404: "There is no such index or work",
    422: "A field has a wrong name, type or value",
    429: "More questions a second than allowed; the header retry-after has the seconds to wait",
    503: "There is not enough time or memory at the moment; try again",
}
_RETRY = {"retry-after": "10"}  # seconds
_LEARNING = 2  # concepts that are learned at a time: each takes a core for a moment
_LOOK_SECONDS = 1.0  # between checks for changed indexes
_FETCH_SECONDS = 30.0  # between those for what changed in object stores


def make_app(
    museum: Museum,
    *,
    limits: Limits | None = None,
    hosts: Sequence[str] = (),
    tokens: Sequence[str] = (),
    title: str | None = None,
    metrics: bool = False,
    paths: bool = False,
    prefix: str = "",
) -> ASGIApp:
    """Make the ASGI application that answers for the indexes of a museum.

    ``limits`` apply to each visitor; for ``hosts``, ``tokens`` and ``prefix`` see `Guard`. Only
    with a token can visitors save concepts and sets. ``title`` is shown on the page; for
    ``metrics`` see `add_metrics`. With ``paths`` the commands that the page gives name the folder
    of an index: where all visitors are on this machine.
    """
    limits = limits or Limits()
    uploads, decoders = Uploads(limits), collection_decoders(limits)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watches = [
            asyncio.create_task(_watch(museum.refresh, _LOOK_SECONDS)),
            asyncio.create_task(_watch(museum.update, _FETCH_SECONDS)),
        ]
        with decoders.in_use(everywhere=True):
            yield
        for watch in watches:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
        await run_in_threadpool(museum.close)
        decoders.close()
        uploads.close()

    app = FastAPI(
        title="artsim",
        version=__version__,
        description="Search museum pictures by visual similarity.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # its scripts are on another host
        redoc_url=None,
        default_response_class=_Json,
        responses={code: {"model": Refused, "description": why} for code, why in _REFUSED.items()},
        generate_unique_id_function=_operation,
        dependencies=[Depends(HTTPBearer(auto_error=False))] if tokens else None,
        lifespan=lifespan,
    )
    app.state.museum, app.state.limits, app.state.uploads = museum, limits, uploads
    app.state.saves = bool(tokens)
    app.state.learning = asyncio.Semaphore(_LEARNING)
    app.state.title, app.state.paths = title, paths
    app.add_exception_handler(ArtsimError, _refuse)
    app.add_exception_handler(TimeoutError, _give_up)
    for kind in (MemoryError, OSError, RuntimeError):
        app.add_exception_handler(kind, _put_off)
    app.add_exception_handler(ClientDisconnect, _forget)
    app.add_exception_handler(HTTPException, _say)
    app.add_exception_handler(RequestValidationError, _correct)
    for router in (api, teaching, collecting, duplicating, iiif):
        app.include_router(router)
    app.add_api_route("/", front_page, include_in_schema=False)
    if metrics:
        add_metrics(app)
    app.mount("/page", page_files(), name="page")
    guard = Guard(
        app,
        limits=limits,
        hosts=hosts,
        tokens=tokens,
        prefix=prefix,
        is_ready=lambda: museum.is_warm,
    )
    if not limits.origins:
        return guard
    return CORSMiddleware(
        guard,
        allow_origins=limits.origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["authorization", "content-type"],
        expose_headers=["content-disposition", "etag", "retry-after"],
    )


def _operation(route: APIRoute) -> str:
    """Name what a route does in the description of the interface: search_browse."""
    return "_".join([*map(str, route.tags), route.name])


async def _watch(look: Callable[[], object], seconds: float) -> None:
    """Look for indexes that were embedded again, every so many seconds."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await run_in_threadpool(look)
        except Exception:
            _log.exception("cannot look for new indexes; this is tried again")


class _Json(JSONResponse):
    """JSON in ASCII, without NaN and infinity."""

    def render(self, content: Any) -> bytes:
        return json.dumps(finite(content), allow_nan=False, separators=(",", ":")).encode()


def _refuse(request: Request, error: Exception) -> Response:
    """Report an error in one line that shows no folder of an index."""
    message = str(error)
    for room in request.app.state.museum.rooms.values():
        message = room.without_folders(message)
    if isinstance(error, ResourcesError | ShortageError):
        return _Json({"error": message}, 503, _RETRY)
    path = request.url.path.removeprefix(request.scope["root_path"])
    wrong = type(error) is SearchError and path.startswith("/iiif/")
    unknown = isinstance(error, StoreError | UnknownWorkError)
    missing = unknown or (request.method == "GET" and not wrong)
    return _Json({"error": message}, 404 if missing else 400)


def _put_off(_: Request, error: Exception) -> Response:
    """Report a shortage, which may pass; any other such error is a bug."""
    short = shortage_of(error)
    if not short:
        raise error
    return _Json({"error": f"not enough {short} at the moment; try again"}, 503, _RETRY)


def _forget(_: Request, __: Exception) -> Response:
    """Answer a visitor who left before the request was whole, and will not see it."""
    return _Json({"error": "the request is not whole"}, 400)


def _say(request: Request, error: Exception) -> Response:
    """Report an error of HTTP; a person who follows a broken link gets a page."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404 and "text/html" in request.headers.get("accept", ""):
        return missing_page(request, "There is no page at this address.")
    return _Json({"error": error.detail}, error.status_code)


def _correct(_: Request, error: Exception) -> Response:
    """Report the first fault of a message: its place, and what was expected."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return _Json({"error": f"{where}: {first['msg']}" if where else first["msg"]}, 422)


def _give_up(request: Request, _: Exception) -> Response:
    seconds = request.app.state.limits.answer_seconds
    return _Json({"error": f"no answer within {seconds:g} s; try again"}, 503)
