"""One picture from the web, under the same rules as many."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from artsim.errors import FetchError
from artsim.fetch.run import check_client
from artsim.fetch.settings import DEFAULTS, FetchSettings
from artsim.fetch.status import Outcome, Status, Wanted, unfinished


def fetch_picture(url: str, settings: FetchSettings = DEFAULTS) -> bytes:
    """Fetch a picture: only from public addresses, only so large, only if it is one.

    Raises:
        FetchError: If it cannot be had, or httpx2 is not installed.
    """
    return asyncio.run(fetch_picture_async(url, settings))


async def fetch_picture_async(url: str, settings: FetchSettings = DEFAULTS) -> bytes:
    """Do the same as a coroutine; cancelled, it ends at once."""
    check_client()
    with tempfile.TemporaryDirectory(prefix="artsim-") as folder:
        status = await _fetch(url, Path(folder), settings)
        if status.status is not Outcome.OK:
            raise FetchError(f"{url!r} cannot be fetched ({status.status}): {status.reason}")
        assert status.file is not None
        return (Path(folder) / unfinished(status.file)).read_bytes()


async def _fetch(url: str, folder: Path, settings: FetchSettings) -> Status:
    from artsim.fetch.download import Downloader
    from artsim.fetch.hosts import HostLeft

    async with Downloader(folder, settings) as downloader:
        try:
            return await downloader.fetch(Wanted(url, url, "picture"))
        except HostLeft as left:
            raise FetchError(f"{url!r} cannot be fetched: {left}; try later") from left
