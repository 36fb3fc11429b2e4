"""A search answer: the queries, and the works similar to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Box

if TYPE_CHECKING:
    from artsim.search.methods import Method


@dataclass(frozen=True)
class Match:
    """A work of the index, and how similar to the query it is."""

    rank: int  # from 1
    id: str
    score: float  # cosine, or the weighted mean of several; at most 1
    percentile: float | None  # of random pairs that are no more similar; None of words
    image: str  # a path that opens from here, or an URL
    metadata: dict[str, Any] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)  # of the score, by aspect: its sum
    box: Box | None = None  # the place of the detail that was compared, in per cent


@dataclass(frozen=True)
class Query:
    """A term of the request, found."""

    name: str  # an id, a path or words, for people
    image: str | None = None  # a path that opens from here, or an URL
    row: int | None = None  # in the index, where the query is given by id
    metadata: dict[str, Any] = field(default_factory=dict)  # as far as the index knows it
    weight: float = 1.0
    box: Box | None = None


@dataclass(frozen=True)
class SearchAnswer:
    """The matches of a request, best first."""

    queries: tuple[Query, ...]  # a term each, in order
    matches: tuple[Match, ...]  # none if nothing meets the conditions, or nothing is similar enough
    by: str  # the tap, or the aspects with their weights
    searched: int  # works that meet the conditions, and were compared
    best_of_each: bool = False  # a match of any one query counts, not of all together
    missing: int = 0  # works that would too, but that another index of the aspects lacks
    nothing: str = ""  # why there is no match, in words
    methods: tuple[Method, ...] = field(default=(), repr=False, compare=False)  # it was compared by
    # What was looked for, of each method: (T, D), one vector or one a term.
    vectors: tuple[NDArray[np.float32], ...] = field(default=(), repr=False, compare=False)

    @property
    def name(self) -> str:
        """The queries, in one line."""
        texts, joint = [], " or " if self.best_of_each else " + "
        for place, query in enumerate(self.queries):
            weight = "" if abs(query.weight) == 1 else f"{abs(query.weight):g} * "
            sign = " - " if query.weight < 0 else joint if place else ""
            texts.append(f"{sign}{weight}{query.name}{f' ({query.box})' if query.box else ''}")
        return "".join(texts).removeprefix(" ")
