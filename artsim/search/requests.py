"""A search request: images, works and text, added and subtracted, under conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from artsim.datatypes import Box
from artsim.errors import SearchError
from artsim.search.conditions import Condition

_MOST_YEARS = 1_000_000  # between two works: older than any, and no number is too large to add


@dataclass(frozen=True, kw_only=True)
class Term:
    """A part of a request: one of id, file, data or text, and how much it counts.

    Raises:
        SearchError: If it is none or several of these, or its weight is zero or not finite.
    """

    id: str | None = None  # a work of the index
    file: Path | None = None  # a picture on this machine
    data: bytes | None = None  # a picture's file, as it was uploaded or fetched
    text: str | None = None  # words, for models that have them
    name: str | None = None  # of the data, for people
    weight: float = 1.0  # below zero: away from it
    box: Box | None = None  # a detail of the picture

    def __post_init__(self) -> None:
        """Refuse what cannot be searched for."""
        given = [each is not None for each in (self.id, self.file, self.data, self.text)]
        if sum(given) != 1:
            raise SearchError("a term is one of id, file, data or text; give exactly one")
        if not math.isfinite(self.weight) or not self.weight:
            raise SearchError(
                f"the weight of {self.label} is {self.weight:g}; give a number that is not zero"
            )
        if self.text is not None and not self.text.strip():
            raise SearchError("the text is empty; give some words")
        if self.text is not None and self.box is not None:
            raise SearchError(f"a box is a detail of a picture, not of {self.label}")

    @property
    def label(self) -> str:
        """What it is called: the id, the path, the name of the data, or the words in quotes."""
        if self.text is not None:
            return f"“{self.text}”"
        return self.name or self.id or str(self.file or "the picture")


@dataclass(frozen=True)
class Aspect:
    """One of several methods to compare, and how much it counts.

    The name is a tap of the index, such as ``palette``; its pooling (``gem``) where only one tap
    has it; ``style`` for the only Gram tap and ``content`` for the only one that is neither that
    nor the palette; or ``INDEX:TAP`` for a tap of another index of the same works, by the name
    under which the searcher was given it.
    """

    name: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """What is looked for, where, and what an answer must be like.

    A condition on a column that a work has no value for is not met. Of the limits in
    ``max_per``, works without a value count as all different.
    """

    terms: tuple[Term, ...]
    k: int = 10
    best_of_each: bool = False  # rank by the closest query instead of the mean of all queries
    by: tuple[Aspect, ...] = ()  # the searcher's own tap if empty
    details: bool = False  # compare with each work's tiles; not with by
    where: str | None = None  # SQL; of people who may read the index
    conditions: tuple[Condition, ...] = ()  # all of them are to be met
    not_same: tuple[str, ...] = ()  # columns that must not share a value with a query
    earlier_than: int | str | None = None  # a year, or the id of a work
    contemporary: int | None = None  # years between a work and the queries, at most
    years: str | None = None  # the column for these two; found by its type or name if None
    max_per: Mapping[str, int] = field(default_factory=dict)  # matches of one value of a column
    exclude: tuple[str, ...] = ()  # ids
    min_percentile: float | None = None  # of random pairs; what is below is no match

    def __post_init__(self) -> None:
        """Refuse what no index could answer."""
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
