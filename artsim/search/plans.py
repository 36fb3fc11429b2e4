"""A request made ready for one index: vectors, the rows that come into request, the limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.errors import ArtsimError, SearchError
from artsim.index import unit
from artsim.search.backend import SearchBackend
from artsim.search.conditions import Condition
from artsim.search.matches import Query
from artsim.search.methods import Method, cosines, joined
from artsim.search.opened import Opened
from artsim.search.picking import best, pick
from artsim.search.relations import check_relations, relations
from artsim.search.requests import SearchRequest
from artsim.search.terms import Encoded
from artsim.search.works import Works

_DEEPER = 4  # times as many candidates are looked at where limits leave too few
_CANCELLED = 1e-6  # the length of a sum of unit vectors that is none

Rows = NDArray[np.int64]
# Terms by the index that they are compared in and their identity.
Vocabulary = dict[tuple[Opened, int], Encoded | ArtsimError]


@dataclass(frozen=True)
class SearchPlan:
    """What is to be compared with what."""

    request: SearchRequest
    methods: Sequence[Method]
    queries: tuple[Query, ...]  # a term each
    vectors: Sequence[NDArray[np.float32]]  # of each method, (T, D): one, or one a term
    conditions: Sequence[Condition]  # of the request and its relations
    rows: Rows | None  # those of several methods that meet the conditions; None: not listed here
    searched: int  # how many rows meet the conditions
    missing: int  # rows that another index lacks
    left_out: frozenset[int]  # rows of the queries, or excluded
    caps: Sequence[tuple[NDArray[np.int64], int]]  # see `pick`
    backend: SearchBackend

    @property
    def is_plain(self) -> bool:
        """Whether the search index answers it: one vector, one tap, every row."""
        return self.by_backend and self.request.where is None and not self.conditions

    @property
    def by_backend(self) -> bool:
        """Whether the backend compares: one vector and one tap of the index itself."""
        return _is_of_backend(self.request, self.methods)

    @property
    def depth(self) -> int:
        """How many candidates are probably enough."""
        return (self.request.k + len(self.left_out)) * (_DEEPER if self.caps else 1)

    @property
    def has_words(self) -> bool:
        """Whether text is a query, which is never as similar to images as they are."""
        return any(term.text is not None for term in self.request.terms)

    @property
    def by(self) -> str:
        """What it is compared by, for people."""
        if not self.request.by:
            return self.methods[0].tap + (" of tiles" if self.request.details else "")
        return ", ".join(f"{each.name}={each.weight:g}" for each in self.request.by)

    def choose(self, nearest: Rows | None) -> Rows:
        """Choose the rows of the answer, best first.

        Args:
            nearest: What the search index gave, best first; None if it was not searched.
        """
        k = self.request.k
        if nearest is not None:
            taken = pick(nearest, k, left_out=self.left_out, caps=self.caps)
            if len(taken) == k or len(nearest) == self.searched:
                return nearest[taken]
        if not self.searched:
            return np.empty(0, dtype=np.int64)
        if not self.by_backend:
            scores = cosines(self.methods, self.vectors, self.rows).sum(0).max(0)  # (n,)
        depth = self.depth
        while True:
            if self.by_backend:
                rows = self._nearest(depth)
            else:
                places = best(scores, depth)
                rows = places if self.rows is None else self.rows[places]
            taken = pick(rows, k, left_out=self.left_out, caps=self.caps)
            if len(taken) == k or depth >= self.searched:
                return rows[taken]
            depth *= _DEEPER

    def scores(self, rows: Rows) -> NDArray[np.float32]:
        """Return each method's part of the score of some rows, shape (W, T, n)."""
        if not self.by_backend:
            return cosines(self.methods, self.vectors, rows)
        vectors = self.backend.vectors(self.methods[0].tap, rows)  # (n, D)
        scores: NDArray[np.float32] = np.vecdot(vectors, self.vectors[0])
        return scores[None, None]

    def _nearest(self, depth: int) -> Rows:
        ((_, rows),) = self.backend.nearest(
            self.methods[0].tap,
            self.vectors[0],
            min(depth, self.searched),
            where=self.request.where,
            conditions=self.conditions,
            exact=True,
        )
        return rows


