"""What robots.txt lets artsim request: read once for each server, by the rules of RFC 9309."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

import httpx2
from protego import Protego

from artsim.fetch.hosts import Hosts

ROBOT = "artsim"  # the name that a robots.txt calls it by
MOST_BYTES = 500 * 2**10  # of a robots.txt that are read

Read = Callable[[httpx2.URL], Awaitable[bytes]]


class Robots:
    """The rules of each server that was asked for a picture."""

    def __init__(self, read: Read, hosts: Hosts) -> None:
        self._read = read
        self._hosts = hosts
        self._rules: dict[str, Protego] = {}  # by scheme, host and port
        self._reading: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def allows(self, url: httpx2.URL) -> bool:
        """Return whether the server lets artsim request an address; its pauses are kept too.

        Whatever keeps ``robots.txt`` from being read is raised, and tried again with the next
        picture.
        """
        file = url.copy_with(raw_path=b"/robots.txt", fragment=None)
        async with self._reading[str(file)]:
            rules = self._rules.get(str(file))
            if rules is None:
                text = await self._read(file)
                rules = self._rules[str(file)] = Protego.parse(text.decode("utf-8-sig", "replace"))
                self._hosts.slow_down(url.host, rules.crawl_delay(ROBOT) or 0.0)
        return bool(rules.can_fetch(str(url), ROBOT))
