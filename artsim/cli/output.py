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

_MIN_TEXT = 6  # characters that a column of text keeps on the narrowest terminal
_MARGIN = 3  # characters around a column
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
    whole = {*right, "id"}  # a cut number or id is worse than none
    console = Console(highlight=False)
    longest = [max(map(len, column)) for column in zip(columns, *texts, strict=True)]
    widths = _fit_widths(longest, [name in whole for name in columns], console.width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, width in zip(columns, widths, strict=True):
        justify = "right" if name in set(right) else "left"
        table.add_column(name, justify=justify, no_wrap=True, width=width)  # type: ignore[arg-type]  # rich's Literal
    for row in texts:
        table.add_row(*map(_plain, row))
    console.print(table)


def _fit_widths(longest: Sequence[int], whole: Sequence[bool], total: int) -> list[int]:
    """Share the terminal's width: whole columns take theirs, the others what is left, evenly."""
    widths = list(longest)
    left = (
        total
        - _MARGIN * len(longest)
        - sum(w for w, all_ in zip(longest, whole, strict=True) if all_)
    )
    shrinking = sorted((w, place) for place, w in enumerate(longest) if not whole[place])
    while shrinking:
        width, place = shrinking[0]
        widths[place] = max(min(width, left // len(shrinking)), _MIN_TEXT)
        left -= widths[place]
        shrinking.pop(0)
    return widths


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
