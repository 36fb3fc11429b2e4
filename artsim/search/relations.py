"""Conditions that depend on the queries: another artist, earlier, of the same time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from artsim.datatypes import FieldType
from artsim.errors import SearchError
from artsim.search.conditions import Condition, Op, Value
from artsim.search.methods import Opened
from artsim.search.requests import Query, SearchRequest


def relations(
    request: SearchRequest, queries: Sequence[Query], index: Opened
) -> Iterator[Condition]:
    """Turn a request's relations into conditions on columns; only queries of positive weight count.

    Raises:
        SearchError: If a value that a relation needs is missing.
    """
    check_relations(request, index)
    queried = [query.metadata for query in queries if query.weight > 0]
    for column in request.not_same:
        yield Condition(column, Op.NOT_IN, _values(column, queried))
    if request.earlier_than is None and request.contemporary is None:
        return
    years = index.works.year_column(request.years)
    if isinstance(request.earlier_than, int):
        yield Condition(years, Op.LESS, request.earlier_than)
    elif request.earlier_than is not None:
        ((_, _, metadata),) = index.backend.known([index.backend.find(request.earlier_than)])
        begin, _ = _span(years, [metadata], f"of {request.earlier_than!r}")
        yield Condition(years, Op.LESS, begin)
    if request.contemporary is not None:
        begin, end = _span(years, queried, "of the queries")
        within = request.contemporary
        yield Condition(years, Op.BETWEEN, (begin - within, end + within))


def check_relations(request: SearchRequest, index: Opened) -> None:
    """Check relations, whatever the query.

    Raises:
        SearchError: If a column or a work is unknown, or the column is of the wrong type.
    """
    works = index.works
    for column in request.not_same:
        if works.type_of(column) == FieldType.YEARS or column not in works.fields:
            raise SearchError(
                f"{column!r} is not a column of text, lists or numbers; choose one from the catalog"
            )
    if request.earlier_than is not None or request.contemporary is not None:
        works.year_column(request.years)
    if isinstance(request.earlier_than, str):
        index.backend.find(request.earlier_than)


def _values(column: str, queried: Sequence[dict[str, Any]]) -> tuple[Value, ...]:
    found = [metadata.get(column) for metadata in queried]
    values = [v for value in found for v in (value if isinstance(value, list) else [value])]
    known = tuple(dict.fromkeys(value for value in values if value is not None))
    if not known:
        raise SearchError(
            f"the {column} of the queries is not known; query by works of the index "
            f"that have one, or name it: --where \"{column} != '...'\""
        )
    return known


def _span(column: str, queried: Sequence[dict[str, Any]], whose: str) -> tuple[float, float]:
    """Return the first and the last year."""
    found = [metadata.get(column) for metadata in queried]
    years = [v for each in found for v in (each.values() if isinstance(each, dict) else [each])]
    ends = [year for year in years if year is not None]
    if not ends:
        raise SearchError(
            f"the {column} {whose} is not known; give a work of the index that has one, or name "
            f'the years: --where "{column} between 1750 and 1800"'
        )
    return min(ends), max(ends)
