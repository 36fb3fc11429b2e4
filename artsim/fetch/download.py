"""One picture from its address to the disk: requested, retried, checked to be a picture, kept."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import httpcore2
import httpx2

from artsim import images
from artsim.errors import FetchError, ImageError, ResourcesError
from artsim.fetch.hosts import Hosts, backoff_s, retry_after_s
from artsim.fetch.names import suffix_of
from artsim.fetch.network import CheckedTransport, RefusedAddress
from artsim.fetch.robots import MOST_BYTES, Robots
from artsim.fetch.settings import FetchSettings
from artsim.fetch.status import Outcome, Status, Wanted, cannot_write, unfinished

_REDIRECTS = (301, 302, 303, 307, 308)
_AGAIN = (408, 425, 429)  # and all from 500
_PAUSING = (429, 503)  # the host as a whole has had too much
# Others grow a thousand times more: a piece of them may fill the memory before it is counted.
_ENCODINGS = ("identity", "gzip", "deflate")
_DRAINED = 2**16  # bytes of an error page that are read, so that the connection can be kept

_T = TypeVar("_T")  # what is read of an answer


class Downloader:
    """Fetches pictures into a folder; an async context manager."""

    def __init__(self, folder: Path, settings: FetchSettings) -> None:
        self._folder = folder
        self._settings = settings
        self.hosts = Hosts(settings)
        self.robots = Robots(self._robots_txt, self.hosts)
        silence = min(settings.silence_s, settings.timeout_s)
        self._client = httpx2.AsyncClient(
            transport=CheckedTransport(
                connections=settings.concurrency, allow_private=settings.allow_private
            ),
            # compressed, a picture gets no smaller, and a bomb gets through
            headers={
                "User-Agent": settings.user_agent,
                "Accept": "image/*",
                "Accept-Encoding": "identity",
            },
            timeout=httpx2.Timeout(silence, pool=None),
            trust_env=False,
        )

    async def __aenter__(self) -> Downloader:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def fetch(self, wanted: Wanted) -> Status:
        """Fetch one picture, with pauses between the attempts; see `attempt`."""
        number = 1
        while not isinstance(outcome := await self.attempt(wanted, number), Status):
            await asyncio.sleep(outcome)
            number += 1
        return outcome

    async def attempt(self, wanted: Wanted, number: int) -> Status | float:
        """Try to fetch one picture and write it under its unfinished name.

        Returns:
            The outcome, where the file of an OK one waits as `unfinished` to be renamed; or the
            seconds to wait before the next attempt.

        Raises:
            HostLeft: If its host gets no more requests in this run.
            StoreError: If the file cannot be written.
        """
        try:
            data = await self._get(wanted.url, self._body)
            return await asyncio.to_thread(self._keep, wanted, data, number)
        except _Failed as failed:
            if not failed.again or number > self._settings.retries:
                if failed.host:
                    self.hosts.note(failed.host, answered=not failed.again)
                return Status(
                    id=wanted.id,
                    url=wanted.url,
                    status=failed.outcome,
                    http_code=failed.http_code,
                    reason=failed.reason,
                    attempts=number,
                )
            rng = random.Random(f"{self._settings.seed} {wanted.id} {number}")
            pause = max(failed.retry_after or 0.0, backoff_s(number, self._settings, rng))
            if failed.retry_after is None and failed.http_code not in _PAUSING:
                return pause
            self.hosts.pause(failed.host, pause)
            return 0.0

    async def length(self, url: str) -> int:
        """Return the bytes of a picture: as the server says, or by counting them.

        Raises:
            FetchError: If it cannot be requested.
            HostLeft: If its host gets no more requests in this run.
        """
        try:
            return await self._get(url, self._length)
        except _Failed as failed:
            raise FetchError(failed.reason) from failed

    async def allows(self, url: str) -> bool:
        """Return whether a server's robots.txt lets artsim request an address.

        Raises:
            FetchError: If it cannot be read.
            HostLeft: If it requests pauses that are too long.
        """
        try:
            return await self.robots.allows(_checked(url))
        except _Failed as failed:
            raise FetchError(failed.reason) from failed

    async def _robots_txt(self, url: httpx2.URL) -> bytes:
        """Get a robots.txt; one that is not there allows everything."""
        try:
            return await self._get(str(url), self._start, is_robots=True)
        except _Failed as failed:
            code = failed.http_code or 0
            if failed.outcome is Outcome.REDIRECTS or (400 <= code < 500 and not failed.again):
                return b""
            if code:
                failed.reason = f"its robots.txt cannot be read: {failed.reason}"
            raise

    async def _get(
        self,
        address: str,
        read: Callable[[httpx2.Response], Awaitable[_T]],
        is_robots: bool = False,
    ) -> _T:
        """Get what is at an address, over a few redirects."""
        url = _checked(address)
        for _ in range(self._settings.max_redirects + 1):
            if self._settings.robots and not is_robots and not await self.robots.allows(url):
                raise _Failed(Outcome.ROBOTS, f"the robots.txt of {url.host} disallows it")
            answer = await self._get_once(url, read)
            self.hosts.note(url.host, answered=True)
            if not isinstance(answer, _Moved):
                return answer
            url = _checked(answer.to)
        raise _Failed(
            Outcome.REDIRECTS,
            f"redirected more than {self._settings.max_redirects} times, last to {url}",
        )

    async def _get_once(
        self, url: httpx2.URL, read: Callable[[httpx2.Response], Awaitable[_T]]
    ) -> _T | _Moved:
        """Send one request; return what is read of the answer, or the address of a redirect."""
        settings = self._settings
        failed = partial(_Failed, again=True, host=url.host)
        async with self.hosts.turn(url.host):
            try:
                async with asyncio.timeout(settings.timeout_s):
                    async with self._client.stream("GET", url) as response:
                        return await _moved(response) or await read(response)
            except RefusedAddress as error:
                raise _Failed(Outcome.REFUSED, str(error)) from error
            except httpcore2.TimeoutException as error:
                silence = min(settings.silence_s, settings.timeout_s)
                raise failed(Outcome.TIMEOUT, f"no answer for {silence:g} s") from error
            except TimeoutError as error:
                reason = f"incomplete after {settings.timeout_s:g} s"
                raise failed(Outcome.TIMEOUT, reason) from error
            except (httpcore2.NetworkError, httpcore2.ProtocolError, httpx2.HTTPError) as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                raise failed(Outcome.CONNECTION, reason) from error

    async def _body(self, response: httpx2.Response) -> bytes:
        """Read a picture, if it is not too large."""
        limit, length = self._settings.max_bytes, _declared(response)
        if length is not None and length > limit:
            raise _Failed(Outcome.TOO_LARGE, f"{length:,} bytes, more than {limit:,}")
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding not in _ENCODINGS:
            raise _Failed(Outcome.NOT_AN_IMAGE, f"encoded as {encoding!r}, which was not requested")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > limit:
                raise _Failed(Outcome.TOO_LARGE, f"more than {limit:,} bytes")
        return bytes(body)

    async def _length(self, response: httpx2.Response) -> int:
        length = _declared(response)
        return len(await self._body(response)) if length is None else length

    async def _start(self, response: httpx2.Response) -> bytes:
        """Read as much of a robots.txt as counts."""
        body = bytearray()
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding in _ENCODINGS:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    break
        return bytes(body[:MOST_BYTES])

    def _keep(self, wanted: Wanted, data: bytes, attempt: int) -> Status:
        """Check that it is a picture and write it; runs in a thread."""
        try:
            if self._settings.check:  # reads every byte, and computes few pixels
                most = self._settings.max_pixels
                images.decode(data, at_least=lambda *_: (1, 1), max_pixels=most)
        except ImageError as error:
            again = isinstance(error, ResourcesError)
            raise _Failed(Outcome.NOT_AN_IMAGE, str(error), again=again) from error
        name = f"{wanted.stem}.{suffix_of(data)}"
        file = self._folder / unfinished(name)
        try:
            file.write_bytes(data)
        except OSError as error:
            raise cannot_write(file, error) from error
        return Status(
            id=wanted.id,
            url=wanted.url,
            status=Outcome.OK,
            file=name,
            file_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            attempts=attempt,
        )


@dataclass(eq=False)
class _Failed(Exception):
    """An attempt failed: how, why, and whether another one makes sense."""

    outcome: Outcome
    reason: str
    http_code: int | None = None
    again: bool = False
    host: str = ""  # the one that failed, which can be that of a redirect
    retry_after: float | None = None  # seconds


@dataclass(frozen=True)
class _Moved:
    """An answer that names another address."""

    to: str


async def _moved(response: httpx2.Response) -> _Moved | None:
    """Return where an answer redirects to; raise what failed, None if all is well."""
    if response.is_success:
        return None
    code, url, length = response.status_code, response.url, _declared(response)
    if length is not None and length <= _DRAINED:
        async for _ in response.aiter_raw():
            pass
    if code in _REDIRECTS and "Location" in response.headers:
        return _Moved(_join(url, response.headers["Location"]))
    raise _Failed(
        Outcome.HTTP,
        f"{code} {response.reason_phrase}".rstrip(),
        http_code=code,
        again=code in _AGAIN or code >= 500,
        host=url.host,
        retry_after=retry_after_s(response.headers.get("Retry-After")),
    )


def _declared(response: httpx2.Response) -> int | None:
    """Return the length that the server declares."""
    declared = response.headers.get("Content-Length", "")
    return int(declared) if declared.isascii() and declared.isdecimal() else None


def _checked(address: str) -> httpx2.URL:
    """Parse an address; only http and https, with a host."""
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL as error:
        raise _Failed(Outcome.REFUSED, f"not an address: {error}") from error
    is_odd = not url.host or "%" in url.host or (url.port or 0) > 65535
    if is_odd or url.scheme not in ("http", "https"):
        raise _Failed(Outcome.REFUSED, f"{address[:200]!r} is not an http or https address")
    return url


def _join(url: httpx2.URL, location: str) -> str:
    try:
        return str(url.join(location))
    except httpx2.InvalidURL as error:
        raise _Failed(Outcome.REDIRECTS, f"redirected to an invalid address: {error}") from error
