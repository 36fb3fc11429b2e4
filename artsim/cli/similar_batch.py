"""Many queries of one index, each a picture or id, and their matches as rows of a file."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.output import show_progress, write_rows

if TYPE_CHECKING:
    from artsim.search import SearchAnswer, Searcher, SearchRequest, Term

_TOGETHER = 64  # queries searched at once
_COLUMNS = {
    "query": "string",
    "rank": "int32",
    "id": "string",
    "score": "float",
    "percentile": "float",
    "image": "string",
}
_BOX = {"box": "string"}  # where details are searched


def answer_batch(
    searcher: Searcher,
    queries: Sequence[Term],
    make: Callable[[Term], SearchRequest],
    out: Path,
    *,
    aspects: Sequence[str] = (),
    details: bool = False,
) -> list[str]:
    """Search with each query, write the matches as they come, list failures on stderr.

    Args:
        searcher: Searches the index.
        queries: One term per search.
        make: Makes the request for a term.
        out: A .csv or .parquet file.
        aspects: Names of the taps compared by; each gets a column with its share of the score.
        details: Whether details are searched.

    Returns:
        The queries that failed.

    Raises:
        SearchError: If no query can be answered, whatever it is.
    """
    searcher.check(make(queries[0]))
    failed: list[str] = []
    more = dict.fromkeys(aspects, "float") | (_BOX if details else {})
    columns = _COLUMNS | {name: kind for name, kind in more.items() if name not in _COLUMNS}
    with show_progress("Searching") as update:
        rows = _rows(searcher, queries, make, failed, update)
        count = write_rows(out, rows, columns)
    click.echo(
        f"{count:,} matches of {len(queries) - len(failed):,} queries written to {out}", err=True
    )
    for line in failed:
        click.echo(f"Failed: {line}", err=True)
    return failed


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
    searcher: Searcher,
    queries: Sequence[Term],
    make: Callable[[Term], SearchRequest],
    failed: list[str],
    update: Callable[[int, int, int], None],
) -> Iterator[dict[str, Any]]:
    from artsim.errors import ArtsimError

    waiting, done = iter(queries), 0
    while some := list(itertools.islice(waiting, _TOGETHER)):
        for term, answer in zip(some, searcher.search_many([make(t) for t in some]), strict=True):
            if isinstance(answer, ArtsimError):
                failed.append(f"{term.label}: {answer}")
            else:
                yield from _as_rows(term, answer)
        done += len(some)
        update(done, len(queries), len(failed))


def _as_rows(term: Term, answer: SearchAnswer) -> Iterator[dict[str, Any]]:
    from artsim.readers import printable

    query = printable(term.label)  # a file name may be any bytes
    for match in answer.matches:
        yield match.shares | {
            "query": query,
            "rank": match.rank,
            "id": match.id,
            "score": match.score,
            "percentile": match.percentile,
            "image": match.image,
            **({} if match.box is None else {"box": str(match.box)}),
        }
