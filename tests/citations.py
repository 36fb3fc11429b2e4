"""Matches, answers and citations to write as pages, tables and manifests."""

from conftest import toy_passport

from artsim.report import Citation
from artsim.search import Match, Query, SearchAnswer


def answer_of(*matches, **changes):
    values = {"queries": (Query("a.jpg"),), "matches": matches, "by": "embedding", "searched": 10}
    return SearchAnswer(**(values | changes))


def cited(*matches, regions=(), **changes):
    return Citation(
        answer=answer_of(*matches, **changes),
        index="indexes/prints",
        rows=1234,
        passport=toy_passport(),
        command="artsim similar a.jpg",
        date="2026-11-22",
        version="0.1.0",
        regions=regions,
    )


def found(rank=1, score=0.9, **changes):
    values = {
        "id": f"id{rank}",
        "rank": rank,
        "score": score,
        "percentile": None,
        "image": "no.jpg",
    }
    return Match(**(values | changes))
