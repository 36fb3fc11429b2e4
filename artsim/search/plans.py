"""A request prepared for one index: query vectors, the rows that may match, the limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Box, tile_boxes
from artsim.errors import ArtsimError, SearchError
from artsim.index import unit
from artsim.search.backend import SearchBackend, best
from artsim.search.conditions import Condition
from artsim.search.groups import ValueGroups
from artsim.search.methods import Method, Opened, joined
from artsim.search.relations import check_relations, relations
from artsim.search.requests import Query, SearchRequest
from artsim.search.terms import Encoded
from artsim.search.works import Works

_DEEPER = 4  # times as many candidates where limits leave too few
_CANCELLED = 1e-6  # a sum of unit vectors this short is zero

Rows = NDArray[np.int64]
# Terms by the index that they are compared in and their identity.
Vocabulary = dict[tuple[Opened, int], Encoded | ArtsimError]


@dataclass(frozen=True)
class SearchPlan:
    """What to compare with what."""

    request: SearchRequest
    methods: Sequence[Method]
    queries: tuple[Query, ...]  # one per term
    vectors: Sequence[NDArray[np.float32]]  # by method, (T, D): one for all terms or one per term
    conditions: Sequence[Condition]  # of the request and its relations
    rows: Rows | None  # rows that several methods compare; None: all, or the backend finds them
    searched: int  # how many rows meet the conditions
    missing: int  # rows that another index lacks
    unknown: Mapping[str, int]  # rows without a value, by the column of a condition
    left_out: frozenset[int]  # rows of the queries, and excluded ones
    skipped: int  # how many of these meet the conditions
    caps: Sequence[tuple[ValueGroups, int]]  # see `pick`
    backend: SearchBackend

    @property
    def is_plain(self) -> bool:
        """Whether an approximate index may answer it: one vector, one tap, every row."""
        one = self.by_one_tap and len(self.vectors[0]) == 1 and not self.request.details
        return one and self.request.where is None and not self.conditions

    @property
    def by_one_tap(self) -> bool:
        """Whether it is compared by one tap of the index itself, so that its backend ranks."""
        (first, *others) = self.methods
        return not others and first.joined is None and first.records is None

    @property
    def depth(self) -> int:
        """How many candidates are probably enough."""
        return (self.request.k + len(self.left_out)) * (_DEEPER if self.caps else 1)

    @property
    def has_text(self) -> bool:
        """Whether text is a query: it is less similar to any picture than pictures are."""
        return any(term.text is not None for term in self.request.terms)

    @property
    def is_text(self) -> bool:
        """Whether it is one query of text alone, compared with whole pictures."""
        whole = self.by_one_tap and len(self.vectors[0]) == 1 and not self.request.details
        return whole and all(term.text is not None for term in self.request.terms)

    @property
    def by(self) -> str:
        """The tap or the aspects, as shown to people."""
        if not self.request.by:
            return self.methods[0].tap + (" of tiles" if self.request.details else "")
        by = ", ".join(f"{each.name}={each.weight:g}" for each in self.request.by)
        found = next((each.records for each in self.methods if each.records is not None), None)
        return by if found is None else f"{by} of {', '.join(found.columns)}"

    def choose(self, nearest: Rows | None) -> Rows:
        """Choose the rows of the answer, best first.

        Args:
            nearest: Rows that the backend has found already, best first.
        """
        ranked = self._nearest if self.by_one_tap else self._ranked()
        depth = min(self.depth, self.searched)
        candidates = ranked(depth) if nearest is None else nearest
        while True:
            taken = pick(candidates, self.request.k, left_out=self.left_out, caps=self.caps)
            enough = len(taken) == self.request.k or len(candidates) == self.searched
            if enough or depth > self.searched:
                return taken
            depth *= _DEEPER
            candidates = ranked(depth)

    def scores(self, rows: Rows | None) -> NDArray[np.float32]:
        """Return each method's part of the score of some rows, or of all, shape (W, T, n)."""
        by_method = zip(self.methods, self.vectors, strict=True)
        return np.stack([each.share * each.cosines(own, rows) for each, own in by_method])

    def boxes(self, terms: Rows, rows: Rows) -> list[Box]:
        """Return the box of each row's tile that is most similar to a query.

        Args:
            terms: The query for each row, shape (k,).
            rows: Shape (k,).
        """
        (method,), (vectors,) = self.methods, self.vectors
        nearest = np.vecdot(method.vectors(rows), vectors[terms][:, None]).argmax(axis=1)  # (k,)
        boxes = tile_boxes(method.index.store.manifest.tiles)
        return [boxes[tile] for tile in nearest.tolist()]

    def _nearest(self, depth: int) -> Rows:
        """Return the rows nearest to any of the queries, best first."""
        nearest = self.backend.nearest(
            self.methods[0].tap,
            self.vectors[0],
            min(depth, self.searched),
            where=self.request.where,
            conditions=self.conditions,
            exact=True,
            tiles=self.request.details,
        )
        if len(nearest) == 1:
            return nearest[0][1]
        scores, rows = (np.concatenate(each) for each in zip(*nearest, strict=True))
        rows = rows[np.lexsort((rows, -scores))]
        _, first = np.unique(rows, return_index=True)  # a row is found by several queries
        return rows[np.sort(first)][:depth]

    def _ranked(self) -> Callable[[int], Rows]:
        """Compare by several methods; return a function that gives the best rows."""
        scores = self.scores(self.rows).sum(0).max(0)  # (n,)

        def ranked(depth: int) -> Rows:
            places = best(scores, depth)
            return places if self.rows is None else self.rows[places]

        return ranked


