"""Tables for people, JSON lines and files of rows for programs, progress for both."""

from __future__ import annotations

import csv
import io
import itertools
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from artsim.datatypes import finite

_MIN_TEXT = 6  # characters that a column of text keeps on the narrowest terminal
_MARGIN = 3  # characters around a column
_ROW_SUFFIXES = (".csv", ".parquet")
_ROWS = 4096  # written to Parquet at a time
_LOG_EVERY_S = 60.0  # between the lines of progress in a log


def wants_json(as_json: bool | None) -> bool:
    """Decide between table and JSON: by the option, else a table on a terminal."""
    return not sys.stdout.isatty() if as_json is None else as_json


def print_json_lines(rows: Iterable[Mapping[str, Any]], *, index: Path | None = None) -> None:
    """Print one JSON object per line; numbers that are not finite, which JSON lacks, as null.

    Args:
        rows: The objects.
        index: The index that they come from, named in each of them.
    """
    for row in rows:
        row = row if index is None else {**row, "index": str(index)}
        text = json.dumps(finite(row), ensure_ascii=False, allow_nan=False)
        # Bytes that are not UTF-8 are surrogates in Python: escaped they are ASCII, and JSON.
        click.echo(text.encode("utf-8", "backslashreplace").decode())


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = ()
) -> None:
    """Print a table as wide as the terminal; text that does not fit ends in an ellipsis.

    Right-aligned columns are never cut, and a column ``id`` only beyond half the width.

    Args:
        columns: Headings.
        rows: Cells, turned to text.
        right: Headings of the right-aligned columns.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table

    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    right = set(right)
    console = Console(highlight=False)
    longest = [max(map(cell_len, column)) for column in zip(columns, *texts, strict=True)]
    orders = [0 if name in right else 1 if name == "id" else 2 for name in columns]
    widths = _fit_widths(longest, orders, console.width)
    # Too narrow for the numbers, the terminal breaks the lines: a cut number is worse.
    console.width = max(console.width, sum(widths) + _MARGIN * len(widths))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, width in zip(columns, widths, strict=True):
        justify = "right" if name in right else "left"
        table.add_column(name, justify=justify, no_wrap=True, width=width)  # type: ignore[arg-type]  # rich's Literal
    for row in texts:
        table.add_row(*map(_plain, row))
    console.print(table)


def check_rows_file(out: Path | None) -> None:
    """Refuse a file that is neither CSV nor Parquet, before any work."""
    if out is not None and out.suffix not in _ROW_SUFFIXES:
        raise click.BadParameter(f"{out} is neither .csv nor .parquet", param_hint="--output")


def write_rows(out: Path, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> int:
    """Write rows as they come, as CSV or Parquet by the file's suffix, and return how many.

    Args:
        out: The file; it appears only when it is complete.
        rows: A value for each column.
        columns: Arrow's name of each column's type.
    """
    from artsim.store import write_whole

    counted = 0

    def counting() -> Iterator[Mapping[str, Any]]:
        nonlocal counted
        for row in rows:
            counted += 1
            yield row

    write = _write_csv if out.suffix == ".csv" else _write_parquet
    write_whole(out, lambda stream: write(stream, counting(), columns))
    return counted


def _write_csv(
    stream: IO[bytes], rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]
) -> None:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    writer = csv.DictWriter(text, list(columns))
    writer.writeheader()
    writer.writerows(rows)
    text.detach()


def _write_parquet(
    stream: IO[bytes], rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.type_for_alias(alias)) for name, alias in columns.items()])
    waiting = iter(rows)
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        while some := list(itertools.islice(waiting, _ROWS)):
            writer.write_table(pa.Table.from_pylist(some, schema=schema))


def _fit_widths(longest: Sequence[int], orders: Sequence[int], total: int) -> list[int]:
    """Share the terminal's width.

    Args:
        longest: What each column would take.
        orders: 0 takes all of it; 1 at most half of the terminal; 2 what is left, evenly.
        total: Of the terminal.
    """
    widths = list(longest)
    left = total - _MARGIN * len(longest)
    waiting = sorted(
        (order, width, place)
        for place, (order, width) in enumerate(zip(orders, longest, strict=True))
    )
    while waiting:
        order, width, place = waiting.pop(0)
        if order == 1:
            most = min(total // 2, left - _MIN_TEXT * len(waiting))
            width = min(width, max(most, _MIN_TEXT))
        elif order == 2:
            width = min(width, max(left // (len(waiting) + 1), _MIN_TEXT))
        widths[place] = width
        left -= width
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
