"""Receipts become parts of the index, in order and several at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from artsim.embedding.chunks import Receipt
from artsim.store import Store

_TOGETHER = 64  # chunks that wait for the manifest at most
_SECONDS = 10.0  # that a chunk waits at most
_SHARE = 0.05  # of the time may go into writing the manifest


def commit(store: Store, receipts: Iterable[Receipt], *, first: int) -> Iterator[Receipt]:
    """Add the parts of receipts to a locked index in the order of their numbers, from ``first`` on.

    The receipts come, and are yielded, in any order. The manifest grows with the index, so it is
    written once for several chunks when writing it takes long. What has been received is committed
    whatever ends the run.
    """
    waiting: dict[int, Receipt] = {}
    ready: list[Receipt] = []
    written, pause = time.monotonic(), 0.0
    try:
        for receipt in receipts:
            waiting[receipt.number] = receipt
            while first + len(ready) in waiting:
                ready.append(waiting.pop(first + len(ready)))
            if ready and (len(ready) >= _TOGETHER or time.monotonic() - written >= pause):
                clock = time.monotonic()
                first += _write(store, ready)
                written = time.monotonic()
                pause = min((written - clock) / _SHARE, _SECONDS)
            yield receipt
    finally:
        _write(store, ready)


def _write(store: Store, ready: list[Receipt]) -> int:
    """Write the receipts into the index and return how many they were."""
    count = len(ready)
    # After an interrupt in the middle of this some of them may be in the index already.
    new = [each for each in ready if each.number >= store.manifest.next_part]
    if new:
        store.append_many([(each.part, each.failures) for each in new])
    ready.clear()
    return count