def make_plan(
    request: SearchRequest, methods: Sequence[Method], encoded: Vocabulary, home: Opened
) -> SearchPlan:
    """Combine the encoded terms with the conditions.

    Raises:
        SearchError: If a term or a condition is not of this index, or the terms cancel out.
        ImageError: If a term's picture cannot be read.
    """
    own: list[list[Encoded]] = [[] for _ in methods]
    for method, found in zip(methods, own, strict=True):
        for term in request.terms:
            each = encoded[method.index, id(term)]
            if isinstance(each, ArtsimError):
                raise each
            found.append(each)
    # In another index, the works of the terms have other rows.
    at_home = next((n for n, method in enumerate(methods) if method.joined is None), None)
    queries = tuple(term.query for term in own[at_home or 0])
    if at_home is None:
        queries = tuple(_at_home(query, home.backend) for query in queries)
    vectors = [
        _combine(_vectors(request, each, method), request, method)
        for method, each in zip(methods, own, strict=True)
    ]
    excluded = [home.backend.find(id_) for id_ in request.exclude]
    conditions = [*request.conditions, *relations(request, queries, home)]
    searched, missing = home.backend.count(request.where, conditions), 0
    rows = None
    if len(methods) > 1 or at_home is None or methods[0].records is not None:
        rows = home.backend.keys(request.where, conditions)
        both = joined(methods)
        if both is not None:
            rows = both if rows is None else np.intersect1d(rows, both, assume_unique=True)
            searched, missing = len(rows), searched - len(rows)
    query_rows = [query.row for query in queries if query.row is not None]
    left_out = frozenset((*query_rows, *excluded))
    met = home.backend.keys(request.where, conditions) if rows is None else rows
    caps = [(home.works.groups(column), most) for column, most in request.max_per.items()]
    return SearchPlan(
        request=request,
        methods=methods,
        queries=queries,
        vectors=vectors,
        conditions=conditions,
        rows=rows,
        searched=searched,
        missing=missing,
        unknown=home.works.filter.unknown(request.where, conditions),
        left_out=left_out,
        skipped=len(left_out) if met is None else int(np.isin(met, [*left_out]).sum()),
        caps=caps,
        backend=home.backend,
    )


