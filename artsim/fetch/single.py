"""One picture from the web, under the same rules as many."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from pathlib import Path

from artsim.errors import FetchError
from artsim.fetch.hosts import HostLeft
from artsim.fetch.run import check_client
from artsim.fetch.settings import DEFAULTS, FetchSettings
from artsim.fetch.status import Wanted, unfinished


def fetch_picture(url: str, settings: FetchSettings = DEFAULTS) -> bytes:
    """Fetch a picture: only from public addresses, only so large, only if it is one.

    Raises:
        FetchError: If it cannot be fetched, or httpx2 is not installed.
    """
    return asyncio.run(fetch_picture_async(url, settings))


async def fetch_picture_async(url: str, settings: FetchSettings = DEFAULTS) -> bytes:
    """Do the same as a coroutine; cancelled, it ends at once.

    A picture that a person names is no crawling: robots.txt is not read.
    """
    check_client()
    from artsim.fetch.download import Downloader

    settings = dataclasses.replace(settings, robots=False)
    with tempfile.TemporaryDirectory(prefix="artsim-") as folder:
        async with Downloader(Path(folder), settings) as downloader:
            try:
                status = await downloader.fetch(Wanted(url, url, "picture"))
            except HostLeft as left:
                raise FetchError(f"{url!r} cannot be fetched: {left}; try later") from left
        if status.file is None:
            raise FetchError(f"{url!r} cannot be fetched ({status.status}): {status.reason}")
        return (Path(folder) / unfinished(status.file)).read_bytes()
