"""Tables for people, JSON lines for programs, progress for both."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

__all__ = ["print_json_lines", "print_table", "show_progress", "wants_json"]

_MIN_TEXT = 8  # characters that a column of text keeps on the narrowest terminal
_LOG_EVERY_S = 60.0  # between the lines of a progress that no one watches


def wants_json(as_json: bool | None) -> bool:
    """Decide between table and JSON: what was asked for, else a table on a terminal."""
    return not sys.stdout.isatty() if as_json is None else as_json


def print_json_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print one JSON object a line."""
    for row in rows:
        click.echo(json.dumps(row, ensure_ascii=False))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = ()
) -> None:
    """Print a table as wide as the terminal; what does not fit is cut with an ellipsis.

    Args:
        columns: Headings.
        rows: Cells, turned to text.
        right: Headings of the columns that are set flush right.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        longest = max((len(row[place]) for row in texts), default=0)
        whole = name in set(right) or name == "id"  # a cut number or id is worse than none
        table.add_column(
            name,
            justify="right" if name in set(right) else "left",
            no_wrap=True,
            min_width=max(longest, len(name)) if whole else min(longest, _MIN_TEXT),
        )
    for row in texts:
        table.add_row(*map(_plain, row))
    Console(highlight=False).print(table)


@contextmanager
def show_progress(what: str) -> Iterator[Any]:
    """Give a callable (done, total, failures) that shows a bar, or a line a minute in a log."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(what, console) as update:
            yield update
    else:
        yield _log(what)


@contextmanager
def _bar(what: str, console: Any) -> Iterator[Any]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failures]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None, rate="", failures="")
        started = time.monotonic()

        def update(done: int, total: int, failures: int) -> None:
            rate = done / max(time.monotonic() - started, 1e-9)
            progress.update(
                task,
                completed=done,
                total=total,
                rate=f"{rate:.0f}/s" if done else "",
                failures=f"[red]{failures:,} failed" if failures else "",
            )

        yield update


def _log(what: str) -> Any:
    started = last = time.monotonic()

    def update(done: int, total: int, failures: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _LOG_EVERY_S:
            return
        last = now
        rate = done / (now - started)
        left = (total - done) / rate if rate else 0
        click.echo(
            f"{what}: {done:,} of {total:,}, {rate:.1f}/s, {left / 60:.0f} min left, "
            f"{failures:,} failed",
            err=True,
        )

    return update


def _plain(text: str) -> Any:
    """Keep rich from reading [brackets] in a title as markup."""
    from rich.text import Text

    return Text(text)
