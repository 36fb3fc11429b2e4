"""What every request must pass: its host and token, its size and duration; safe headers."""

from __future__ import annotations

import hmac
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from artsim.server.bodies import ComingBodies
from artsim.server.pace import Pace
from artsim.server.pages import OPEN, locked_page

_QUERY_BYTES = 1 << 20  # of a request that is not an upload
_PORT = re.compile(r":\d*$")  # after a host; an IPv6 address is in brackets

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
_SHARED = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits for visitors."""

    upload_bytes: int = 20 << 20
    upload_pixels: int = 100_000_000
    upload_seconds: float = 30.0  # to send a picture
    answer_seconds: float = 30.0  # to wait for an answer
    decode_bytes: int = 1536 << 20  # of memory, for all visitors' pictures together
    decode_seconds: float = 20.0  # for one
    coming_bytes: int = 256 << 20  # of requests that are not whole yet, all together
    uploads: int = 64  # that are whole and wait to be decoded; of large pictures a quarter
    kept_bytes: int = 256 << 20  # of uploads, the newest; older ones must be sent again
    matches: int = 500
    terms: int = 16
    header_seconds: float = 10.0  # to send the header of a request
    idle_seconds: float = 30.0  # between two requests, and to read an answer
    connections: int = 512  # of all visitors; the one that waits longest makes room for a new one
    fetch: bool = False  # pictures by their web address, public ones only
    iiif: bool = False  # other websites may read the pictures of works
    origins: tuple[str, ...] = ()  # other websites whose pages may ask as the server's own do
    rate: float = 0.0  # questions a second of a visitor, see `Pace`; 0: any


class Guard:
    """Wraps the application and limits what a request may send.

    ``prefix`` is the path under which a proxy shows the application, such as ``/search``; it may
    take it from the addresses or not. ``hosts`` are the names that the server answers to (against
    DNS rebinding), any if empty. A visitor sends one of the ``tokens``, if there are any, as
    ``Authorization: Bearer``, or once as ``/?token=``. ``/health`` says to anybody that
    the server runs, and ``/ready`` whether ``is_ready``.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: Limits,
        hosts: Sequence[str] = (),
        tokens: Sequence[str] = (),
        prefix: str = "",
        is_ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._app = app
        self._limits = limits
        self._is_ready = is_ready
        self._prefix = prefix
        self._pace = Pace(limits.rate)
        self._hosts = {host.lower() for host in hosts}
        self._digests = {token.encode(): sha256(token.encode()).hexdigest() for token in tokens}
        self._coming = ComingBodies(
            query_bytes=_QUERY_BYTES,
            upload_bytes=limits.upload_bytes,
            all_bytes=limits.coming_bytes,
            seconds=limits.upload_seconds,
        )
        # A host shares its cookies among all ports, so the name is this server's alone.
        self._cookie = f"artsim-{next(iter(self._digests.values()), '')[:8]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        path = _within(self._prefix, scope["path"])
        scope = {**scope, "root_path": self._prefix, "path": self._prefix + path}
        if path in ("/health", "/ready"):  # they ask by an address, and without a token
            ready = path == "/health" or self._is_ready()
            said = JSONResponse({"status": "ok" if ready else "starting"}, 200 if ready else 503)
            return await said(scope, receive, send)
        host = _PORT.sub("", headers.get("host", "")).lower()
        if self._hosts and host not in self._hosts:
            return await _refuse(421, f"this server is not called {host!r}")(scope, receive, send)
        if scope["method"] not in ("GET", "HEAD", "OPTIONS") and not self._may_ask(headers):
            reason = "this request comes from the page of another website; open this server's own"
            return await _refuse(403, reason)(scope, receive, send)
        visitor: object = (scope.get("client") or ("",))[0]
        if self._digests and path not in OPEN:
            query = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
            token = self._known(query[0].encode()) if query else None
            if path == "/" and token is not None:
                # The token leaves the address bar and becomes a cookie that no script can read.
                answer = RedirectResponse(f"{self._prefix}/", 303)
                digest = self._digests[token]
                answer.set_cookie(self._cookie, digest, httponly=True, samesite="strict")
                return await answer(scope, receive, send)
            visitor = self._shown(HTTPConnection(scope))
            if visitor is None:
                return await self._locked(path, headers)(scope, receive, send)
        wait = self._pace.wait(visitor) if scope["method"] == "POST" else 0.0
        if wait:
            late = _refuse(429, f"more than {self._limits.rate:g} questions a second; try again")
            late.headers["retry-after"] = str(math.ceil(wait))
            return await late(scope, receive, send)
        if scope["method"] == "HEAD":  # answered as GET; the server leaves the body out
            scope = {**scope, "method": "GET"}
        with self._coming.body(receive, is_upload=path.endswith("/uploads")) as body:
            shared = _SHARED if self._limits.iiif and path.startswith("/iiif/") else {}
            return await self._app(scope, body.receive, _Answer(send, shared).send)

    def _may_ask(self, headers: Headers) -> bool:
        return headers.get("origin") in self._limits.origins or _is_own(headers)

    def _locked(self, path: str, headers: Headers) -> Response:
        """Refuse a visitor without a token: with a page for those who look for one."""
        if path == "/" and "text/html" in headers.get("accept", ""):
            page = locked_page(self._prefix)
            page.headers.update(_HEADERS | {"connection": "close"})
            return page
        return _refuse(401, "open the address with its token: /?token=...")

    def _shown(self, request: HTTPConnection) -> bytes | None:
        """Return the token that a request carries, itself or in its cookie."""
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._known(shown.encode("latin-1"))  # as headers are read
        cookie = request.cookies.get(self._cookie, "").encode()
        for token, digest in self._digests.items():
            if token and _same(cookie, digest.encode()):
                return token
        return None

    def _known(self, shown: bytes) -> bytes | None:
        """Return the token that is shown, if it is one."""
        return next((token for token in self._digests if _same(shown, token)), None)


def _within(prefix: str, path: str) -> str:
    """Return a path without its prefix, if it has that: a proxy may have taken it away."""
    has_it = f"{path}/".startswith(f"{prefix}/")
    return (path.removeprefix(prefix) if has_it else path) or "/"


def _same(shown: bytes, wanted: bytes) -> bool:
    return bool(wanted) and hmac.compare_digest(shown, wanted)


def _is_own(headers: Headers) -> bool:
    """Return whether a request comes from this server's page, or from no browser at all."""
    site = headers.get("sec-fetch-site")
    if site is not None:  # known by the browser, whatever a proxy makes of the host
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()


class _Answer:
    """Sends an answer with safe headers, and every error as JSON or a page."""

    def __init__(self, send: Send, more: Mapping[str, str]) -> None:
        self._send = send
        self._headers = {**_HEADERS, **more}
        self._error: Message | None = None  # the start of an error that is neither
        self._text = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers.setdefault(name, value)
            kind = headers.get("content-type", "").partition(";")[0]
            if message["status"] >= 400 and kind not in ("application/json", "text/html"):
                self._error = message
                return
        elif self._error is not None:
            self._text += message.get("body", b"")
            if message.get("more_body"):
                return
            text = self._text.decode("utf-8", "replace") or HTTPStatus(self._error["status"]).phrase
            message = dict(message) | {"body": json.dumps({"error": text}).encode()}
            headers = MutableHeaders(scope=self._error)
            headers["content-type"] = "application/json"
            headers["content-length"] = str(len(message["body"]))
            await self._send(self._error)
        await self._send(message)


def _refuse(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status, headers=_HEADERS | {"connection": "close"})
