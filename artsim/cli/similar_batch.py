"""Many questions to an index, one a picture or id, and their matches as rows of a file."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.output import show_progress, write_rows

if TYPE_CHECKING:
    from artsim.search import Answer, Question, Searcher, Term

__all__ = ["answer_batch", "pictures_of", "read_ids"]

_TOGETHER = 64  # questions answered at once
_COLUMNS = {
    "query": "string",
    "rank": "int32",
    "id": "string",
    "score": "float",
    "percentile": "float",
    "image": "string",
}
_BOX = {"box": "string"}  # where details are looked for


def answer_batch(
    searcher: Searcher,
    asked: Sequence[Term],
    make: Callable[[Term], Question],
    out: Path,
    *,
    aspects: Sequence[str] = (),
    details: bool = False,
) -> list[str]:
    """Ask by each term, write the matches as they come, and say on stderr what failed.

    Args:
        searcher: What is asked.
        asked: A term a question.
        make: Makes the question of a term.
        out: A .csv or .parquet file.
        aspects: That the questions compare by; each match has a column of what each gave.
        details: Whether the questions look for details.

    Returns:
        What could not be asked by.

    Raises:
        SearchError: If no question could be answered, whatever it asks by.
    """
    searcher.check(make(asked[0]))
    failed: list[str] = []
    more = dict.fromkeys(aspects, "float") | (_BOX if details else {})
    columns = _COLUMNS | {name: kind for name, kind in more.items() if name not in _COLUMNS}
    with show_progress("Searching") as update:
        rows = _rows(searcher, asked, make, failed, update)
        count = write_rows(out, rows, columns)
    click.echo(
        f"{count:,} matches of {len(asked) - len(failed):,} questions written to {out}", err=True
    )
    for line in failed:
        click.echo(f"Not asked: {line}", err=True)
    return failed


def pictures_of(folder: Path) -> list[Path]:
    """List the pictures in a folder and those below it, in order."""
    from artsim.readers import is_hidden, is_picture

    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        found += [Path(parent, n) for n in sorted(names) if is_picture(n) and not is_hidden(n)]
    if not found:
        raise click.UsageError(f"{str(folder)!r} holds no picture; name a folder that does")
    return found


def read_ids(file: Path) -> list[str]:
    """Read a file of ids, one a line; empty lines are passed over."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(
            f"cannot read {str(file)!r} ({error}); give a text file of ids, one a line",
            param_hint="--ids",
        ) from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _rows(
    searcher: Searcher,
    asked: Sequence[Term],
    make: Callable[[Term], Question],
    failed: list[str],
    update: Callable[[int, int, int], None],
) -> Iterator[dict[str, Any]]:
    from artsim.errors import ArtsimError

    waiting, done = iter(asked), 0
    while some := list(itertools.islice(waiting, _TOGETHER)):
        for term, answer in zip(some, searcher.ask_many([make(t) for t in some]), strict=True):
            if isinstance(answer, ArtsimError):
                failed.append(f"{term.label}: {answer}")
            else:
                yield from _as_rows(term, answer)
        done += len(some)
        update(done, len(asked), len(failed))


def _as_rows(term: Term, answer: Answer) -> Iterator[dict[str, Any]]:
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
