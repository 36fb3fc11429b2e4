"""Batches concurrent queries: one thread per lane answers all that are waiting.

Queries that need the network (pictures, text) have their own lane, so that a query by id never
waits behind them, and comes first where both want the processor. Queries that arrive while a lane
is busy form its next batch.
"""

from __future__ import annotations

import queue
from concurrent.futures import Future, ThreadPoolExecutor

from artsim.errors import ArtsimError
from artsim.search import SearchAnswer, Searcher, SearchRequest
from artsim.server.priority import give_way

_TOGETHER = {"ids": 64, "pictures": 16}  # queries answered at once

_Waiting = tuple[SearchRequest, Future[SearchAnswer]]


class Batcher:
    """Answers queries of many threads to one open index."""

    def __init__(self, searcher: Searcher) -> None:
        self.searcher = searcher
        self._waiting: dict[str, queue.SimpleQueue[_Waiting]] = {
            lane: queue.SimpleQueue() for lane in _TOGETHER
        }
        self._threads = {
            "ids": ThreadPoolExecutor(1, "artsim ids"),
            "pictures": ThreadPoolExecutor(1, "artsim pictures", initializer=give_way),
        }

    def search(self, request: SearchRequest) -> Future[SearchAnswer]:
        """Search; the future returns the answer or raises its error."""
        answer: Future[SearchAnswer] = Future()
        stored = all(term.id is not None and term.box is None for term in request.terms)
        lane = "ids" if stored else "pictures"
        self._waiting[lane].put((request, answer))
        self._threads[lane].submit(self._answer_next, lane)
        return answer

    def close(self) -> None:
        """End the threads once they have answered all queries."""
        for threads in self._threads.values():
            threads.shutdown()

    def _answer_next(self, lane: str) -> None:
        """Answer the next batch of waiting queries; there may be none left."""
        waiting = self._waiting[lane]  # only this thread takes from it
        batch = [waiting.get() for _ in range(min(waiting.qsize(), _TOGETHER[lane]))]
        self._answer([each for each in batch if each[1].set_running_or_notify_cancel()])

    def _answer(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        try:
            answers = self.searcher.search_many([request for request, _ in batch])
        except Exception as error:  # a bug, a network without a text encoder, a missing index
            if len(batch) == 1:
                batch[0][1].set_exception(error)
            else:  # perhaps only one query is at fault
                for each in batch:
                    self._answer([each])
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if isinstance(answer, ArtsimError):
                future.set_exception(answer)
            else:
                future.set_result(answer)
