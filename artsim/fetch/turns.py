"""Which of a host's pictures is next: one not yet requested, or one that is tried again."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from artsim.fetch.status import Wanted

_WAITING = 32  # pictures of a host that may wait for another attempt before no new one is started


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
        """Let the picture of a turn that failed have another one after so many seconds."""
        due = asyncio.get_running_loop().time() + seconds
        heapq.heappush(self._again, Turn(due, turn.number, turn.wanted, turn.attempt + 1))
