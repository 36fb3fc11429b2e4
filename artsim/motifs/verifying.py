"""Re-rank the matches of a search for details by where their parts lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from threadpoolctl import threadpool_limits

from artsim.datatypes import Progress, no_progress
from artsim.motifs.finding import MIN_SCORE, MotifFinder
from artsim.search import Match, SearchAnswer, Works

CANDIDATES = 10  # matches that are compared for each that is wanted
_AT_LEAST = 100


def candidates(k: int) -> int:
    """Return how many matches to search for, so that the k best of them can be verified."""
    return max(CANDIDATES * k, _AT_LEAST)


def verify_matches(
    answer: SearchAnswer,
    finder: MotifFinder,
    works: Works,
    k: int,
    *,
    pictures: Sequence[bytes | None] = (),
    progress: Progress = no_progress,
) -> SearchAnswer:
    """Rank matches by the evidence that they contain a query picture, best first.

    The detail of a match becomes the part that corresponds. Of a match with less evidence than 6,
    which may be chance, the detail stays, and they follow in the order of the answer.

    Args:
        answer: The answer of a search, with as many matches as `candidates` says.
        finder: Compares pictures of the searched index.
        works: The works of that index.
        k: How many matches are kept.
        pictures: For each query its file, or None for one of a path; empty if all have a path.
        progress: Called with the matches that are done.
    """
    given = pictures or [None] * len(answer.queries)
    queries = [
        cells
        for query, data in zip(answer.queries, given, strict=True)
        if query.weight > 0 and (cells := finder.cells_of(data or query.image, query.box))
    ]
    verified: list[Match] = []
    with threadpool_limits(1, user_api="blas"):  # as in `find_motifs`
        for done, match in enumerate(answer.matches, 1):
            row = works.row(match.id)
            found = [each for cells in queries if (each := finder.find(cells, row)) is not None]
            best, box = max(found, key=lambda each: each[0].score, default=(None, match.box))
            evidence = 0.0 if best is None else best.score
            box = box if evidence >= MIN_SCORE else match.box
            verified.append(replace(match, evidence=evidence, box=box))
            progress(done, len(answer.matches), 0)
    verified.sort(key=lambda match: (-_counted(match), match.rank))
    ranked = [replace(match, rank=rank) for rank, match in enumerate(verified[:k], 1)]
    return replace(answer, matches=tuple(ranked))


def _counted(match: Match) -> float:
    evidence = match.evidence or 0.0
    return evidence if evidence >= MIN_SCORE else 0.0
