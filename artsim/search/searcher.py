"""Search an index by similarity, and place each score among random pairs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import percentile
from artsim.errors import ArtsimError, EvaluationError, ImageError, SearchError
from artsim.index import unit
from artsim.search.backend import SearchBackend
from artsim.search.background import TEXTS, Background
from artsim.search.encoder import Encoder
from artsim.search.methods import Method, Opened, find_methods, joined
from artsim.search.percentiles import Groups, Rows, Scores, Vectors, remembered
from artsim.search.plans import SearchPlan, Vocabulary, check_conditions, make_plan, with_columns
from artsim.search.requests import Match, Query, SearchAnswer, SearchRequest
from artsim.search.terms import Encoded, encode
from artsim.search.works import Works
from artsim.store import Store

_PAIRS_KEPT = 64  # combinations of methods whose random pairs are kept: 160 kB each


class Searcher:
    """An open index that answers requests. Safe to use from several threads.

    What a request needs is read once and kept: the metadata, the vectors (memory-mapped), the
    search index, the network. Later changes of the index are not seen.

    Args:
        store: The index.
        tap: The tap to compare by, unless a request names others; the first if None.
        others: Other indexes of the same works, by the names that aspects use for them.
        encoder: Embeds pictures and text; the index's own network if None.
        gpu: The number of the GPU for searches without conditions; the CPU if None.
        workers: Threads that decode pictures.
        backend: Makes the backend that searches the vectors; FAISS over the folder if None.

    Raises:
        StoreError: If there is no such tap.

    Example:
        >>> searcher = Searcher(Store.open(Path("indexes/paintings")))
        >>> searcher.search(SearchRequest(terms=(Term(id="0304b5def7"),), k=5)).matches
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
        backend: Callable[[Works], SearchBackend] | None = None,
    ) -> None:
        self.store = store
        self.tap = store.tap(tap).name
        self._opened = Opened(store, encoder, gpu=gpu, backend=backend)
        self._others = dict(others or {})
        self._workers = workers
        self._pairs: dict[tuple[tuple[str, float], ...], Scores | None] = {}
        self._texts: dict[str, NDArray[np.float32]] = {}  # of the background, by tap
        self._drawing = threading.Lock()

    @property
    def works(self) -> Works:
        """The works of the index, with their metadata."""
        return self._opened.works

    @property
    def backend(self) -> SearchBackend:
        """What compares the vectors of the index."""
        return self._opened.backend

    def search(self, request: SearchRequest) -> SearchAnswer:
        """Answer a request.

        There are fewer than k matches only if fewer works meet the conditions. Under a condition
        every work that meets it is compared; without one the backend may be approximate.

        Raises:
            SearchError: If this index cannot answer the request.
            EvaluationError: If it uses a derived label that can no longer be computed.
            ImageError: If a picture cannot be read.
            ModelError: If the network is needed and cannot be loaded, or has no text encoder.
            PassportError: If the network is not the one that made the index.
        """
        (answer,) = self.search_many([request])
        if isinstance(answer, ArtsimError):
            raise answer
        return answer

    def search_many(self, requests: Sequence[SearchRequest]) -> list[SearchAnswer | ArtsimError]:
        """Answer several requests; pictures are embedded, and vectors compared, together.

        Returns:
            For each request the answer, or its error.

        Raises:
            ModelError: If the network is needed and cannot be loaded, or has no text encoder.
            StoreError: If the network is not the one that made the index, or the index is damaged.
            SearchError: If the index is empty.
        """
        if not self.store.rows:
            raise SearchError(f"{str(self.store)!r} has no pictures; see 'artsim info'")
        requests = [with_columns(request, self.works) for request in requests]
        results: dict[int, SearchAnswer | ArtsimError] = {}
        methods: dict[int, list[Method]] = {}
        plans: dict[int, SearchPlan] = {}
        for number, request in enumerate(requests):
            with _noting(results, number):
                methods[number] = find_methods(request, self.tap, self._opened, self._others)
        encoded = self._encode([(requests[number], each) for number, each in methods.items()])
        for number, each in methods.items():
            with _noting(results, number):
                plans[number] = make_plan(requests[number], each, encoded, self._opened)
        nearest = self._nearest([plan for plan in plans.values() if plan.is_plain])
        for number, plan in plans.items():
            with _noting(results, number):
                results[number] = self._answer(plan, nearest.get(id(plan)))
        return [results[number] for number in range(len(requests))]

    def check(self, request: SearchRequest) -> None:
        """Check the taps, columns and ids that a request names, before any picture is read.

        Raises:
            SearchError: If a tap, a column, a condition or an excluded id is not of this index.
            EvaluationError: If it uses a derived label that can no longer be computed.
        """
        request = with_columns(request, self.works)
        find_methods(request, self.tap, self._opened, self._others)
        check_conditions(request, self._opened)

    def _encode(self, requested: Sequence[tuple[SearchRequest, list[Method]]]) -> Vocabulary:
        """Encode every term once for each index that it is compared in."""
        pairs = [(request, method) for request, methods in requested for method in methods]
        encoded: Vocabulary = {}
        by_text = [request for request, method in pairs if method.records is not None]
        words = {id(term) for request in by_text for term in request.terms if term.text is not None}
        for index in dict.fromkeys(method.index for _, method in pairs):
            own = [(request, method) for request, method in pairs if method.index is index]
            every = {id(term): term for request, _ in own for term in request.terms}
            # Words that are compared with records need no network.
            encoded |= {
                (index, key): Encoded(Query(term.label, weight=term.weight), {})
                for key, term in every.items()
                if key in words
            }
            terms = {key: term for key, term in every.items() if key not in words}
            taps = list(dict.fromkeys(each.tap for _, each in own if each.records is None))
            done = encode(index, list(terms.values()), taps, workers=self._workers)
            encoded |= {(index, key): each for key, each in zip(terms, done, strict=True)}
        return encoded

    def _nearest(self, plans: Sequence[SearchPlan]) -> dict[int, Rows]:
        """Search for all plain plans at once, tap by tap."""
        found: dict[int, Rows] = {}
        for tap in {plan.methods[0].tap for plan in plans}:
            together = [plan for plan in plans if plan.methods[0].tap == tap]
            depth = min(max(plan.depth for plan in together), self.store.rows)
            queries = np.concatenate([plan.vectors[0] for plan in together])
            nearest = self._opened.backend.nearest(tap, queries, depth)
            for plan, (_, rows) in zip(together, nearest, strict=True):
                found[id(plan)] = rows
        return found

    # --- answer ---------------------------------------------------------------------------

    def _answer(self, plan: SearchPlan, nearest: Rows | None) -> SearchAnswer:
        request = plan.request
        pairs = self._random_pairs(plan)
        if pairs is None and request.min_percentile is not None:
            raise SearchError(
                "text together with pictures has no percentile, because pictures are less similar "
                "to any text than to each other; leave out --min-percentile"
                if plan.has_text
                else f"{str(self.store)!r} has too few works for percentiles"
            )
        rows = plan.choose(nearest)
        parts = plan.scores(rows)  # (W, T, k)
        term = parts.sum(0).argmax(0)  # (k,): the query that each row is most similar to
        parts = np.take_along_axis(parts, term[None, None], 1)[:, 0]  # (W, k)
        scores = np.minimum(parts.sum(0, dtype=np.float32), 1).tolist()
        names = [method.name for method in plan.methods] if request.by else []
        cosines = parts / np.array([[method.share] for method in plan.methods])  # (W, k)
        boxes = plan.boxes(term, rows) if request.details else [None] * len(rows)
        matches = [
            Match(
                rank=place + 1,
                id=id_,
                score=scores[place],
                percentile=None if pairs is None else pairs.percentile(scores[place]),
                image=image,
                metadata=metadata,
                shares=dict(zip(names, parts[:, place].tolist(), strict=False)),
                box=boxes[place],
                cosines=dict(zip(names, cosines[:, place].tolist(), strict=False)),
            )
            for place, (id_, image, metadata) in enumerate(plan.backend.known(rows.tolist()))
        ]
        least = request.min_percentile or 0
        good = tuple(m for m in matches if m.percentile is None or m.percentile >= least)
        return SearchAnswer(
            queries=plan.queries,
            matches=good,
            by=plan.by,
            searched=plan.searched,
            left_out=plan.skipped,
            best_of_each=request.best_of_each,
            missing=plan.missing,
            unknown=plan.unknown,
            nothing="" if good else _nothing(matches, request),
            relations=tuple(plan.conditions[len(request.conditions) :]),
            methods=tuple(plan.methods),
            vectors=tuple(plan.vectors),
        )

    def _random_pairs(self, plan: SearchPlan) -> Scores | None:
        """Return the scores of random pairs by the same methods; None if nothing is comparable."""
        if plan.has_text:
            return self._random_texts(plan) if plan.is_text else None
        key = tuple(
            (f"{method.name}{':tiles' * method.details}{plan.request.text_columns}", method.share)
            for method in plan.methods
        )
        return self._once(key, lambda: self._draw(plan.methods))

    def _once(
        self, key: tuple[tuple[str, float], ...], draw: Callable[[], Scores | None]
    ) -> Scores | None:
        """Draw scores, or return those that were drawn for a key before."""
        with self._drawing:
            if key not in self._pairs:
                if len(self._pairs) == _PAIRS_KEPT:
                    del self._pairs[next(iter(self._pairs))]
                self._pairs[key] = draw()
            return self._pairs[key]

    def _random_texts(self, plan: SearchPlan) -> Scores | None:
        """Return the scores of random texts, as many as the query has, with works."""
        (method,) = plan.methods
        weights = [term.weight for term in plan.request.terms]
        largest = max(map(abs, weights))
        works = Background(self.store.rows, weights)

        def draw() -> Scores:
            self._texts = self._texts or self._opened.encoder.embed_texts(TEXTS)
            return works.compare(unit(self._texts[method.tap]), method.vectors)

        def keep() -> Scores:
            return remembered(self.store, f"{method.tap}.text", works.pairs, draw)

        key = tuple((f"{method.tap}:text", weight / largest) for weight in weights)
        return self._once(key, keep if len(weights) == 1 else draw)

    def _draw(self, methods: Sequence[Method]) -> Scores | None:
        rows = joined(methods)
        count = self.store.rows if rows is None else len(rows)
        if count < 2:
            return None
        tiles = self.store.manifest.tiles**2 if any(each.details for each in methods) else 1
        groups = Groups.of(count, tiles)

        def read(works: Rows) -> Vectors:
            own = works if rows is None else rows[works]
            parts = [(each.share, each.vectors(own), each.records) for each in methods]
            return [
                (share, part if records else part.reshape(len(own), tiles, -1))
                for share, part, records in parts
            ]

        def draw() -> Scores:
            return groups.compare(read, max(1, sum(each.numbers for each in methods)))

        if len(methods) == 1 and methods[0].index is self._opened and not methods[0].records:
            name = methods[0].tap + (".tiles" if methods[0].details else "")
            return remembered(self.store, name, groups.pairs, draw)
        return draw()


def _nothing(matches: Sequence[Match], request: SearchRequest) -> str:
    if not matches:
        return "No match: no other work meets the conditions"
    nearest = matches[0]
    rank = percentile(nearest.percentile or 0)
    return (
        f"No good match: the nearest, {nearest.id}, is at percentile {rank} of random pairs, "
        f"below the minimum of {request.min_percentile:g}"
    )


@contextmanager
def _noting(results: dict[int, SearchAnswer | ArtsimError], number: int) -> Iterator[None]:
    """Take the error of one request as its result; the others go on."""
    try:
        yield
    except (SearchError, EvaluationError, ImageError) as error:
        results[number] = error
