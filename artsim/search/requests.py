"""A search request: pictures, works and text under conditions; and its answer."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Box
from artsim.errors import SearchError
from artsim.search.conditions import Condition

if TYPE_CHECKING:
    from artsim.search.methods import Method

_AGAINST = re.compile(r'(?:^|(?<=\s))-(?:"([^"]+)"|([^\W\d_]\S*))')  # -sea, -"stormy sky"
_MOST_YEARS = 1_000_000  # between two works: more than any are apart, and safe to add


@dataclass(frozen=True, kw_only=True)
class Term:
    """A part of a query: one of id, file, data, text or vector, and how much it counts.

    Raises:
        SearchError: If it is none or several of these, or its weight is zero or not finite.
    """

    id: str | None = None  # a work of the index
    file: Path | None = None  # a picture on this machine
    data: bytes | None = None  # a picture's file, as it was uploaded or fetched
    text: str | None = None  # for models with a text encoder
    vector: NDArray[np.floating] | None = field(default=None, compare=False)  # (D,), of any length
    name: str | None = None  # of the data, shown to people
    weight: float = 1.0  # below zero: away from it
    box: Box | None = None  # a detail of the picture

    def __post_init__(self) -> None:
        """Check the values."""
        given = (self.id, self.file, self.data, self.text, self.vector)
        if sum(each is not None for each in given) != 1:
            raise SearchError("a term is one of id, file, data, text or vector; give exactly one")
        if not math.isfinite(self.weight) or not self.weight:
            raise SearchError(
                f"the weight of {self.label} is {self.weight:g}; give a number that is not zero"
            )
        if self.text is not None and not self.text.strip():
            raise SearchError("the text is empty; give some words")
        if self.box is not None and (self.text is not None or self.vector is not None):
            raise SearchError(f"a box is a detail of a picture, not of {self.label}")

    @property
    def label(self) -> str:
        """What it is called: the id, the path, the name of the data, or the text in quotes."""
        if self.vector is not None:
            return self.name or "the vector"
        if self.text is not None:
            return f"“{self.text}”"
        return self.name or self.id or str(self.file or "the picture")


def read_words(text: str) -> tuple[Term, ...]:
    """Read words; those with a - before them, alone or in quotes, count against a work.

    Example:
        >>> read_words('a boat -sea -"stormy sky"')  # the weights 1, -1 and -1
    """
    against = [quoted or word for quoted, word in _AGAINST.findall(text)]
    rest = " ".join(_AGAINST.sub(" ", text).split()) if against else text
    positive = (Term(text=rest),) if rest.strip() or not against else ()
    return (*positive, *(Term(text=each, weight=-1.0) for each in against))


@dataclass(frozen=True)
class Aspect:
    """One of several methods to compare by, and how much it counts.

    The name is a tap of the index, such as ``palette``; a pooling (``gem``) that only one tap has;
    ``style`` for the only Gram tap, ``content`` for the only tap that is neither Gram nor palette;
    ``INDEX:TAP`` for a tap of another index of the same works, as the searcher names it; ``image``
    for the searcher's own tap; or ``text`` for the words of the records, see ``text_columns`` of a
    request. Where text is compared by, words are compared with the records, pictures with pictures,
    and works of the index with both.
    """

    name: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """What to search for, how to compare, and which works may match.

    Works with a missing value never match a condition on that column, and are not limited by
    ``max_per``.
    """

    terms: tuple[Term, ...]
    k: int = 10
    best_of_each: bool = False  # rank by the closest query instead of the mean of all queries
    by: tuple[Aspect, ...] = ()  # the searcher's own tap if empty
    text_columns: tuple[str, ...] = ()  # of the aspect text; all columns of text if empty
    details: bool = False  # compare with each work's tiles; not with by
    where: str | None = None  # SQL; only from people who may read the index
    conditions: tuple[Condition, ...] = ()  # all of them must be met
    not_same: tuple[str, ...] = ()  # columns that must not share a value with a query
    earlier_than: int | str | None = None  # a year, or the id of a work
    contemporary: int | None = None  # years between a work and the queries, at most
    years: str | None = None  # the column for these two; found by its type or name if None
    max_per: Mapping[str, int] = field(default_factory=dict)  # matches of one value of a column
    exclude: tuple[str, ...] = ()  # ids
    min_percentile: float | None = None  # of random pairs; a lower one is no match

    def __post_init__(self) -> None:
        """Check the values."""
        if self.k < 1:
            raise SearchError(f"k must be at least 1, got {self.k}")
        if not any(term.weight > 0 for term in self.terms):
            raise SearchError("the query is empty; give a picture, an id or text")
        if self.best_of_each and any(term.weight != 1 for term in self.terms):
            raise SearchError(
                "ranking by the closest query takes no weights and no --minus; leave them out, "
                "or rank by the mean"
            )
        for aspect in self.by:
            if not (math.isfinite(aspect.weight) and aspect.weight > 0):
                raise SearchError(
                    f"the aspect {aspect.name!r} has the weight {aspect.weight:g}; give a number "
                    "above zero"
                )
        for column, most in self.max_per.items():
            if most < 1:
                raise SearchError(f"at least 1 match per {column} can be shown, got {most}")
        if self.contemporary is not None and not 0 <= self.contemporary <= _MOST_YEARS:
            raise SearchError(
                f"contemporary within {self.contemporary} years; give 0 to {_MOST_YEARS:,}"
            )
        if self.min_percentile is not None and not 0 <= self.min_percentile <= 100:
            raise SearchError(f"a percentile is between 0 and 100, got {self.min_percentile:g}")


@dataclass(frozen=True)
class Match:
    """A work of the index, and how similar to the query it is."""

    rank: int  # from 1
    id: str
    score: float  # cosine, or the weighted mean of several; at most 1
    percentile: float | None  # of random pairs that are no more similar; None if not comparable
    image: str | None  # a path that opens from here, or a URL; None: see `Store.roots`
    metadata: dict[str, Any] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)  # by aspect; they sum to the score
    box: Box | None = None  # the detail that was compared, in percent
    cosines: dict[str, float] = field(default_factory=dict)  # by aspect, without its weight
    evidence: float | None = None  # that it contains the query, if that was verified


@dataclass(frozen=True)
class Query:
    """A term of the request, as it was found."""

    name: str  # an id, a path or the text, shown to people
    image: str | None = None  # a path that opens from here, or an URL
    row: int | None = None  # in the index, for a query by id
    metadata: dict[str, Any] = field(default_factory=dict)  # if it is a work of the index
    weight: float = 1.0
    box: Box | None = None


@dataclass(frozen=True)
class SearchAnswer:
    """The matches of a request, best first."""

    queries: tuple[Query, ...]  # one per term, in order
    matches: tuple[Match, ...]  # empty if no work meets the conditions or is similar enough
    by: str  # the tap, or the aspects with their weights
    searched: int  # works that meet the conditions, and were compared
    best_of_each: bool = False  # ranked by the closest query
    left_out: int = 0  # of these: works of the query, and excluded ones
    missing: int = 0  # works that meet the conditions but are not in another index compared by
    unknown: Mapping[str, int] = field(default_factory=dict)  # see `RowFilter.unknown`
    nothing: str = ""  # why there is no match, as a sentence
    relations: tuple[Condition, ...] = ()  # what the request's relations are for its queries
    methods: tuple[Method, ...] = field(default=(), repr=False, compare=False)  # compared by
    # The query vectors by method: (T, D), one for all terms or one per term.
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
