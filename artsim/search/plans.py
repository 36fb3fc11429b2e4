"""A question made ready for one index: vectors, the rows that come into question, the limits."""

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
from artsim.search.opened import Opened
from artsim.search.picking import best, pick
from artsim.search.questions import Question
from artsim.search.relations import check_relations, relations
from artsim.search.terms import Encoded
from artsim.search.ways import Way, cosines, joined
from artsim.search.works import Works

__all__ = ["Plan", "Vocabulary", "check_conditions", "make_plan"]

_DEEPER = 4  # times as many candidates are looked at where limits leave too few
_CANCELLED = 1e-6  # the length of a sum of unit vectors that is none

Rows = NDArray[np.int64]
# Terms by the index that they are compared in and their identity.
Vocabulary = dict[tuple[Opened, int], Encoded | ArtsimError]


@dataclass(frozen=True)
class Plan:
    """What is to be compared with what."""

    question: Question
    ways: Sequence[Way]
    queries: tuple[Query, ...]  # a term each
    vectors: Sequence[NDArray[np.float32]]  # of each way, (T, D): one, or one a term
    conditions: Sequence[Condition]  # of the question and its relations
    rows: Rows | None  # those of several methods that meet the conditions; None: not listed here
    searched: int  # how many rows meet the conditions
    missing: int  # rows that another index lacks
    left_out: frozenset[int]  # rows asked by, or excluded
    caps: Sequence[tuple[NDArray[np.int64], int]]  # see `pick`
    backend: SearchBackend

    @property
    def is_plain(self) -> bool:
        """Whether the search index answers it: one vector, one tap, every row."""
        return self.by_backend and self.question.where is None and not self.conditions

    @property
    def by_backend(self) -> bool:
        """Whether the backend compares: one vector and one tap of the index itself."""
        return _is_of_backend(self.question, self.ways)

    @property
    def depth(self) -> int:
        """How many candidates are probably enough."""
        return (self.question.k + len(self.left_out)) * (_DEEPER if self.caps else 1)

    @property
    def has_words(self) -> bool:
        """Whether words are looked for, which are never as like to pictures as these are."""
        return any(term.text is not None for term in self.question.terms)

    @property
    def by(self) -> str:
        """What it is compared by, for people."""
        if not self.question.by:
            return self.ways[0].tap + (" of tiles" if self.question.details else "")
        return ", ".join(f"{each.name}={each.weight:g}" for each in self.question.by)

    def choose(self, nearest: Rows | None) -> Rows:
        """Choose the rows of the answer, best first.

        Args:
            nearest: What the search index gave, best first; None if it was not asked.
        """
        k = self.question.k
        if nearest is not None:
            taken = pick(nearest, k, left_out=self.left_out, caps=self.caps)
            if len(taken) == k or len(nearest) == self.searched:
                return nearest[taken]
        if not self.searched:
            return np.empty(0, dtype=np.int64)
        if not self.by_backend:
            scores = cosines(self.ways, self.vectors, self.rows).sum(0).max(0)  # (n,)
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
            return cosines(self.ways, self.vectors, rows)
        vectors = self.backend.vectors(self.ways[0].tap, rows)  # (n, D)
        return np.vecdot(vectors, self.vectors[0])[None, None]  # type: ignore[no-any-return]  # numpy's stub gives Any

    def _nearest(self, depth: int) -> Rows:
        ((_, rows),) = self.backend.nearest(
            self.ways[0].tap,
            self.vectors[0],
            min(depth, self.searched),
            where=self.question.where,
            conditions=self.conditions,
            exact=True,
        )
        return rows


def _is_of_backend(question: Question, ways: Sequence[Way]) -> bool:
    one = len(ways) == 1 and (len(question.terms) == 1 or not question.best_of_each)
    return one and ways[0].joined is None and not question.details


def make_plan(question: Question, ways: Sequence[Way], encoded: Vocabulary, asked: Opened) -> Plan:
    """Put together what was encoded with what the conditions leave.

    Raises:
        SearchError: If a term or a condition is not of this index, or the terms cancel out.
        ImageError: If a term's picture is none.
    """
    works = asked.works
    terms = [[encoded[way.index, id(term)] for term in question.terms] for way in ways]
    own: list[list[Encoded]] = []
    for each in terms:
        for term in each:
            if isinstance(term, ArtsimError):
                raise term
        own.append([term for term in each if isinstance(term, Encoded)])
    # Of an index that is not asked but compared by, works have other rows, and are not shown.
    at_home = next((n for n, way in enumerate(ways) if way.joined is None), None)
    queries = tuple(term.query for term in own[at_home or 0])
    if at_home is None:
        queries = tuple(_at_home(query, works) for query in queries)
    vectors = [
        _combine([term.vectors[way.tap] for term in each], question)
        for way, each in zip(ways, own, strict=True)
    ]
    excluded = [works.row(id_) for id_ in question.exclude]
    conditions = [*question.conditions, *relations(question, queries, works)]
    both = joined(ways)
    rows = None
    if _is_of_backend(question, ways):
        searched = asked.backend.count(question.where, conditions)
    else:
        rows = works.filter.rows(question.where, conditions)
        searched = works.store.rows if rows is None else len(rows)
    missing = 0
    if both is not None:
        every = np.arange(works.store.rows) if rows is None else rows
        rows = np.intersect1d(every, both, assume_unique=True)
        searched, missing = len(rows), len(every) - len(rows)
    asked_by = [query.row for query in queries if query.row is not None]
    caps = [(works.groups(column), most) for column, most in question.max_per.items()]
    return Plan(
        question=question,
        ways=ways,
        queries=queries,
        vectors=vectors,
        conditions=conditions,
        rows=rows,
        searched=searched,
        missing=missing,
        left_out=frozenset((*asked_by, *excluded)),
        caps=caps,
        backend=asked.backend,
    )


def check_conditions(question: Question, works: Works) -> None:
    """Refuse conditions and limits that no work asked by could make right.

    Raises:
        SearchError: If one is on a column or an id that is not there, or cannot be read.
    """
    for id_ in question.exclude:
        works.row(id_)
    for column in question.max_per:
        works.groups(column)
    works.filter.rows(question.where, question.conditions)
    check_relations(question, works)


def _at_home(query: Query, works: Works) -> Query:
    """Find in the index asked a work that was found in another."""
    if query.row is None:
        return query
    row = works.row(query.name)
    ((_, image, metadata),) = works.known([row])
    return replace(query, row=row, image=image, metadata=metadata)


def _combine(vectors: Sequence[NDArray[np.float32]], question: Question) -> NDArray[np.float32]:
    """Weight unit vectors and add them up: (1, D), of length 1; or keep each: (T, D)."""
    if question.best_of_each:
        return np.stack(vectors)
    weights = np.array([term.weight for term in question.terms])
    weights = (weights / np.abs(weights).max()).astype(np.float32)  # float32 holds less far
    total = weights @ np.stack(vectors)  # (D,)
    if np.linalg.norm(total) < _CANCELLED * np.abs(weights).sum():
        raise SearchError("the terms cancel each other out; change a weight or leave one out")
    return unit(total[None])
