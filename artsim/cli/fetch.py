"""``artsim fetch``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from artsim.cli.options import FOLDER, pairs

if TYPE_CHECKING:
    from artsim.fetch import FetchSummary


@click.command()
@click.argument("catalog")
@click.argument("output", type=FOLDER)
@click.option(
    "--size",
    metavar="PIXELS",
    help="Longest side to ask IIIF servers for, or max.  [default: 512 where the reader asks]",
)
@click.option(
    "--where", metavar="SQL", help="Only rows that meet a condition: \"classification = 'Print'\"."
)
@click.option(
    "--per-class", metavar="COLUMN=N", help="N rows of each value of a column, drawn at random."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="The first N of these rows.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of what is random."
)
@click.option("--retry-failed", is_flag=True, help="Try again what failed in earlier runs.")
@click.option("--id-column", metavar="NAME", help="Column with each picture's id.")
@click.option("--image-column", metavar="NAME", help="Column with the address of the picture.")
@click.option(
    "--set",
    "reader_settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the reader's own. Repeat for more.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="Requests at once.",
)
@click.option(
    "--per-host",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Requests at once to one host.",
)
@click.option(
    "--delay",
    type=click.FloatRange(0),
    default=0.05,
    show_default=True,
    metavar="SECONDS",
    help="Between two requests to one host.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="For one picture to come whole.",
)
@click.option(
    "--retries",
    type=click.IntRange(0),
    default=4,
    show_default=True,
    help="After 429, 5xx, timeouts and broken connections, waiting longer each time.",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    default=64 * 2**20,
    show_default=True,
    help="Refuse larger pictures.",
)
@click.option(
    "--contact",
    metavar="ADDRESS",
    help="An e-mail or web address to tell the servers.",
)
@click.option(
    "--allow-private", is_flag=True, help="Fetch from this machine and its own network too."
)
@click.option("--strict", is_flag=True, help="Exit with 1 if any picture could not be fetched.")
def fetch(
    catalog: str,
    output: Path,
    size: str | None,
    where: str | None,
    per_class: str | None,
    limit: int | None,
    seed: int,
    retry_failed: bool,
    id_column: str | None,
    image_column: str | None,
    reader_settings: tuple[str, ...],
    concurrency: int,
    per_host: int,
    delay: float,
    timeout: float,
    retries: int,
    max_bytes: int,
    contact: str | None,
    allow_private: bool,
    strict: bool,
) -> None:
    """Fetch the pictures of a catalog from the web.

    CATALOG is what a museum gives out, nga:FOLDER or moma:FILE, any other table or manifest
    with addresses of pictures, or urls:FILE, a text file with one address a line. OUTPUT gets the
    pictures, a table of them to embed and status.jsonl, which tells what became of each. A run
    that was stopped goes on where it was: run the same command again.

    Example:

    \b
        artsim fetch nga:opendata/data nga/ --where "classification = 'Painting'"
        artsim fetch moma:Artworks.csv moma/ --per-class classification=200
        artsim fetch urls:list.txt pictures/
    """
    from artsim.cli.output import show_progress
    from artsim.fetch import Choice, FetchSettings, fetch_pictures, read_addresses
    from artsim.readers import ReaderOptions

    options = ReaderOptions(
        id_column=id_column,
        image_column=image_column,
        settings=pairs(reader_settings, "--set"),
    )
    settings = FetchSettings(
        concurrency=concurrency,
        per_host=per_host,
        delay_s=delay,
        timeout_s=timeout,
        retries=retries,
        max_bytes=max_bytes,
        contact=contact,
        allow_private=allow_private,
        seed=seed,
    )
    choice = Choice(where=where, per_class=_column_and_number(per_class), limit=limit, seed=seed)
    read = read_addresses(catalog, options=options, size=size)
    try:
        with show_progress(read.name) as progress:
            summary = fetch_pictures(
                read,
                output,
                choice=choice,
                retry_failed=retry_failed,
                settings=settings,
                progress=progress,
            )
    except KeyboardInterrupt:
        click.echo(
            f"\nStopped; what is finished is in {output}. Run the same command to go on.", err=True
        )
        sys.exit(130)
    _print_summary(summary)
    if summary.left or not summary.rows or (strict and summary.failures):
        sys.exit(1)


def _column_and_number(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    column, equals, number = text.rpartition("=")
    if not (column and equals and number.isdecimal() and int(number)):
        raise click.BadParameter(f"{text!r} is not COLUMN=N", param_hint="--per-class")
    return column, int(number)


def _print_summary(summary: FetchSummary) -> None:
    click.echo(f"{summary.path}: {summary.fetched + summary.kept:,} of {summary.chosen:,} pictures")
    rate = summary.fetched / summary.seconds
    megabytes = summary.bytes / 1e6
    click.echo(
        f"  {summary.fetched:,} fetched in {summary.seconds:.1f} s ({rate:.0f}/s), "
        f"{megabytes:,.1f} MB; {summary.kept:,} were there"
    )
    for count, what in (
        (summary.unaddressed, "of the catalog's rows name no picture"),
        (summary.unnamed, "of its rows have no id, or that of an earlier row"),
    ):
        if count:
            click.echo(f"  {count:,} {what}", err=True)
    if summary.failures:
        counts = summary.reasons.most_common()
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts)
        click.echo(
            f"  {summary.failures:,} failed ({reasons}): see {summary.path / 'status.jsonl'}, "
            "try them again with --retry-failed",
            err=True,
        )
    if summary.left:
        why = "; ".join(summary.left_why)
        click.echo(f"  {summary.left:,} are left for another run: {why}", err=True)
    if summary.rows:
        click.echo(f"  next: artsim embed {summary.path}")
