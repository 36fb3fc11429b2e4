"""Ask an index: what is like this, under which conditions, and how unusual such a likeness is."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Box, tile_boxes
from artsim.errors import ArtsimError, EvaluationError, ImageError, SearchError
from artsim.search.backend import SearchBackend
from artsim.search.chance import Chance, random_pairs, remembered
from artsim.search.encoder import Encoder
from artsim.search.matches import Answer, Match
from artsim.search.opened import Opened
from artsim.search.plans import Plan, Vocabulary, check_conditions, make_plan
from artsim.search.questions import Question, Term
from artsim.search.terms import encode
from artsim.search.ways import Way, find_ways, joined
from artsim.search.works import Works
from artsim.store import Store

__all__ = ["Searcher"]

_CHANCES = 64  # ways to compare whose random pairs are kept: 160 kB each

Rows = NDArray[np.int64]


class Searcher:
    """An open index that answers questions. Safe to ask from several threads.

    What a question needs is read once and kept: the metadata, the vectors (memory-mapped), the
    search index, the network. It answers for the index as it was opened.

    Args:
        store: The index.
        tap: By which of its vectors, unless a question says otherwise; the first if None.
        others: Other indexes of the same works, by the names that aspects use for them.
        encoder: Turns pictures and words into vectors; the index's own network if None.
        gpu: The number of the GPU that vectors are compared on where every work comes into
            question; the CPU if None.
        workers: Threads that decode pictures.
        backend: Where the vectors are searched; FAISS over the folder if None.

    Raises:
        StoreError: If there is no such tap.

    Example:
        >>> searcher = Searcher(Store.open(Path("indexes/paintings")))
        >>> searcher.ask(Question(terms=(Term(id="0304b5def7"),), k=5)).matches
    """

    def __init__(
        self,
        store: Store,
        *,
        tap: str | None = None,
        others: Mapping[str, Opened] | None = None,
        encoder: Encoder | None = None,
        gpu: int | None = None,
        workers: int = 1,
        backend: SearchBackend | None = None,
    ) -> None:
        self.store = store
        self.tap = store.tap(tap).name
        self._opened = Opened(store, encoder, gpu=gpu, backend=backend)
        self._others = dict(others or {})
        self._workers = workers
        self._chances: dict[tuple[tuple[str, float], ...], Chance | None] = {}
        self._drawing = threading.Lock()

    @property
    def works(self) -> Works:
        """The works of the index, and what is known of each."""
        return self._opened.works

    def ask(self, question: Question) -> Answer:
        """Answer a question.

        There are fewer than k matches only where fewer works meet the conditions. Under a
        condition every work that meets it is compared; without one the search index is asked.

        Raises:
            SearchError: If the question cannot be answered by this index.
            EvaluationError: If it asks for a derived label that cannot be computed any more.
            ImageError: If a picture is none.
            ModelError: If the network is needed and cannot be loaded, or knows no words.
            PassportError: If it is not the one that made the index.
        """
        (answer,) = self.ask_many([question])
        if isinstance(answer, ArtsimError):
            raise answer
        return answer

    def ask_many(self, questions: Sequence[Question]) -> list[Answer | ArtsimError]:
        """Answer several questions; pictures are embedded, and vectors compared, together.

        Returns:
            For each question the answer, or why there is none.

        Raises:
            ModelError: If the network is needed and cannot be loaded, or knows no words.
            StoreError: If it is not the one that made the index, or the index is damaged.
            SearchError: If the index is empty.
        """
        if not self.store.rows:
            raise SearchError(f"{str(self.store.path)!r} holds no picture; see 'artsim info'")
        results: dict[int, Answer | ArtsimError] = {}
        ways: dict[int, list[Way]] = {}
        plans: dict[int, Plan] = {}
        for number, question in enumerate(questions):
            with _noting(results, number):
                ways[number] = find_ways(
                    question.by, self.tap, self._opened, self._others, details=question.details
                )
        encoded = self._encode([(questions[number], each) for number, each in ways.items()])
        for number, each in ways.items():
            with _noting(results, number):
                plans[number] = make_plan(questions[number], each, encoded, self._opened)
        nearest = self._nearest([plan for plan in plans.values() if plan.is_plain])
        for number, plan in plans.items():
            with _noting(results, number):
                results[number] = self._answer(plan, nearest.get(id(plan)))
        return [results[number] for number in range(len(questions))]

    def check(self, question: Question) -> None:
        """Refuse what no index like this could answer, whatever the pictures: taps and columns.

        Raises:
            SearchError: If a tap, a column, a condition or an id left out is not of this index.
            EvaluationError: If it asks for a derived label that cannot be computed any more.
        """
        find_ways(question.by, self.tap, self._opened, self._others, details=question.details)
        check_conditions(question, self.works)

    def _encode(self, asked: Sequence[tuple[Question, list[Way]]]) -> Vocabulary:
        """Encode every term once for each index that it is compared in."""
        terms: dict[Opened, dict[int, Term]] = {}
        taps: dict[Opened, dict[str, None]] = {}
        for question, ways in asked:
            for way in ways:
                terms.setdefault(way.index, {}).update({id(term): term for term in question.terms})
                taps.setdefault(way.index, {})[way.tap] = None
        encoded: Vocabulary = {}
        for index, own in terms.items():
            done = encode(index, list(own.values()), list(taps[index]), workers=self._workers)
            encoded |= {(index, key): each for key, each in zip(own, done, strict=True)}
        return encoded

    def _nearest(self, plans: Sequence[Plan]) -> dict[int, Rows]:
        """Ask the search index for those that need no more, all at once a tap."""
        found: dict[int, Rows] = {}
        for tap in {plan.ways[0].tap for plan in plans}:
            together = [plan for plan in plans if plan.ways[0].tap == tap]
            depth = min(max(plan.depth for plan in together), self.store.rows)
            queries = np.concatenate([plan.vectors[0] for plan in together])
            nearest = self._opened.backend.nearest(tap, queries, depth)
            for plan, (_, rows) in zip(together, nearest, strict=True):
                found[id(plan)] = rows
        return found

    # --- answer ---------------------------------------------------------------------------

    def _answer(self, plan: Plan, nearest: Rows | None) -> Answer:
        question = plan.question
        chance = self._chance(plan)
        if chance is None and question.min_percentile is not None:
            raise SearchError(
                "words have no percentile, for pictures are never as like to words as to each "
                "other; leave out --min-percentile"
                if plan.has_words
                else f"{str(self.store.path)!r} has too few works for percentiles"
            )
        rows = plan.choose(nearest)
        parts = plan.scores(rows)  # (W, T, k)
        term = parts.sum(0).argmax(0)  # (k,)
        parts = np.take_along_axis(parts, term[None, None], 1)[:, 0]  # (W, k)
        known = self._opened.backend.known(rows.tolist())
        boxes = self._boxes(plan, term, rows)
        matches = []
        for rank, (own, (id_, image, metadata), box) in enumerate(
            zip(parts.T, known, boxes, strict=True), 1
        ):
            score = min(float(own.sum()), 1.0)
            percentile = chance.percentile(score) if chance else None
            shares = dict(zip((way.name for way in plan.ways), own.tolist(), strict=True))
            matches.append(
                Match(
                    rank,
                    id_,
                    score,
                    percentile,
                    image,
                    metadata,
                    shares if question.by else {},
                    box,
                )
            )
        good = tuple(each for each in matches if _is_good(each, question))
        return Answer(
            queries=plan.queries,
            matches=good,
            by=plan.by,
            searched=plan.searched,
            missing=plan.missing,
            nothing="" if good else _nothing(matches, question),
            ways=tuple(plan.ways),
            vectors=tuple(plan.vectors),
        )

    def _boxes(self, plan: Plan, terms: Rows, rows: Rows) -> list[Box | None]:
        """Say where in each work the detail lies that is most like its term; None of whole works.

        Args:
            plan: Of the question.
            terms: The vector that each row is most like, shape (k,).
            rows: The matches, shape (k,).
        """
        if not plan.question.details:
            return [None] * len(rows)
        (way,), (vectors,) = plan.ways, plan.vectors
        tiles, boxes = way.index.tiles(way.tap), tile_boxes(self.store.manifest.tiles)
        return [
            boxes[int(tiles.cosines(vectors[term], rows[place : place + 1]).argmax())]
            for place, term in enumerate(terms.tolist())
        ]

    def _chance(self, plan: Plan) -> Chance | None:
        """How like random works are by the same ways; None if that cannot be compared."""
        if plan.has_words:
            return None
        key = tuple((way.name + ":tiles" * way.details, way.share) for way in plan.ways)
        with self._drawing:
            if key not in self._chances:
                if len(self._chances) == _CHANCES:
                    del self._chances[next(iter(self._chances))]
                self._chances[key] = self._draw(plan)
            return self._chances[key]

    def _draw(self, plan: Plan) -> Chance | None:
        ways = plan.ways
        rows = joined(ways)
        count = self.store.rows if rows is None else len(rows)
        if count < 2:
            return None

        def draw() -> NDArray[np.float32]:
            first, second = random_pairs(count)
            if rows is not None:
                first, second = rows[first], rows[second]
            return np.sum([way.share * way.pairs(first, second) for way in ways], axis=0)  # type: ignore[no-any-return]  # numpy's stub gives Any

        if len(ways) == 1 and ways[0].index is self._opened:
            name = ways[0].tap + (".tiles" if ways[0].details else "")
            return remembered(self.store, name, draw)
        return Chance(draw())


def _is_good(match: Match, question: Question) -> bool:
    return match.percentile is None or match.percentile >= (question.min_percentile or 0)


def _nothing(matches: Sequence[Match], question: Question) -> str:
    if not matches:
        return "No match: no other work meets the conditions"
    nearest = matches[0]
    return (
        f"No good match: the nearest, {nearest.id}, is at percentile {nearest.percentile:.4g} of "
        f"random pairs, below the {question.min_percentile:g} asked for"
    )


@contextmanager
def _noting(results: dict[int, Answer | ArtsimError], number: int) -> Iterator[None]:
    """Take what is wrong with one question as its result; the others go on."""
    try:
        yield
    except (SearchError, EvaluationError, ImageError) as error:
        results[number] = error
