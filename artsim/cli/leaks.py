"""``artsim leaks``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.options import FOLDER, count_cores, format_option, index_option, open_store
from artsim.cli.output import print_json_lines, print_table, show_progress, wants_json

if TYPE_CHECKING:
    from artsim.splits.audit import LeakReport


@click.command()
@click.option(
    "--split",
    "splits",
    multiple=True,
    required=True,
    metavar="NAME",
    help="A split of 'artsim split', or a column. Repeat to look across tasks as well.",
)
@click.option("--group", metavar="LABEL", help="Its values should be on one side: artist.")
@click.option("--object", "object_", metavar="LABEL", help="Says which object a picture shows.")
@click.option(
    "--within",
    type=click.IntRange(0, 64),
    default=4,
    show_default=True,
    help="Bits of 64 that the perceptual hashes of look-alikes may differ by.",
)
@click.option("--no-pictures", is_flag=True, help="Do not compare what the pictures look like.")
@click.option(
    "--collection",
    metavar="COLLECTION",
    help="Ask a collection that is not embedded, by ids, --group and --object alone.",
)
@click.option(
    "--images", metavar="DIR", type=FOLDER, help="Folder that its picture paths are relative to."
)
@click.option("--strict", is_flag=True, help="Exit with 1 if anything leaks.")
@index_option
@format_option
def leaks(
    splits: tuple[str, ...],
    group: str | None,
    object_: str | None,
    within: int,
    no_pictures: bool,
    collection: str | None,
    images: Path | None,
    strict: bool,
    index: Path | None,
    as_json: bool | None,
) -> None:
    """Report what pictures to be judged share with those learned from: where a split leaks.

    By id, file (the same bytes), picture (other bytes that look the same), object and group.
    JSON has a line for every picture that is given away, and by which.

    Example:

    \b
        artsim leaks --split honest --group artist
        artsim leaks --split style_split --split genre_split --json
    """
    if collection is not None:
        if (
            index is not None
            and click.get_current_context().get_parameter_source("index")
            == click.core.ParameterSource.COMMANDLINE
        ):
            raise click.UsageError("give --collection or --index, not both")
        from artsim.readers import ReaderOptions, read_collection
        from artsim.splits.audit import audit_catalog

        catalog = read_collection(collection, options=ReaderOptions(images=images))
        report = audit_catalog(catalog, splits, group=group, object_=object_)
    else:
        store = open_store(index)
        from artsim.splits.audit import audit_splits

        with show_progress("hashing") as progress:
            report = audit_splits(
                store,
                splits,
                group=group,
                object_=object_,
                pictures=not no_pictures,
                within=within,
                workers=count_cores(),
                progress=progress,
            )
    if report.unhashed:
        click.echo(
            f"Note: {report.unhashed:,} pictures are blank or cannot be read: not compared by look",
            err=True,
        )
    if wants_json(as_json):
        print_json_lines(_rows(report))
    else:
        _print_report(report)
    if strict and any(each.leaks for each in report.comparisons):
        sys.exit(1)


def _rows(report: LeakReport) -> Iterator[dict[str, Any]]:
    for each in report.comparisons:
        for leak in each.leaks:
            yield {
                "kind": str(leak.kind),
                "id": report.ids[leak.held],
                "split": each.held_split,
                "side": each.held_side,
                "from_id": report.ids[leak.seen],
                "from_split": each.seen_split,
                "from_side": each.seen_side,
                "distance": leak.distance,
            }


def _print_report(report: LeakReport) -> None:
    rows = []
    for each in report.comparisons:
        counts = each.counts
        rows += [
            [
                f"{each.held_split} {each.held_side}",
                f"{each.held:,}",
                f"{each.seen_split} {each.seen_side}",
                kind,
                f"{counts[kind]:,}",
                f"{counts[kind] / each.held:.1%}",
            ]
            for kind in report.checked
        ]
    columns = ["judged", "pictures", "learned from", "by", "leaks", "share"]
    print_table(columns, rows, right=["pictures", "leaks", "share"])
    if any(each.leaks for each in report.comparisons):
        click.echo("Each of them, and what gives it away: --json")
