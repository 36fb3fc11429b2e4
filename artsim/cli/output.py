"""Tables for people, JSON lines and files of rows for programs, progress for both."""

from __future__ import annotations

import itertools
import json
import math
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from artsim.cli.advice import with_index
from artsim.cli.cutting import cut_columns
from artsim.datatypes import finite, plural, printable, shown_path

if TYPE_CHECKING:
    from artsim.datatypes import Estimate, Progress
    from artsim.splits import Split
    from artsim.store import Store

_MIN_TEXT = 6  # characters that a column of text keeps on the narrowest terminal
_MARGIN = 3  # characters around a column
_CLASSES = 20  # that `print_counts` shows
_ROWS = 4096  # written to Parquet at a time
_LOG_EVERY_S = 60.0  # between the lines of progress in a log


def echo(text: str = "", *, err: bool = False) -> None:
    """Print a line, `printable`, on stdout or stderr; what it advises works as printed."""
    _print(with_index(text), err=err)


def _print(text: str, *, err: bool = False) -> None:
    click.echo(printable(text), err=err)  # noqa: TID251 - the one place


def print_json_lines(
    rows: Iterable[Mapping[str, Any]], *, index: Store | Path | None = None
) -> None:
    """Print one JSON object per line, each with the index it comes from.

    Numbers that are not finite, which JSON lacks, are null.
    """
    for row in rows:
        row = (
            row
            if index is None
            else {**row, "index": shown_path(index) if isinstance(index, Path) else str(index)}
        )
        text = json.dumps(finite(row), ensure_ascii=False, allow_nan=False)
        # Bytes that are not UTF-8 are surrogates in Python: escaped they are ASCII, and JSON.
        _print(text.encode("utf-8", "backslashreplace").decode())


