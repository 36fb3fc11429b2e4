"""What every request passes: its host and token, how much it sends and how long, safe headers."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Sequence
from hashlib import sha256
from urllib.parse import parse_qs

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from artsim.server.settings import Limits

_PORT = re.compile(r":\d*$")  # behind a host; an address of version 6 stands in brackets
_QUESTION_BYTES = 1 << 20  # of a request that is no upload

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Guard:
    """Wraps the application, within the limits of what a request may send.

    ``hosts`` are the names that the server may be called by (against DNS rebinding), any if empty.
    A visitor shows ``token`` as ``Authorization: Bearer``, or once as ``/?token=``.
    """

    def __init__(
        self, app: ASGIApp, *, limits: Limits, hosts: Sequence[str] = (), token: str | None = None
    ) -> None:
        self._app = app
        self._limits = limits
        self._hosts = {host.lower() for host in hosts}
        self._token = None if token is None else token.encode()
        self._digest = sha256(self._token or b"").hexdigest()
        # Cookies are of a host, whatever the port: those of its other servers stay.
        self._cookie = f"artsim-{self._digest[:8]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = _PORT.sub("", headers.get("host", "")).lower()
        if self._hosts and host not in self._hosts:
            await _refuse(421, f"this server is not called {host!r}")(scope, receive, send)
            return
        if self._token is not None:
            query = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
            if scope["path"] == "/" and query and _same(query[0].encode(), self._token):
                # The token leaves the address bar, and stays as a cookie that no script reads.
                answer = RedirectResponse("/", 303)
                answer.set_cookie(self._cookie, self._digest, httponly=True, samesite="strict")
                await answer(scope, receive, send)
                return
            if not self._is_shown(HTTPConnection(scope)):
                await _refuse(401, "open the address with its token: /?token=...")(
                    scope, receive, send
                )
                return
        if scope["method"] == "HEAD":  # answered as GET; the server leaves the body out
            scope = {**scope, "method": "GET"}
        body = _Body(receive, self._limits, scope["path"])
        await self._app(scope, body.receive, _with_headers(send))

    def _is_shown(self, request: HTTPConnection) -> bool:
        """Return whether a request carries the token, or the cookie that was given for it."""
        assert self._token is not None
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return _same(token.encode("latin-1"), self._token)  # as headers are read
        cookie = request.cookies.get(self._cookie, "")
        return _same(cookie.encode(), self._digest.encode())


class _Body:
    """Reads a request's body within its limits.

    Raises:
        HTTPException: If more is sent, or too slowly; the application answers with it.
    """

    def __init__(self, receive: Receive, limits: Limits, path: str) -> None:
        self._receive = receive
        self._seconds = limits.upload_seconds
        is_upload = path.endswith("/uploads")
        self._left = limits.upload_bytes if is_upload else _QUESTION_BYTES
        self._limit = self._left
        self._until: float | None = None
        self._done = False

    async def receive(self) -> Message:
        if self._done:  # now it waits for the visitor to leave, for as long as the answer takes
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._until = self._until or now + self._seconds
        try:
            message = await asyncio.wait_for(self._receive(), max(self._until - now, 0))
        except TimeoutError:
            raise HTTPException(
                408, f"the request was not complete after {self._seconds:g} s"
            ) from None
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise HTTPException(
                413, f"the request is larger than the limit of {self._limit:,} bytes"
            )
        self._done = not message.get("more_body", False)
        return message


def _same(shown: bytes, wanted: bytes) -> bool:
    return bool(wanted) and hmac.compare_digest(shown, wanted)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def _refuse(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status, headers=_HEADERS | {"connection": "close"})
