"""Bodies of requests while they come: limits of size and time, and of memory for all together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import HTTPException
from starlette.types import Message, Receive


@dataclass(kw_only=True)
class ComingBodies:
    """The bodies that are not whole yet; if they take too much, the first to begin makes room."""

    query_bytes: int  # of a request that is not an upload
    upload_bytes: int
    all_bytes: int  # of all together
    seconds: float  # until a body must be whole

    def __post_init__(self) -> None:
        """None is coming yet."""
        self._coming: dict[_Body, int] = {}  # bytes, in the order of their beginning

    @contextmanager
    def body(self, receive: Receive, *, is_upload: bool) -> Iterator[_Body]:
        """Give the body of a request."""
        most = self.upload_bytes if is_upload else self.query_bytes
        body = _Body(receive, self, most)
        try:
            yield body
        finally:
            self.forget(body)

    def count(self, body: _Body, size: int) -> None:
        """Count bytes that have come; end the oldest bodies if they are too many."""
        self._coming[body] = self._coming.get(body, 0) + size
        total = sum(self._coming.values())
        for oldest in list(self._coming):
            if total <= self.all_bytes or oldest is body:
                break
            total -= self.forget(oldest)
            oldest.end()

    def forget(self, body: _Body) -> int:
        """Count a body no more; it is whole, or refused. Return its bytes."""
        return self._coming.pop(body, 0)


class _Body:
    """Receives a request's body; an HTTPException if it is too large or too slow."""

    def __init__(self, receive: Receive, bodies: ComingBodies, most: int) -> None:
        self._receive = receive
        self._bodies = bodies
        self._most = most
        self._size = 0
        self._until: float | None = None
        self._waiting: asyncio.Timeout | None = None
        self._is_whole = False
        self._is_ended = False

    async def receive(self) -> Message:
        if self._is_whole:  # it waits for the visitor to leave while the answer is computed
            return await self._receive()
        self._until = self._until or asyncio.get_running_loop().time() + self._bodies.seconds
        try:
            async with asyncio.timeout_at(self._until) as self._waiting:
                message = await self._receive()
        except TimeoutError:
            if self._is_ended:
                raise HTTPException(503, "too much is being uploaded; try again") from None
            reason = f"the request was not complete after {self._bodies.seconds:g} s"
            raise HTTPException(408, reason) from None
        finally:
            self._waiting = None
        new = len(message.get("body", b""))
        self._size += new
        if self._size > self._most:
            reason = f"the request is larger than the limit of {self._most:,} bytes"
            raise HTTPException(413, reason)
        self._is_whole = not message.get("more_body", False)
        if self._is_whole:
            self._bodies.forget(self)
        else:
            self._bodies.count(self, new)
        return message

    def end(self) -> None:
        """Let it time out now."""
        self._is_ended = True
        self._until = asyncio.get_running_loop().time()
        if self._waiting is not None:
            self._waiting.reschedule(self._until)