def with_columns(request: SearchRequest, works: Works) -> SearchRequest:
    """Return a request with the columns that it names as the index has them."""
    return replace(
        request,
        text_columns=tuple(map(works.named, request.text_columns)),
        not_same=tuple(map(works.named, request.not_same)),
        years=request.years and works.named(request.years),
        max_per={works.named(name): most for name, most in request.max_per.items()},
    )


def check_conditions(request: SearchRequest, index: Opened) -> None:
    """Check conditions and limits, whatever the query.

    Raises:
        SearchError: If a column or an id is unknown, or a condition cannot be read.
    """
    for id_ in request.exclude:
        index.backend.find(id_)
    for column in request.max_per:
        index.works.groups(column)
    index.backend.count(request.where, request.conditions)
    check_relations(request, index)


def _at_home(query: Query, backend: SearchBackend) -> Query:
    """Find a work of another index in the searched one."""
    if query.row is None:
        return query
    row = backend.find(query.name)
    ((_, image, metadata),) = backend.known([row])
    return replace(query, row=row, image=image, metadata=metadata)


def _vectors(
    request: SearchRequest, encoded: Sequence[Encoded], method: Method
) -> list[NDArray[np.float32] | None]:
    """Return each term's vector, (D,); None of words for a tap, or of a picture for records."""
    if method.records is None:
        return [each.vectors.get(method.tap) for each in encoded]
    records = method.records
    return [
        records.text(term.text)
        if term.text is not None
        else None
        if each.row is None
        else records.record(each.row)
        for term, each in zip(request.terms, encoded, strict=True)
    ]


def _combine(
    vectors: Sequence[NDArray[np.float32] | None], request: SearchRequest, method: Method
) -> NDArray[np.float32]:
    """Return the weighted sum of unit vectors, scaled to length 1: (1, D); or each: (T, D)."""
    known = [
        (term, each)
        for term, each in zip(request.terms, vectors, strict=True)
        if each is not None and (method.records is None or each.any())
    ]
    if not known:
        raise SearchError(_nothing_known(request, method))
    nothing = np.zeros_like(known[0][1])
    if request.best_of_each:
        return np.stack([nothing if each is None else each for each in vectors])
    weights = np.array([term.weight for term, _ in known])
    weights = (weights / np.abs(weights).max()).astype(np.float32)  # float32 would overflow
    total = weights @ np.stack([each for _, each in known])  # (D,)
    if np.linalg.norm(total) < _CANCELLED * np.abs(weights).sum():
        raise SearchError("the terms cancel each other out; change a weight or leave one out")
    return unit(total[None])


def _nothing_known(request: SearchRequest, method: Method) -> str:
    names = ", ".join(term.label for term in request.terms)
    if method.records is None:
        return (
            f"{names} cannot be compared by {method.name}, as it is no picture; add a picture or "
            "the id of a work, or compare by text alone"
        )
    columns = ", ".join(method.records.columns)
    return (
        f"{names} has no words that a record has in {columns}; search by the id of a work or with "
        "other words (--text), or leave text out of --by"
    )


def pick(
    rows: Rows, k: int, *, left_out: Collection[int], caps: Sequence[tuple[ValueGroups, int]]
) -> Rows:
    """Take up to k rows, best first.

    Args:
        rows: Best first.
        k: How many at most.
        left_out: Rows that are not taken.
        caps: The groups of the works, and how many may be taken from one; a work may be in none.
    """
    taken: list[int] = []
    counts = [Counter[int]() for _ in caps]
    numbers = [each.of(rows) for each, _ in caps]  # (n,) each, by cap
    for place, row in enumerate(rows.tolist()):
        if len(taken) == k:
            break
        if row in left_out:
            continue
        groups = [int(each[place]) for each in numbers]
        limited = zip(groups, counts, caps, strict=True)
        if any(group >= 0 and count[group] >= most for group, count, (_, most) in limited):
            continue
        for group, count in zip(groups, counts, strict=True):
            count[group] += 1
        taken.append(row)
    return np.array(taken, dtype=np.int64)
