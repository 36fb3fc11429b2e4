"""Queries of many visitors, answered in batches: one thread per lane searches for all who wait.

Queries that need the network (pictures, words) have their own lane, so that one by id never
waits behind them. What comes in while a lane is busy is its next batch.
"""

from __future__ import annotations

import queue
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from artsim.errors import ArtsimError
from artsim.search import SearchAnswer, Searcher, SearchRequest

_TOGETHER = {"ids": 64, "pictures": 16}  # questions answered at once


@dataclass(frozen=True)
class _Waiting:
    request: SearchRequest
    answer: Future[SearchAnswer]


class Batcher:
    """Answers queries of many threads to one open index, in batches."""

    def __init__(self, searcher: Searcher) -> None:
        self.searcher = searcher
        self._waiting: dict[str, queue.SimpleQueue[_Waiting]] = {
            lane: queue.SimpleQueue() for lane in _TOGETHER
        }
        self._threads = {lane: ThreadPoolExecutor(1, f"artsim {lane}") for lane in _TOGETHER}

    def search(self, request: SearchRequest) -> Future[SearchAnswer]:
        """Search; the future returns the answer or raises its error."""
        waiting = _Waiting(request, Future())
        stored = all(term.id is not None and term.box is None for term in request.terms)
        lane = "ids" if stored else "pictures"
        self._waiting[lane].put(waiting)
        self._threads[lane].submit(self._answer_next, lane)
        return waiting.answer

    def close(self) -> None:
        """End the threads when they have answered all queries."""
        for threads in self._threads.values():
            threads.shutdown()

    def _answer_next(self, lane: str) -> None:
        """Answer the next batch of waiting queries; there may be none left."""
        batch: list[_Waiting] = []
        while len(batch) < _TOGETHER[lane]:
            try:
                batch.append(self._waiting[lane].get_nowait())
            except queue.Empty:
                break
        self._answer([each for each in batch if each.answer.set_running_or_notify_cancel()])

    def _answer(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        try:
            answers = self.searcher.search_many([each.request for each in batch])
            pairs = list(zip(batch, answers, strict=True))
        except Exception as error:  # a bug, a network that knows no words, an index that is gone
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
            else:  # it may be about one question alone
                for each in batch:
                    self._answer([each])
            return
        for each, answer in pairs:
            if isinstance(answer, ArtsimError):
                each.answer.set_exception(answer)
            else:
                each.answer.set_result(answer)
