"""What the JSON interface answers, for its description: answers are not checked as they are sent.

The names of fields are those of the page; see `artsim.server.messages` for what is sent to it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


def answers_with(model: Any) -> dict[str, Any]:
    """Return the options of a route whose answers are described by a model."""
    return {"response_model": None, "responses": {200: {"model": model}}}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CaptionedOut(_Answer):
    """A record, and the title, artist and date found in it; empty if there is none."""

    title: str
    artist: str
    date: str
    metadata: dict[str, Any] = Field(description="The record, by the index's columns")


class WorkOut(CaptionedOut):
    """A work, and the size of its picture in pixels."""

    id: str
    width: int
    height: int


class OtherPictureOut(_Answer):
    """Another picture of a work, as far as duplicates are known."""

    id: str
    title: str
    artist: str
    date: str
    kind: str


class PictureFileOut(_Answer):
    """A work's own file."""

    format: str | None
    bytes: int | None


class WholeWorkOut(WorkOut):
    """A work with all that is known of it."""

    accession: str
    credit: str
    rights: str
    link: str = Field(description="The museum's page")
    iiif: str
    captioned: list[str] = Field(description="The columns that title, artist and date are from")
    others: list[OtherPictureOut]
    file: PictureFileOut
    predicted: list[str] = Field(description="Columns that artsim has predicted")


class MatchOut(WorkOut):
    """A work that is similar to a query."""

    rank: int
    score: float = Field(description="The similarity: a cosine, or the weighted sum of several")
    percentile: float | None = Field(description="Of random pairs, those less similar, in percent")
    shares: dict[str, float] = Field(description="The similarity by each tap")
    box: str | None = Field(description="The detail that matches, as x,y,width,height in percent")


class SearchMatchOut(MatchOut):
    """A match of a search."""

    evidence: float | None = Field(description="Of details that were checked: parts that agree")


class QueryOut(CaptionedOut):
    """A part of a query."""

    name: str
    work: bool = Field(description="It is a work of the index")
    weight: float
    crop: str | None


class FoundOut(_Answer):
    """The matches of a query, the most similar first."""

    name: str
    by: str = Field(description="What works are compared by, with weights if it is several")
    rows: int = Field(description="Works of the index")
    searched: int = Field(description="Works that meet the conditions")
    left_out: int = Field(description="Works of the query, and those that it excludes")
    missing: int = Field(description="Works that are not in another index that it compares by")
    unknown: dict[str, int] = Field(description="Works without a value, by the conditions' columns")
    nothing: str = Field(description="Why there is no match")
    relations: list[dict[str, Any]]
    queries: list[QueryOut]
    matches: list[SearchMatchOut]


class VerifiedOut(_Answer):
    """How far the search for matching parts is, and its answer when it is ready."""

    state: Literal["looking", "ready", "failed"]
    done: int
    works: int
    reason: str
    answer: FoundOut | None


class BrowsedOut(_Answer):
    """A page of works."""

    rows: int = Field(description="Works of the index")
    total: int = Field(description="Works that meet the conditions")
    unknown: dict[str, int]
    nothing: str = Field(description="Why there is no work")
    instead: str = Field(description="Words that are there and look like those that are not")
    works: list[WorkOut]


class ValueOut(_Answer):
    """A value and the works that have it."""

    value: str
    count: int


class FacetOut(_Answer):
    """The values of a column: each with its count, or bars over a range of numbers."""

    column: str
    type: str
    missing: int = Field(description="Works without a value")
    values: list[ValueOut] | None = None
    more: int | None = Field(None, description="Values that are not listed")
    low: float | None = None
    high: float | None = None
    bars: list[int] | None = None
    whole: bool | None = Field(None, description="All numbers are whole")


class UploadedOut(_Answer):
    """An uploaded picture: its key for queries, and its size in pixels."""

    upload: str
    width: int
    height: int


class TapOut(_Answer):
    """A layer that works are compared by."""

    name: str
    title: str
    pooling: str
    dim: int


class ColumnOut(_Answer):
    """A column of the catalog, or a derived label."""

    name: str
    type: str


class IndexOut(_Answer):
    """An index and what it can do."""

    name: str
    rows: int
    model: str
    taps: list[TapOut]
    fields: list[ColumnOut]
    years: list[str] = Field(description="Columns that hold years, as relations in time know them")
    colors: list[str] = Field(description="What the map can be colored by")
    words: bool = Field(description="Its model knows words")
    pictures: bool = Field(description="It can be searched by pictures")
    tiles: int = Field(description="Tiles per side of each picture; 0: none")
    map: tuple[int, int] | None
    verifies: bool
    urls: bool = Field(description="Pictures on the web are fetched")
    saves: bool = Field(description="This visitor may save sets and concepts")
    path: str
    collection: str


class MapOut(_Answer):
    """The works on the map, each at the same place of every list."""

    ids: list[str]
    x: list[float]
    y: list[float]
    met: list[int] | None = Field(description="1: it meets the conditions")
    values: list[Any] | None = Field(description="The class or number of each work")
    classes: list[str]
    others: int = Field(description="Values without a color of their own")
    ordered: bool
    low: float | None
    high: float | None
    ends: list[str]


class GroupOut(_Answer):
    """A group of neighbors on the map."""

    name: str
    x: float
    y: float
    works: int


class PartOut(_Answer):
    """A picture with the regions that made the match."""

    name: str
    whole: bool
    image: str = Field(description="A JPEG as a data address")


class WhyOut(_Answer):
    """What makes a work similar to a query."""

    parts: list[PartOut]
    shares: dict[str, float]
    score: float
    percentile: float | None


class TaughtOut(_Answer):
    """What a concept ranks first, and the works it is least sure of."""

    rows: int
    searched: int
    yes: int
    matches: list[MatchOut]
    ask: list[MatchOut]


class SavedConceptOut(_Answer):
    """A concept and its marks."""

    name: str
    positive: list[str]
    negative: list[str]
    created: str


class LearnedOut(_Answer):
    """A concept that was saved: its two columns, and how well it predicts marks left out."""

    name: str
    score: str
    yes: int
    rows: int
    held_out: dict[str, Any] | None


class DeletedOut(_Answer):
    """What was deleted."""

    deleted: str


class NewSetOut(_Answer):
    """A set that was saved, and its number of works."""

    name: str
    works: int


class SavedSetOut(_Answer):
    """A set and its works."""

    name: str
    ids: list[str]


class PairOut(_Answer):
    """Two pictures that may be of one work."""

    first: str
    second: str
    kind: str
    bits: int | None
    score: float | None
    transform: str | None


class DuplicatesOut(_Answer):
    """A group of duplicates; of a large one, the first works."""

    number: int
    kind: str
    lowest: float | None
    highest: float | None
    size: int
    works: list[WorkOut]
    pairs: list[PairOut]


class DuplicateGroupsOut(_Answer):
    """A page of groups, or how far the search for them is."""

    state: Literal["none", "looking", "ready", "too many", "failed"]
    step: str
    done: int
    works: int
    reason: str
    rows: int
    total: int
    kinds: dict[str, int] = {}
    groups: list[DuplicatesOut]
