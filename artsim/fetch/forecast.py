"""What a run would request, by its first pictures and each host's robots.txt."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from artsim.datatypes import Catalog
from artsim.errors import FetchError
from artsim.fetch.choice import ALL, Choice, choose_rows
from artsim.fetch.hosts import HostLeft
from artsim.fetch.plan import make_plan
from artsim.fetch.run import check_client, host_of, read_rows
from artsim.fetch.settings import DEFAULTS, FetchSettings
from artsim.fetch.status import Wanted, read_status

if TYPE_CHECKING:
    from artsim.fetch.download import Downloader

SAMPLED = 20  # pictures whose size is requested
HOSTS = 20  # with the most pictures: their robots.txt is read


@dataclass(frozen=True, kw_only=True)
class HostForecast:
    """What one host would be requested."""

    host: str
    requests: int  # pictures
    disallowed: int  # more of them, by its robots.txt
    delay_s: float  # between two requests
    fault: str | None = None  # why its robots.txt cannot be read

    @property
    def seconds(self) -> float:
        """How long the requests take at least."""
        return max(self.requests - 1, 0) * self.delay_s


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a run would do."""

    chosen: int  # rows of the catalog, each with a picture
    kept: int  # pictures from earlier runs
    failed: int  # in earlier runs: they wait for --retry-failed
    hosts: tuple[HostForecast, ...]  # those with the most pictures first
    sizes: tuple[int, ...]  # bytes of the first pictures
    faults: Counter[str]  # why others of the first cannot be requested

    @property
    def requests(self) -> int:
        """How many pictures would be requested."""
        return sum(host.requests for host in self.hosts)

    @property
    def bytes(self) -> float | None:
        """How many bytes that may be; None if no picture's size is known."""
        sampled = len(self.sizes) + self.faults.total()
        return self.requests * sum(self.sizes) / sampled if self.sizes else None

    @property
    def seconds(self) -> float:
        """How long it takes at least: hosts are requested at the same time."""
        return max((host.seconds for host in self.hosts), default=0.0)


def forecast(
    catalog: Catalog,
    path: Path,
    *,
    choice: Choice = ALL,
    retry_failed: bool = False,
    settings: FetchSettings = DEFAULTS,
) -> Forecast:
    """Say what `fetch_pictures` would request, and write nothing.

    The robots.txt of the 20 hosts with the most pictures are read, and the sizes of the first 20
    pictures are requested.

    Raises:
        FetchError: As `fetch_pictures` does.
        ReaderError: If the catalog cannot be read.
    """
    check_client()
    table, _ = read_rows(catalog)
    rows = choose_rows(table, choice)
    known, _ = read_status(path)
    plan = make_plan(table, rows, path, known, retry_failed=retry_failed, settings=settings)
    hosts, (sizes, faults) = asyncio.run(_ask(plan.todo, settings))
    return Forecast(
        chosen=len(plan.chosen),
        kept=plan.summary.kept,
        failed=len(plan.chosen) - plan.summary.kept - len(plan.todo),
        hosts=hosts,
        sizes=tuple(sizes),
        faults=faults,
    )


async def _ask(
    todo: Sequence[Wanted], settings: FetchSettings
) -> tuple[tuple[HostForecast, ...], tuple[list[int], Counter[str]]]:
    from artsim.fetch.download import Downloader

    urls: dict[str, list[str]] = {}
    for wanted in todo:
        urls.setdefault(host_of(wanted.url), []).append(wanted.url)
    by_count = sorted(urls, key=lambda host: -len(urls[host]))
    with tempfile.TemporaryDirectory(prefix="artsim-") as folder:
        async with Downloader(Path(folder), settings) as downloader:
            looks = (_look(host, urls[host], downloader, settings) for host in by_count[:HOSTS])
            looked = await asyncio.gather(*looks)
            sample = [wanted.url for wanted in todo[:SAMPLED]]
            sizes = await asyncio.gather(*(_length(url, downloader) for url in sample))
    others = [
        HostForecast(
            host=host, requests=len(urls[host]), disallowed=0, delay_s=settings.delay_s
        )
        for host in by_count[HOSTS:]
    ]  # fmt: skip
    faults = Counter(size for size in sizes if isinstance(size, str))
    return (*looked, *others), ([size for size in sizes if isinstance(size, int)], faults)


async def _look(
    host: str, urls: Sequence[str], downloader: Downloader, settings: FetchSettings
) -> HostForecast:
    """Count what a host's robots.txt allows."""
    allowed, fault = len(urls), None
    if settings.robots:
        try:
            allowed = sum([await downloader.allows(url) for url in urls])
        except (FetchError, HostLeft) as error:
            allowed, fault = 0, str(error)
    return HostForecast(
        host=host,
        requests=allowed,
        disallowed=0 if fault else len(urls) - allowed,
        delay_s=downloader.hosts.delay_s(host),
        fault=fault,
    )


async def _length(url: str, downloader: Downloader) -> int | str:
    try:
        return await downloader.length(url)
    except (FetchError, HostLeft) as error:
        return str(error)
