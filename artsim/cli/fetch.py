"""``artsim fetch``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.collection import (
    allow_private_option,
    exclude_option,
    id_column_option,
    image_column_option,
    null_option,
    set_option,
    where_option,
)
from artsim.cli.options.computing import seed_option
from artsim.cli.options.outputs import strict_option
from artsim.cli.options.values import FOLDER, column_and_number, count_option, pairs
from artsim.cli.output import echo, print_table, resumable, show_progress
from artsim.datatypes import bytes_text, plural

if TYPE_CHECKING:
    from artsim.fetch import FetchSummary, Forecast

_HOSTS = 20  # that are listed


@cloup.command()
@click.argument("catalog")
@click.argument("output", type=FOLDER)
@cloup.option_group(
    "Which pictures",
    where_option,
    click.option(
        "--per-class", metavar="COLUMN=N", help="Sample N rows of each value of a column."
    ),
    count_option("--limit", help="Only the first N rows."),
    seed_option,
    click.option(
        "--dry-run",
        is_flag=True,
        help="Only print what it would take: requests to each host, bytes and time.",
    ),
    click.option("--retry-failed", is_flag=True, help="Retry what failed in earlier runs."),
)
@cloup.option_group(
    "Catalog",
    id_column_option,
    image_column_option,
    null_option,
    exclude_option,
    set_option("the reader"),
)
@cloup.option_group(
    "Requests",
    click.option(
        "--size",
        metavar="PIXELS",
        help="Longest side requested from IIIF servers, or max.  [default: 512, if the reader "
        "requests a size]",
    ),
    count_option("--concurrency", default=16, help="Simultaneous requests."),
    count_option("--per-host", default=4, help="Simultaneous requests to one host."),
    click.option(
        "--delay",
        "delay_s",
        type=click.FloatRange(0),
        default=0.05,
        show_default=True,
        metavar="SECONDS",
        help="Wait between two requests to one host.",
    ),
    click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(0, min_open=True),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="Give up on a picture that takes longer.",
    ),
    count_option(
        "--retries",
        least=0,
        default=4,
        help="Retries after 429, 5xx, timeouts and broken connections, with growing pauses.",
    ),
    count_option("--max-bytes", default=64 * 2**20, help="Refuse larger pictures."),
    click.option(
        "--ignore-robots",
        is_flag=True,
        help="Also request what a server's robots.txt disallows, at the pace of --delay. "
        "Only if the museum permits it: many keep search engines away from pictures that their "
        "open access terms let you download.",
    ),
    click.option(
        "--contact",
        metavar="ADDRESS",
        help="E-mail or web address to send to the servers.",
    ),
    allow_private_option,
)
@cloup.option_group("Output", strict_option("a picture could not be fetched"))
def fetch(
    catalog: str,
    output: Path,
    size: str | None,
    where: str | None,
    per_class: str | None,
    limit: int | None,
    seed: int,
    dry_run: bool,
    retry_failed: bool,
    id_column: str | None,
    image_column: str | None,
    null: tuple[str, ...],
    exclude: tuple[str, ...],
    settings: tuple[str, ...],
    strict: bool,
    ignore_robots: bool,
    **requests: Any,
) -> None:
    """Download a catalog's pictures from the web.

    CATALOG is a museum's open data (nga:FOLDER, moma:FILE), a table or IIIF manifest with URLs
    of pictures, or urls:FILE, a text file with one URL per line. OUTPUT receives the pictures, a
    table of them ready to embed, and status.jsonl with the outcome for each picture. To resume an
    interrupted run, run the same command again.

    Example:

    \b
        artsim fetch moma:Artworks.csv moma/ --dry-run
        artsim fetch nga:opendata/data nga/ --where "classification = 'Painting'"
        artsim fetch moma:Artworks.csv moma/ --per-class classification=200
        artsim fetch urls:list.txt pictures/
    """
    from artsim.fetch import (
        Choice,
        FetchSettings,
        fetch_pictures,
        forecast,
        read_addresses,
    )
    from artsim.readers import ReaderOptions

    options = ReaderOptions(
        id_column=id_column,
        image_column=image_column,
        null=null,
        exclude=exclude,
        strict=strict,
        settings=pairs(settings, "--set"),
    )
    sampled = None if per_class is None else column_and_number(per_class, "--per-class")
    read = read_addresses(catalog, options=options, size=size)
    choice = Choice(where=where, per_class=sampled, limit=limit, seed=seed)
    fetching = FetchSettings(seed=seed, robots=not ignore_robots, **requests)
    if dry_run:
        _print_forecast(
            read.name,
            forecast(read, output, choice=choice, retry_failed=retry_failed, settings=fetching),
        )
        return
    with resumable(output), show_progress(read.name) as progress:
        summary = fetch_pictures(
            read,
            output,
            choice=choice,
            retry_failed=retry_failed,
            settings=fetching,
            progress=progress,
        )
    _print_summary(summary)
    if summary.left or not summary.rows or (strict and summary.failures):
        sys.exit(1)


def _print_forecast(name: str, found: Forecast) -> None:
    pictures = plural(found.chosen, "picture")
    echo(f"{name}: {found.requests:,} of {pictures} to request, {found.kept:,} already there")
    if found.failed:
        echo(f"  {found.failed:,} failed in earlier runs; request them with --retry-failed")
    if found.hosts:
        hosts = found.hosts[:_HOSTS]
        rows = [
            [
                each.host or "(no host)",
                f"{each.requests:,}",
                f"{each.disallowed:,}",
                _duration(each.seconds),
            ]
            for each in hosts
        ]
        right = ["requests", "disallowed", "at least"]
        echo()
        print_table(["host", *right], rows, right=right)
        if len(found.hosts) > _HOSTS:
            echo(f"and {len(found.hosts) - _HOSTS:,} more hosts")
    for host in found.hosts:
        if host.fault:
            echo(f"{host.host}: {host.fault}", err=True)
    if any(host.disallowed for host in found.hosts):
        echo("disallowed: by the server's robots.txt; see --ignore-robots")
    sampled = plural(len(found.sizes) + found.faults.total(), "picture")
    if found.bytes is not None:
        each = f"{bytes_text(min(found.sizes))} to {bytes_text(max(found.sizes))} each"
        echo(f"about {bytes_text(found.bytes)}, by the first {sampled} ({each})")
    for fault, count in found.faults.most_common():
        echo(f"{count:,} of the first {sampled} cannot be fetched: {fault}", err=True)
    if found.requests:
        echo(f"at least {_duration(found.seconds)}, by the pauses between requests to a host")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _print_summary(summary: FetchSummary) -> None:
    echo(f"{summary.path}: {summary.fetched + summary.kept:,} of {summary.chosen:,} pictures")
    rate = summary.fetched / summary.seconds
    echo(
        f"  {summary.fetched:,} fetched in {summary.seconds:.1f} s ({rate:.0f}/s), "
        f"{summary.bytes / 1e6:,.1f} MB; {summary.kept:,} already there"
    )
    for count, what in (
        (summary.unaddressed, "rows of the catalog have no picture"),
        (summary.unnamed, "rows have no id, or the id of an earlier row"),
    ):
        if count:
            echo(f"  {count:,} {what}", err=True)
    if summary.failures:
        reasons = ", ".join(f"{count:,} {why}" for why, count in summary.reasons.most_common())
        echo(
            f"  {summary.failures:,} failed ({reasons}): see {summary.path / 'status.jsonl'}, "
            "retry with --retry-failed",
            err=True,
        )
    if summary.reasons["robots"]:
        echo(
            "  robots: the server's robots.txt disallows them; if the museum permits it, pass "
            "--ignore-robots",
            err=True,
        )
    if summary.left:
        left = f"{summary.left:,} remain for another run: {'; '.join(summary.left_why)}"
        echo(f"  {left}", err=True)
    if summary.rows:
        echo(f"  next: artsim embed {summary.path}")
