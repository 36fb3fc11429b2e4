"""The answer of a search with everything needed to cite and repeat it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artsim import __version__
from artsim.datatypes import Box, Passport, percentile
from artsim.search import IndexEncoder, Match, Query, SearchAnswer, Searcher

if TYPE_CHECKING:
    from artsim.explain import Regions


@dataclass(frozen=True, kw_only=True)
class Citation:
    """An answer, and how it was found."""

    answer: SearchAnswer
    index: str  # where it is
    rows: int  # of the index
    passport: Passport
    command: str  # that gives this answer
    date: str  # of the answer, ISO 8601
    version: str = __version__  # of artsim
    # For each match, the regions that made it: of the queries, then of itself; empty by default.
    regions: tuple[tuple[Regions, ...], ...] = ()


def cite(
    searcher: Searcher,
    answer: SearchAnswer,
    *,
    command: str,
    index: str | None = None,
    encoder: IndexEncoder | None = None,
) -> Citation:
    """Add to a searcher's answer what is needed to cite and repeat it.

    ``command`` gives the answer again; the index is called by its path if ``index`` is None. With
    an encoder, which has the network of the index, the regions that made each match are added.

    Raises:
        ModelError: If the network cannot be explained.
    """
    regions: tuple[tuple[Regions, ...], ...] = ()
    if encoder is not None and answer.matches:
        from artsim.explain import explain_answer

        regions = tuple(explain_answer(answer, encoder))
    store = searcher.store
    return Citation(
        answer=answer,
        index=index or str(store),
        rows=store.rows,
        passport=store.manifest.passport,
        command=command,
        date=datetime.datetime.now().astimezone().date().isoformat(),
        regions=regions,
    )


def name_of(shown: Match | Query) -> str:
    """Return what a match or a query is called: an id, a path or words."""
    return shown.id if isinstance(shown, Match) else shown.name


def detail_of(shown: Match | Query) -> Box | None:
    """Return the detail that was searched for or found, in percent."""
    return shown.box if shown.box is not None and shown.box.percent else None


def match_figures(match: Match) -> str:
    """Write score, percentile, cosines and the place of the detail, for people."""
    parts = [f"{match.score:.3f}"]
    if match.percentile is not None:
        parts.append(f"percentile {percentile(match.percentile)}")
    parts += [f"{name} {cosine:.3f}" for name, cosine in match.cosines.items()]
    parts += [f"at {match.box}"] if match.box is not None else []
    return " · ".join(parts)
