"""Politeness to servers: few requests at once, spaced, and pauses kept on demand.

`Hosts` says when a request may be sent, `Turns` which of a host's pictures is next.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from artsim.fetch.settings import FetchSettings
from artsim.fetch.status import Wanted

_WAITING = 32  # pictures of a host that may wait for another attempt before no new one is started


class HostLeft(Exception):
    """A host gets no more requests in this run."""


class Hosts:
    """The requests to each host: how many run, and when the next may start."""

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings
        self._total = asyncio.Semaphore(settings.concurrency)
        self._hosts: defaultdict[str, _Host] = defaultdict(lambda: _Host(settings.per_host))

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait until a request may be sent to the host, and count it until it is over.

        Raises:
            HostLeft: If the host is left alone for the rest of the run.
        """
        host = self._hosts[name]
        async with host.slots:
            await self._wait(name, host)
            async with self._total:
                yield

    def pause(self, name: str, seconds: float) -> None:
        """Send no request to the host for so long, or none at all if that is too long."""
        host = self._hosts[name]
        if seconds > self._settings.max_wait_s:
            host.left = f"{name} requests a pause of {seconds:,.0f} s"
        host.resume_at = max(host.resume_at, asyncio.get_running_loop().time() + seconds)

    def slow_down(self, name: str, seconds: float) -> None:
        """Wait at least so long between two requests to the host, or send none if that is too long.

        Raises:
            HostLeft: If it is.
        """
        host = self._hosts[name]
        host.delay_s = max(host.delay_s, seconds)
        if seconds > self._settings.max_wait_s:
            host.left = (
                f"the robots.txt of {name} requests {seconds:,.0f} s between two requests; "
                "--ignore-robots ignores it"
            )
            raise HostLeft(host.left)

    def delay_s(self, name: str) -> float:
        """Return the seconds between two requests to the host."""
        return max(self._settings.delay_s, self._hosts[name].delay_s)

    def note(self, name: str, *, answered: bool) -> None:
        """Note whether the host answered or failed, once a picture is done."""
        host = self._hosts[name]
        host.failed = 0 if answered else host.failed + 1
        if host.failed >= self._settings.give_up_after and host.left is None:
            host.left = f"{name} failed {host.failed} times in a row"

    def left(self) -> list[str]:
        """Return which hosts are left alone, and why."""
        return [host.left for host in self._hosts.values() if host.left]

    async def _wait(self, name: str, host: _Host) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            if host.left:
                raise HostLeft(host.left)
            wait = max(host.resume_at, host.next_start) - clock()
            if wait <= 0:
                host.next_start = clock() + self.delay_s(name)
                return
            await asyncio.sleep(wait)  # then look again: the pause may have grown


class _Host:
    """What is kept of one host; times are those of the event loop, in seconds."""

    def __init__(self, slots: int) -> None:
        self.slots = asyncio.Semaphore(slots)
        self.next_start = 0.0
        self.resume_at = 0.0
        self.delay_s = 0.0  # between two requests, as its robots.txt requests
        self.failed = 0  # pictures in a row
        self.left: str | None = None  # why


@dataclass(frozen=True, order=True)
class Turn:
    """A picture's turn to be requested."""

    due: float  # when, in seconds of the event loop
    number: int  # of the picture: turns of one time come in this order
    wanted: Wanted = field(compare=False)
    attempt: int = field(compare=False)  # from 1


class Turns:
    """The turns of one host's pictures.

    While a picture waits for another attempt others are requested, but not so many that a host in
    trouble gets ever more requests.
    """

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        self._new = deque(Turn(0.0, number, each, 1) for number, each in enumerate(wanted))
        self._again: list[Turn] = []  # a heap

    async def next(self) -> Turn | None:
        """Wait for the next turn; None if all are done or taken."""
        clock = asyncio.get_running_loop().time
        while self._again:
            wait = self._again[0].due - clock()
            if wait <= 0:
                return heapq.heappop(self._again)
            if self._new and len(self._again) < _WAITING:
                break
            await asyncio.sleep(wait)  # then look again: another may have taken it
        return self._new.popleft() if self._new else None

    def put_back(self, turn: Turn, seconds: float) -> None:
        """Give the picture of a failed turn another one after so many seconds."""
        due = asyncio.get_running_loop().time() + seconds
        heapq.heappush(self._again, Turn(due, turn.number, turn.wanted, turn.attempt + 1))


def backoff_s(attempt: int, settings: FetchSettings, rng: random.Random) -> float:
    """Return the pause after an attempt, counted from 1: twice the last, up to half less."""
    longest = min(settings.backoff_s * 2.0 ** (attempt - 1), settings.max_backoff_s)
    return longest * rng.uniform(0.5, 1.0)


def retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After header, a number of seconds or a date; None if it is neither.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max((date - (now or datetime.now(UTC))).total_seconds(), 0.0)