def with_metadata(own: dict[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Add the metadata of a work to a row of JSON; a column of a name in use is NAME_catalog."""
    used = {*own, "index"}
    return own | {f"{key}_catalog" if key in used else key: v for key, v in metadata.items()}


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Iterable[str] = (),
    whole: Iterable[str] = (),
    names: Iterable[str] = (),
) -> None:
    """Print a table as wide as the terminal; text that does not fit ends in an ellipsis.

    Right-aligned columns are never cut, and a column ``id`` only beyond half the width.

    Args:
        columns: Headings.
        rows: Cells, turned to text.
        right: Headings of the right-aligned columns.
        whole: Headings of others that are never cut.
        names: Headings of columns by which people know a row: cut in the middle, and no more than
            keeps different ones apart.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    texts = [["" if cell is None else _cell(cell) for cell in row] for row in rows]
    right, names = set(right), list(names)
    kept = {*right, *whole, *names}
    console = Console(highlight=False)
    longest = [max(map(cell_len, column)) for column in zip(columns, *texts, strict=True)]
    widths = dict(zip(columns, longest, strict=True))
    if names:
        rest = sum(widths[name] if name in kept else _MIN_TEXT for name in {*columns} - {*names})
        room = console.width - rest - _MARGIN * len(columns)
        places = [columns.index(name) for name in names]
        cut = cut_columns(
            [[name, *(row[p] for row in texts)] for name, p in zip(names, places, strict=True)],
            room,
        )
        for name, place, (_, *cells) in zip(names, places, cut, strict=True):
            widths[name] = max(map(cell_len, (name, *cells)))
            for row, cell in zip(texts, cells, strict=True):
                row[place] = cell
    n_text = len(set(columns) - kept - {"id"})
    numbers = sum(widths[name] for name in kept) + _MARGIN * len(columns)
    room = console.width - numbers - _MIN_TEXT * n_text
    id_width = min(widths.get("id", 0), max(min(console.width // 2, room), _MIN_TEXT))
    # Too narrow for the numbers, the terminal breaks the lines: a cut number is worse.
    console.width = max(console.width, numbers + id_width + _MIN_TEXT * n_text)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        heading = Text(_cell(name))
        if name in right:
            table.add_column(heading, justify="right", no_wrap=True)
        elif name in kept:
            table.add_column(heading, no_wrap=True)
        elif name == "id":
            table.add_column(heading, no_wrap=True, max_width=id_width)
        else:
            table.add_column(heading)
    for row in texts:
        # Text is no markup, whatever [brackets] a title has.
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))
    console.print(table)


def echo_wrapped(text: str, *, indent: int = 2) -> None:
    """Print text that is broken between words at the width of the terminal."""
    width = max(shutil.get_terminal_size().columns, _MIN_TEXT * 2)
    later = " " * indent
    for line in textwrap.wrap(
        with_index(text),
        width,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    ):
        echo(line)


def shortened(text: str, width: int | None = None) -> str:
    """Cut text to the width of the terminal, or another."""
    width = width or shutil.get_terminal_size().columns
    return text if len(text) <= width else f"{text[: width - 1]}…"


def print_counts(counts: Mapping[str, int]) -> None:
    """Print how many pictures have each of the first classes; JSON has all."""
    rows = [[name, f"{count:,}"] for name, count in itertools.islice(counts.items(), _CLASSES)]
    if rows:
        print_table(["class", "pictures"], rows, right=["pictures"])
    if len(counts) > _CLASSES:
        echo(f"  and {len(counts) - _CLASSES:,} more")


def _cell(value: object) -> str:
    return printable(str(value).replace("\r\n", " ").replace("\n", " ").replace("\t", " "))


def fixed(value: float | None, digits: int = 3) -> str:
    """Write a number with some digits after the point; nothing for None."""
    return "" if value is None else f"{value:.{digits}f}"


def interval(estimate: Estimate, digits: int = 3) -> str:
    """Write the ends of an estimate's interval; nothing where it has none."""
    if math.isnan(estimate.low):
        return ""
    return f"{estimate.low:.{digits}f}-{estimate.high:.{digits}f}"


def print_written(*files: Path | None) -> None:
    """Print the path of every file that was written, skipping None."""
    for file in filter(None, files):
        echo(f"Written to {shown_path(file)}")


def print_notes(*notes: str) -> None:
    """Print notes on a result on stderr, so that they never mix with JSON."""
    for note in notes:
        echo(f"Note: {note}", err=True)


def note_cut(shown: int, found: int, what: str, more: str, *files: Path | None) -> None:
    """Note that files have only the first of what was found; ``more`` says how to get all."""
    names = ", ".join(str(file) for file in files if file)
    if names and shown < found:
        print_notes(f"only the first {shown:,} of {found:,} {what} are in {names}; {more}")


def is_typed(name: str) -> bool:
    """Return whether a parameter of the running command was given in the command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def note_unknown(counts: Mapping[str, int]) -> None:
    """Note how many pictures have no value in a column that a condition compares."""
    for name, count in counts.items():
        which = plural(count, "picture has", "pictures have")
        them = "it" if count == 1 else "them"
        print_notes(f"{which} no value in {name!r}, so conditions on that leave {them} out")


def note_left_out(unhashed: int = 0, zeros: int = 0) -> None:
    """Note how many pictures could not be compared by their hashes or their vectors, if any."""
    if unhashed:
        which = plural(unhashed, "picture is", "pictures are")
        print_notes(f"{which} blank or unreadable; hashes leave them out")
    if zeros:
        which = plural(zeros, "picture is left out, as its", "pictures are left out, as their")
        print_notes(f"{which} vectors are all zeros")


def print_split(name: str, split: Split) -> None:
    """Print how a label was split, and the notes on it."""
    sizes = f"{len(split.train):,} training"
    sizes += f", {len(split.validation):,} validation" if len(split.validation) else ""
    echo(f"{name}: {split.description}; {sizes} and {len(split.test):,} test pictures")
    for note in split.notes:
        echo(f"  Note: {note}")


def write_rows(out: Path, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> int:
    """Write rows as they come, as CSV or Parquet by the file's suffix, and return how many.

    Args:
        out: The file; it appears only when it is complete.
        rows: A value for each column.
        columns: Arrow's name of each column's type.
    """
    from artsim.store import write_whole

    numbers = itertools.count()  # left at the number of rows
    counted = (row for row, _ in zip(rows, numbers, strict=False))
    write = _write_csv if out.suffix == ".csv" else _write_parquet
    write_whole(out, lambda stream: write(stream, counted, columns))
    return next(numbers)


def _write_csv(
    stream: IO[bytes], rows: Iterable[Mapping[str, Any]], columns: Iterable[str]
) -> None:
    from artsim.store import CsvWriter

    names = list(columns)
    CsvWriter(stream, names).write(map(row.get, names) for row in rows)


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


@contextmanager
def resumable(where: Path, what: str = "pictures") -> Iterator[None]:
    """On Ctrl-C, say that the same command resumes the work, and end with status 130."""
    try:
        yield
    except KeyboardInterrupt:
        again = "Run the same command to resume."
        echo(f"\nStopped; finished {what} are in {shown_path(where)}. {again}", err=True)
        sys.exit(130)


@contextmanager
def show_progress(what: str | Callable[[], str]) -> Iterator[Progress]:
    """Give a callable (done, total, failures) that shows a bar, or a line a minute in a log.

    ``what`` is the text before it, or returns it, if it changes with time.
    The bar appears with the first call: what is refused before there is work shows none.
    """
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True)
    describe = what if callable(what) else lambda: what
    if not console.is_terminal:
        yield _log(describe)
        return
    bar = bars.Progress(
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[rate]}"),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.fields[failures]}"),
        console=console,
        transient=True,
    )
    task = bar.add_task(printable(describe()), total=None, rate="", failures="")
    started = time.monotonic()

    def update(done: int, total: int, failures: int) -> None:
        bar.start()
        rate = done / max(time.monotonic() - started, 1e-9)
        bar.update(
            task,
            description=printable(describe()),
            completed=done,
            total=total,
            rate=f"{rate:.0f}/s" if done else "",
            failures=f"[red]{failures:,} failed" if failures else "",
        )

    try:
        yield update
    finally:
        bar.stop()


def _log(describe: Callable[[], str]) -> Progress:
    started = last = time.monotonic()

    def update(done: int, total: int, failures: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _LOG_EVERY_S:
            return
        last = now
        rate = done / (now - started)
        left = (total - done) / rate if rate else 0
        echo(
            f"{describe()}: {done:,} of {total:,}, {rate:.1f}/s, {left / 60:.0f} min left, "
            f"{failures:,} failed",
            err=True,
        )

    return update