def _is_of_backend(request: SearchRequest, methods: Sequence[Method]) -> bool:
    one = len(methods) == 1 and (len(request.terms) == 1 or not request.best_of_each)
    return one and methods[0].joined is None and not request.details


def make_plan(
    request: SearchRequest, methods: Sequence[Method], encoded: Vocabulary, home: Opened
) -> SearchPlan:
    """Put together what was encoded with what the conditions leave.

    Raises:
        SearchError: If a term or a condition is not of this index, or the terms cancel out.
        ImageError: If a term's picture is none.
    """
    works = home.works
    terms = [[encoded[method.index, id(term)] for term in request.terms] for method in methods]
    own: list[list[Encoded]] = []
    for each in terms:
        for term in each:
            if isinstance(term, ArtsimError):
                raise term
        own.append([term for term in each if isinstance(term, Encoded)])
    # Of an index that is compared by but not searched, works have other rows, and are not shown.
    at_home = next((n for n, method in enumerate(methods) if method.joined is None), None)
    queries = tuple(term.query for term in own[at_home or 0])
    if at_home is None:
        queries = tuple(_at_home(query, works) for query in queries)
    vectors = [
        _combine([term.vectors[method.tap] for term in each], request)
        for method, each in zip(methods, own, strict=True)
    ]
    excluded = [works.row(id_) for id_ in request.exclude]
    conditions = [*request.conditions, *relations(request, queries, works)]
    both = joined(methods)
    rows = None
    if _is_of_backend(request, methods):
        searched = home.backend.count(request.where, conditions)
    else:
        rows = works.filter.rows(request.where, conditions)
        searched = works.store.rows if rows is None else len(rows)
    missing = 0
    if both is not None:
        every = np.arange(works.store.rows) if rows is None else rows
        rows = np.intersect1d(every, both, assume_unique=True)
        searched, missing = len(rows), len(every) - len(rows)
    query_rows = [query.row for query in queries if query.row is not None]
    caps = [(works.groups(column), most) for column, most in request.max_per.items()]
    return SearchPlan(
        request=request,
        methods=methods,
        queries=queries,
        vectors=vectors,
        conditions=conditions,
        rows=rows,
        searched=searched,
        missing=missing,
        left_out=frozenset((*query_rows, *excluded)),
        caps=caps,
        backend=home.backend,
    )


def check_conditions(request: SearchRequest, works: Works) -> None:
    """Refuse conditions and limits that no query could make right.

    Raises:
        SearchError: If one is on a column or an id that is not there, or cannot be read.
    """
    for id_ in request.exclude:
        works.row(id_)
    for column in request.max_per:
        works.groups(column)
    works.filter.rows(request.where, request.conditions)
    check_relations(request, works)


def _at_home(query: Query, works: Works) -> Query:
    """Find in the searched index a work that was found in another."""
    if query.row is None:
        return query
    row = works.row(query.name)
    ((_, image, metadata),) = works.known([row])
    return replace(query, row=row, image=image, metadata=metadata)


def _combine(vectors: Sequence[NDArray[np.float32]], request: SearchRequest) -> NDArray[np.float32]:
    """Weight unit vectors and add them up: (1, D), of length 1; or keep each: (T, D)."""
    if request.best_of_each:
        return np.stack(vectors)
    weights = np.array([term.weight for term in request.terms])
    weights = (weights / np.abs(weights).max()).astype(np.float32)  # float32 holds less far
    total = weights @ np.stack(vectors)  # (D,)
    if np.linalg.norm(total) < _CANCELLED * np.abs(weights).sum():
        raise SearchError("the terms cancel each other out; change a weight or leave one out")
    return unit(total[None])
