"""Messages of the JSON interface: the queries of the command line, with conditions as data."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from artsim.datatypes import Box
from artsim.search import Aspect, Condition, Op, SearchRequest, Term

Text = Annotated[str, Field(max_length=2000)]
Percent = Annotated[float, Field(ge=0, le=100)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class TermIn(_Message):
    """A part of a query: exactly one of id, text, upload and url."""

    id: Text | None = None
    text: Text | None = None
    upload: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    url: Text | None = None
    name: Annotated[str, Field(max_length=200)] | None = None
    weight: float = 1.0
    crop: tuple[Percent, Percent, Percent, Percent] | None = Field(
        None, description="x, y, width and height of a detail, in per cent of the picture"
    )

    def as_term(self, data: bytes | None) -> Term:
        """Return the library's term; data is what was uploaded or fetched."""
        box = Box(*self.crop, percent=True) if self.crop else None
        return Term(
            id=self.id,
            text=self.text,
            data=data,
            name=None if data is None else self.name or self.url or "uploaded picture",
            weight=self.weight,
            box=box,
        )


class ConditionIn(_Message):
    """A column, a comparison and its value."""

    column: Text
    op: Op
    value: Text | float | Annotated[tuple[Text | float, ...], Field(max_length=1000)] | None = None

    def as_condition(self) -> Condition:
        """Return the condition for the library."""
        return Condition(self.column, self.op, self.value)


class AspectIn(_Message):
    """A method of comparison, and its weight."""

    name: Text
    weight: float = 1.0


class SearchIn(_Message):
    """A query and its options. The server sets further limits."""

    terms: tuple[TermIn, ...]
    k: Annotated[int, Field(ge=1)] = 24
    any: bool = Field(
        False, description="Rank by the closest term instead of the mean of all terms"
    )
    details: bool = Field(
        False, description="Compare with the tiles of each work, where the index has them"
    )
    by: Annotated[tuple[AspectIn, ...], Field(max_length=16)] = ()
    conditions: Annotated[tuple[ConditionIn, ...], Field(max_length=64)] = ()
    not_same: Annotated[tuple[Text, ...], Field(max_length=16)] = ()
    earlier_than: int | Text | None = None
    contemporary: int | None = None
    years: Text | None = None
    max_per: Annotated[dict[Text, int], Field(max_length=16)] = {}
    exclude: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    min_percentile: Percent | None = None

    def as_request(self, terms: tuple[Term, ...]) -> SearchRequest:
        """Return the request for the library."""
        return SearchRequest(
            terms=terms,
            k=self.k,
            best_of_each=self.any,
            details=self.details,
            by=tuple(Aspect(each.name, each.weight) for each in self.by),
            conditions=tuple(each.as_condition() for each in self.conditions),
            not_same=self.not_same,
            earlier_than=self.earlier_than,
            contemporary=self.contemporary,
            years=self.years,
            max_per=self.max_per,
            exclude=self.exclude,
            min_percentile=self.min_percentile,
        )


class FacetsIn(_Message):
    """Conditions on the works whose values are counted."""

    conditions: Annotated[tuple[ConditionIn, ...], Field(max_length=64)] = ()


class BrowseIn(FacetsIn):
    """A page of the works that meet conditions, in an order drawn by the seed."""

    offset: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 48
    seed: int | None = Field(0, ge=0, description="null keeps the order of the index")


class MapIn(FacetsIn):
    """Conditions on the works, and the label that colors them."""

    label: Text | None = Field(None, description="A column or a derived label")


class WhyIn(SearchIn):
    """A query, and the match to explain."""

    match: Text = Field(description="Id of a work")
