"""Many queries of one index, each a picture or id, and their matches as rows of a file."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.output import echo, show_progress, write_rows
from artsim.datatypes import plural

if TYPE_CHECKING:
    from artsim.datatypes import Progress
    from artsim.search import SearchAnswer, Searcher, SearchRequest, Term

_DIGITS = 6  # of scores and percentiles
_TOGETHER = 64  # queries searched at once
_COLUMNS = {
    "query": "string",
    "rank": "int32",
    "id": "string",
    "title": "string",
    "artist": "string",
    "score": "float",
    "percentile": "float",
    "image": "string",
}


def answer_batch(searcher: Searcher, requests: Sequence[SearchRequest], out: Path) -> int:
    """Answer requests that differ in their first term, and return how many failed.

    The matches are written to a .csv or .parquet file as they come, with a column for each aspect
    of the score, and failures are listed on stderr.

    Raises:
        SearchError: If no request can be answered, whatever its term.
    """
    first = requests[0]
    searcher.check(first)
    failed: list[str] = []
    more = {aspect.name: "float" for aspect in first.by}
    more |= {"box": "string"} if first.details else {}
    columns = _COLUMNS | {name: kind for name, kind in more.items() if name not in _COLUMNS}
    with show_progress("Searching") as update:
        count = write_rows(out, _rows(searcher, requests, failed, update), columns)
    answered = plural(len(requests) - len(failed), "query", "queries")
    most = f"at most {first.k:,} each"
    echo(f"{count:,} matches of {answered}, {most}, written to {out}", err=True)
    for line in failed:
        echo(f"Failed: {line}", err=True)
    return len(failed)


def pictures_of(folder: Path) -> list[Path]:
    """List the pictures in a folder and below it, in order."""
    from artsim.readers import is_hidden, is_picture

    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        found += [Path(parent, n) for n in sorted(names) if is_picture(n) and not is_hidden(n)]
    if not found:
        raise click.UsageError(f"{str(folder)!r} contains no pictures; name another folder")
    return found


def read_ids(file: Path) -> list[str]:
    """Read a file of ids, one per line; empty lines are skipped."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(
            f"cannot read {str(file)!r} ({error}); use a text file with one id per line",
            param_hint="--ids",
        ) from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _rows(
    searcher: Searcher, requests: Sequence[SearchRequest], failed: list[str], update: Progress
) -> Iterator[dict[str, Any]]:
    from artsim.errors import ArtsimError

    waiting, done = iter(requests), 0
    while some := list(itertools.islice(waiting, _TOGETHER)):
        for request, answer in zip(some, searcher.search_many(some), strict=True):
            if isinstance(answer, ArtsimError):
                failed.append(f"{request.terms[0].label}: {answer}")
            else:
                yield from _as_rows(request.terms[0], answer)
        done += len(some)
        update(done, len(requests), len(failed))


def _as_rows(term: Term, answer: SearchAnswer) -> Iterator[dict[str, Any]]:
    from artsim.datatypes import name_as_text
    from artsim.report import Caption

    query = name_as_text(term.label)  # a file name may be any bytes
    for match in answer.matches:
        caption = Caption.of(match.metadata)
        own = {
            "query": query,
            "rank": match.rank,
            "id": match.id,
            "title": caption.title or None,
            "artist": caption.artist or None,
            "score": round(match.score, _DIGITS),
            "percentile": match.percentile and round(match.percentile, _DIGITS),
            "image": match.image,
        }
        cosines = {name: round(cosine, _DIGITS) for name, cosine in match.cosines.items()}
        box = {} if match.box is None else {"box": str(match.box)}
        yield cosines | own | box
