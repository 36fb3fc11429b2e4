"""Connections of visitors: slow ones are closed, and too many never shut others out.

uvicorn waits for a request's header without end, and its own limit of connections turns away the
next visitor, not the slow ones.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from artsim.server.guard import Limits

_MANY = 8192  # open files, where a system sets no limit
_BACKLOG = 128  # connections that wait to be accepted; asyncio logs each that cannot be


def configure(
    app: ASGIApp | Callable[[], ASGIApp], limits: Limits, **options: Any
) -> uvicorn.Config:
    """Return how uvicorn serves an application within limits; ``options`` are its own.

    With ``factory``, ``app`` makes the application in each process.
    """
    return uvicorn.Config(
        app,
        http=_protocol(limits),
        ws="none",
        loop="asyncio",
        backlog=_BACKLOG,
        timeout_keep_alive=int(limits.idle_seconds),
        log_level="warning",
        log_config=None,
        server_header=False,
        **options,
    )


def _protocol(limits: Limits) -> Any:  # what uvicorn calls as a class
    return partial(Connection, limits=limits)


class Connection(H11Protocol):
    """A connection that waits a limited time for a header, and for a visitor who does not read."""

    def __init__(self, *args: Any, limits: Limits, **more: Any) -> None:
        super().__init__(*args, **more)
        self._limits = limits
        self._most = min(limits.connections, _open_files() // 2)
        self._since: float | None = None  # it waits for its visitor; None: the visitor waits
        self._header: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start to wait; of too many connections the one that has waited longest is closed."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self._most:
            waiting = [each for each in self.connections if isinstance(each, Connection)]
            slowest = min(waiting, key=lambda each: each._since or math.inf)
            if slowest is self:  # all others are being answered
                self._refuse(503, "too many visitors at once; try again")
            else:
                slowest.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take data; wait on if they are no whole header."""
        super().data_received(data)
        if self._is_answering:
            self._stop(self._header)
            self._header = None
        elif self._header is None:
            self._wait()
        self._note()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()  # which may begin with the next one
        self._note()

    def pause_writing(self) -> None:
        """Give a visitor who does not read a limited time."""
        super().pause_writing()
        self._stall = self.loop.call_later(self._limits.idle_seconds, self.transport.abort)
        self._note()

    def resume_writing(self) -> None:
        """Write on."""
        super().resume_writing()
        self._stop(self._stall)
        self._note()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        super().connection_lost(exc)
        self._stop(self._header)
        self._stop(self._stall)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in JSON as every error."""
        self._refuse(400, msg)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _note(self) -> None:
        """Note since when it waits: for a header, for the rest of a body, or to be read."""
        waits = not self._is_answering or self.cycle.more_body or self.flow.write_paused
        self._since = (self._since or time.monotonic()) if waits else None

    def _wait(self) -> None:
        self._note()
        self._header = self.loop.call_later(self._limits.header_seconds, self._too_slow)

    def _too_slow(self) -> None:
        if self.conn.trailing_data[0]:
            self._refuse(408, f"no whole header after {self._limits.header_seconds:g} s")
        else:
            self.transport.close()

    def _refuse(self, status: int, reason: str) -> None:
        if self.transport.is_closing():
            return
        body = json.dumps({"error": reason}).encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        if self.cycle is not None:  # what it answers to the beginning comes too late
            self.cycle.disconnected = True
        start = h11.Response(status_code=status, headers=headers)
        with suppress(h11.LocalProtocolError):  # an answer has begun
            for event in (start, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _stop(self, timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()


def _open_files() -> int:
    """Return how many files and connections this process may have open."""
    if sys.platform == "win32":
        return _MANY
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MANY if most == resource.RLIM_INFINITY else most
