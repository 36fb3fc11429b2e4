"""Messages of the JSON interface: queries as on the command line, with conditions as data."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from artsim.datatypes import Box
from artsim.duplicates import DuplicateKind
from artsim.search import Aspect, Condition, Op, SearchRequest, Term

Text = Annotated[str, Field(max_length=2000)]
Percent = Annotated[float, Field(ge=0, le=100)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Refused(BaseModel):
    """Why a request is refused, in one line."""

    error: str


class TermIn(_Message):
    """A part of a query: exactly one of id, text, upload and url."""

    id: Text | None = None
    text: Text | None = None
    upload: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    url: Text | None = None
    name: Annotated[str, Field(max_length=200)] | None = None
    weight: float = 1.0
    crop: tuple[Percent, Percent, Percent, Percent] | None = Field(
        None, description="x, y, width and height of a detail, in percent of the picture"
    )

    def as_term(self, data: bytes | None) -> Term:
        """Return the term for the library; data is an uploaded or fetched picture."""
        return Term(
            id=self.id,
            text=self.text,
            data=data,
            name=None if data is None else self.name or self.url or "uploaded picture",
            weight=self.weight,
            box=Box(*self.crop, percent=True) if self.crop else None,
        )


class ConditionIn(_Message):
    """A column, a comparison and its value."""

    column: Text
    op: Op
    value: Text | float | Annotated[tuple[Text | float, ...], Field(max_length=1000)] | None = None


class AspectIn(_Message):
    """A tap to compare by, or text for the words of the records, and its weight."""

    name: Text
    weight: float = 1.0


class FacetsIn(_Message):
    """What the works must meet, to be shown and counted."""

    conditions: Annotated[tuple[ConditionIn, ...], Field(max_length=64)] = ()
    find: Annotated[str, Field(max_length=200)] = Field(
        "", description="Words that are somewhere in the record"
    )
    lasso: Annotated[tuple[tuple[float, float], ...], Field(max_length=500)] = Field(
        (), description="Corners of an area of the map"
    )

    relations: Annotated[tuple[ConditionIn, ...], Field(max_length=64)] = Field(
        (), description="More conditions, which the counts of their own column follow, too"
    )

    def as_conditions(self) -> tuple[Condition, ...]:
        """Return the conditions for the library."""
        return tuple(Condition(**dict(each)) for each in self.conditions)


class SearchIn(FacetsIn):
    """A query and its options. The server sets further limits."""

    terms: tuple[TermIn, ...]
    k: Annotated[int, Field(ge=1)] = 24
    offset: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="Matches before the first that is wanted: 0, k, 2k and so on. All pages, the "
        "first one with offset 0, are cut from one ranking, so no match is twice or missing",
    )
    any: bool = Field(
        False, description="Rank by the closest term instead of the mean of all terms"
    )
    details: bool = Field(
        False, description="Compare with the tiles of each work, if the index has them"
    )
    by: Annotated[tuple[AspectIn, ...], Field(max_length=16)] = ()
    text_columns: Annotated[tuple[Text, ...], Field(max_length=16)] = ()
    not_same: Annotated[tuple[Text, ...], Field(max_length=16)] = ()
    earlier_than: int | Text | None = None
    contemporary: int | None = None
    years: Text | None = None
    max_per: Annotated[dict[Text, int], Field(max_length=16)] = {}
    exclude: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    min_percentile: Percent | None = None

    def as_request(
        self, terms: tuple[Term, ...], conditions: tuple[Condition, ...]
    ) -> SearchRequest:
        """Return the request for the library, under conditions."""
        options = dict(self) | {
            "terms": terms,
            "best_of_each": self.any,
            "by": tuple(Aspect(**dict(each)) for each in self.by),
            "conditions": conditions,
        }
        names = {field.name for field in fields(SearchRequest)}
        return SearchRequest(**{name: options[name] for name in names & options.keys()})


class ValuesIn(FacetsIn):
    """A part of the values of a column that are looked for."""

    column: Text
    containing: Text


class BrowseIn(FacetsIn):
    """A page of the works that meet conditions, in an order drawn by the seed."""

    offset: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 48
    seed: int | None = Field(0, ge=0, description="null keeps the order of the index")


class MapIn(FacetsIn):
    """Conditions on the works, and what colors them."""

    label: Text | None = Field(None, description="A column or a derived label to color by")


Ids = Annotated[tuple[Text, ...], Field(max_length=1000)]
Name = Annotated[str, Field(min_length=1, max_length=90)]
UNNAMED = "Concept"  # one without a name


class MarksIn(_Message):
    """Works that show a concept, and works that do not."""

    positive: Ids
    negative: Ids = ()


class RankedIn(MarksIn, FacetsIn):
    """Marks, and which works are exported."""

    k: Annotated[int, Field(ge=1)] | None = Field(
        None, description="The likeliest works without a mark; null: all works, with their marks"
    )
    marked: bool = Field(False, description="Works marked as positive are among the likeliest")
    name: Name = Field(UNNAMED, description="The heading of a page")


class TeachIn(MarksIn, FacetsIn):
    """Marks, and which works are ranked."""

    k: Annotated[int, Field(ge=1)] = 36
    ask: Annotated[int, Field(ge=0, le=50)] = Field(0, description="Works to mark next")


class ConceptIn(MarksIn):
    """Marks to save as a concept."""

    name: Name
    replaces: bool = Field(False, description="Replace the concept or set of this name")


class DuplicatesIn(_Message):
    """A page of the groups of duplicates."""

    kind: DuplicateKind | None = None
    offset: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=50)] = 12
    look: bool = Field(False, description="Look for duplicates if nobody has yet")


class DecisionsIn(_Message):
    """What was decided about works of groups of duplicates, by their ids."""

    keep: Annotated[tuple[Text, ...], Field(max_length=20_000)] = ()
    different: Annotated[tuple[Text, ...], Field(max_length=20_000)] = Field(
        (), description="Works that are no duplicate of the others of their group"
    )


class SetIn(_Message):
    """Works that were collected."""

    name: Name
    ids: Ids
    replaces: bool = Field(False, description="Replace the concept or set of this name")


class WhyIn(SearchIn):
    """A query, and the match to explain."""

    match: Text = Field(description="The id of a work")
