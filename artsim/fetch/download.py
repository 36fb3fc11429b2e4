"""One picture from its address to the disk: requested, retried, checked to be a picture, kept."""

from __future__ import annotations

import asyncio
import hashlib
import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpcore2
import httpx2

from artsim import images
from artsim.errors import ImageError, ResourcesError
from artsim.fetch.hosts import Hosts, backoff_s, retry_after_s
from artsim.fetch.names import suffix_of
from artsim.fetch.network import CheckedTransport, RefusedAddress
from artsim.fetch.settings import FetchSettings
from artsim.fetch.status import Outcome, Status, Wanted, cannot_write, unfinished

_REDIRECTS = (301, 302, 303, 307, 308)
_AGAIN = (408, 425, 429)  # and all from 500
_PAUSING = (429, 503)  # the host as a whole has had too much
# Others grow a thousand times more: a piece of them may fill the memory before it is counted.
_ENCODINGS = ("identity", "gzip", "deflate")
_DRAINED = 2**16  # bytes of an error page that are read, so that the connection can be kept


class Downloader:
    """Fetches pictures into a folder; an async context manager."""

    def __init__(self, folder: Path, settings: FetchSettings) -> None:
        self._folder = folder
        self._settings = settings
        self.hosts = Hosts(settings)
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
            data = await self._get(wanted.url)
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

    async def _get(self, address: str) -> bytes:
        """Get the bytes at an address, over a few redirects."""
        url = _checked(address)
        for _ in range(self._settings.max_redirects + 1):
            answer = await self._get_once(url)
            self.hosts.note(url.host, answered=True)
            if isinstance(answer, bytes):
                return answer
            url = _checked(answer)
        raise _Failed(
            Outcome.REDIRECTS,
            f"redirected more than {self._settings.max_redirects} times, last to {url}",
        )

    async def _get_once(self, url: httpx2.URL) -> bytes | str:
        """Send one request; return the body, or the address of a redirect."""
        settings = self._settings
        failed = partial(_Failed, again=True, host=url.host)
        async with self.hosts.turn(url.host):
            try:
                async with asyncio.timeout(settings.timeout_s):
                    async with self._client.stream("GET", url) as response:
                        return await self._read(response)
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

    async def _read(self, response: httpx2.Response) -> bytes | str:
        code, url = response.status_code, response.url
        declared = response.headers.get("Content-Length", "")
        length = int(declared) if declared.isascii() and declared.isdecimal() else None
        if not response.is_success:
            if length is not None and length <= _DRAINED:
                async for _ in response.aiter_raw():
                    pass
            if code in _REDIRECTS and "Location" in response.headers:
                return _join(url, response.headers["Location"])
            raise _Failed(
                Outcome.HTTP,
                f"{code} {response.reason_phrase}".rstrip(),
                http_code=code,
                again=code in _AGAIN or code >= 500,
                host=url.host,
                retry_after=retry_after_s(response.headers.get("Retry-After")),
            )
        limit = self._settings.max_bytes
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
