"""An answer with all that is needed to cite it and to ask it again."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from artsim import __version__
from artsim.report.answers import Found, Report, Shown, Why
from artsim.report.heat import Heat
from artsim.search import Answer, IndexEncoder, Searcher

__all__ = ["make_report"]


def make_report(
    searcher: Searcher,
    answer: Answer,
    *,
    command: str,
    index: str | None = None,
    encoder: IndexEncoder | None = None,
) -> Report:
    """Put together what a report of an answer says.

    Args:
        searcher: What was asked.
        answer: What it answered.
        command: That gives this answer.
        index: What to call the index; where it is if None.
        encoder: Has the network of the index, to say what made each match; not said if None.

    Raises:
        ModelError: If the network cannot be looked into.
    """
    store = searcher.store
    return Report(
        name=answer.name,
        queries=tuple(
            Shown(
                name=query.name,
                image=query.image,
                metadata=query.metadata,
                box=query.box if query.box is not None and query.box.percent else None,
            )
            for query in answer.queries
        ),
        matches=tuple(_found(answer, encoder)),
        index=index or str(store.path),
        rows=store.rows,
        by=answer.by,
        passport=store.manifest.passport,
        command=command,
        date=datetime.datetime.now().astimezone().date().isoformat(),
        version=__version__,
    )


def _found(answer: Answer, encoder: IndexEncoder | None) -> Iterator[Found]:
    parts: list[tuple[Why, ...]] = [() for _ in answer.matches]
    if encoder is not None and answer.matches:
        from artsim.explain import explain_answer

        parts = [
            tuple(Why(part.name, part.image, Heat(part.contributions, part.box)) for part in each)
            for each in explain_answer(answer, encoder.extractor)
        ]
    for match, own in zip(answer.matches, parts, strict=True):
        yield Found(
            name=match.id,
            image=match.image,
            metadata=match.metadata,
            rank=match.rank,
            score=match.score,
            percentile=match.percentile,
            shares=match.shares,
            box=match.box,
            why=own,
        )
