"""Questions of many visitors, answered together: one thread a lane asks for all who wait.

Questions that need the network (pictures, words) have a lane of their own, so that one by id never
waits behind them. What comes in while a lane is busy is its next batch.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass

from artsim.errors import ArtsimError
from artsim.search import Answer, Question, Searcher

__all__ = ["Asker"]

_TOGETHER = {"ids": 64, "pictures": 16}  # questions answered at once


@dataclass(frozen=True)
class _Asked:
    question: Question
    answer: Future[Answer]


class Asker:
    """Answers questions of many threads to one index.

    Args:
        searcher: The index, open.
    """

    def __init__(self, searcher: Searcher) -> None:
        self.searcher = searcher
        self._lanes: dict[str, queue.SimpleQueue[_Asked | None]] = {
            lane: queue.SimpleQueue() for lane in _TOGETHER
        }
        self._threads = [
            threading.Thread(target=self._work, args=(lane,), daemon=True, name=f"artsim {lane}")
            for lane in self._lanes
        ]
        for thread in self._threads:
            thread.start()

    def ask(self, question: Question) -> Future[Answer]:
        """Ask; the future gives the answer, or raises why there is none."""
        asked = _Asked(question, Future())
        stored = all(term.id is not None and term.box is None for term in question.terms)
        self._lanes["ids" if stored else "pictures"].put(asked)
        return asked.answer

    def close(self) -> None:
        """End the threads when they have answered what was asked."""
        for lane in self._lanes.values():
            lane.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self, lane: str) -> None:
        waiting = self._lanes[lane]
        while (first := waiting.get()) is not None:
            batch, closing = [first], False
            while len(batch) < _TOGETHER[lane] and not waiting.empty():
                another = waiting.get()
                if another is None:
                    closing = True
                    break
                batch.append(another)
            self._answer([each for each in batch if each.answer.set_running_or_notify_cancel()])
            if closing:
                return

    def _answer(self, batch: list[_Asked]) -> None:
        if not batch:
            return
        try:
            answers = self.searcher.ask_many([each.question for each in batch])
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
