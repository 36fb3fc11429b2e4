"""How many questions a visitor may send in a second."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

_BURST = 5.0  # seconds' worth of questions that may come at once
_VISITORS = 10_000  # that are remembered, the latest


class Pace:
    """Admits each visitor's questions at a rate, after a burst.

    Args:
        rate: Questions a second; 0 admits all.
        clock: Seconds that never go back.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._left: OrderedDict[object, tuple[float, float]] = OrderedDict()  # questions, and when

    def wait(self, visitor: object) -> float:
        """Count a question, and return 0; or the seconds after which one is admitted."""
        if not self._rate:
            return 0.0
        now, most = self._clock(), max(self._rate * _BURST, 1.0)
        left, then = self._left.pop(visitor, (most, now))
        left = min(most, left + (now - then) * self._rate)
        admitted = left >= 1
        self._left[visitor] = left - admitted, now
        if len(self._left) > _VISITORS:
            self._left.popitem(last=False)
        return 0.0 if admitted else (1 - left) / self._rate
