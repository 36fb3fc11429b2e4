"""``artsim leaks``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.collection import images_option, within_option
from artsim.cli.options.complete import complete_split
from artsim.cli.options.index import index_argument, index_option, is_index_named, open_store
from artsim.cli.options.labels import column_option, group_option
from artsim.cli.options.outputs import format_option, strict_option
from artsim.cli.options.values import count_cores
from artsim.cli.output import echo, note_left_out, print_json_lines, print_table, show_progress
from artsim.datatypes import plural

if TYPE_CHECKING:
    from artsim.splits import LeakReport


@cloup.command()
@index_argument
@cloup.option_group("Index", index_option)
@cloup.option_group(
    "Split",
    click.option(
        "--split",
        "splits",
        multiple=True,
        required=True,
        metavar="NAME",
        shell_complete=complete_split,
        help="Split made with 'artsim split', or a column with the values train, val and test. "
        "Repeat to check across tasks too.",
    ),
    group_option("Pictures with the same value of this column should be in one set: artist."),
    column_option(
        "--object", "object_", help="Column with the id of the object that a picture shows."
    ),
    within_option(4),
    click.option("--no-pictures", is_flag=True, help="Do not compare the pictures' hashes."),
)
@cloup.option_group(
    "Collection",
    click.option(
        "--collection",
        metavar="COLLECTION",
        help="Check a collection that is not embedded, by ids, --group and --object only.",
    ),
    images_option,
)
@cloup.option_group("Output", strict_option("the split leaks"), format_option)
def leaks(
    splits: tuple[str, ...],
    within: int,
    no_pictures: bool,
    collection: str | None,
    images: Path | None,
    strict: bool,
    index: Path | None,
    as_json: bool,
    **columns: str | None,
) -> None:
    """Check a split for leaks between training and test sets.

    A test picture leaks if the training set has the same id, file, picture (a near-duplicate),
    object or group. JSON has a line for each leaking picture and the one it leaks from.

    Example:

    \b
        artsim leaks --split honest --group artist
        artsim leaks --split style_split --split genre_split --json
    """
    if collection is not None:
        if is_index_named():
            raise click.UsageError("use --collection or an index, not both")
        from artsim.readers import ReaderOptions, read_collection
        from artsim.splits import audit_catalog

        catalog = read_collection(collection, options=ReaderOptions(images=images))
        report = audit_catalog(catalog, splits, **columns)
        store = None
    else:
        store = open_store(index)
        from artsim.splits import audit_splits

        with show_progress("Reading pictures") as progress:
            report = audit_splits(
                store,
                splits,
                pictures=not no_pictures,
                within=within,
                workers=count_cores(),
                progress=progress,
                **columns,
            )
    note_left_out(unhashed=report.unhashed)
    if as_json:
        print_json_lines(_rows(report), index=store)
    else:
        echo(f"Leaks in {collection if store is None else store}")
        _print_report(report)
    if strict and any(each.leaks for each in report.comparisons):
        sys.exit(1)


def _rows(report: LeakReport) -> Iterator[dict[str, Any]]:
    for each in report.comparisons:
        for leak in each.leaks:
            yield {
                "kind": str(leak.kind),
                "id": report.ids[leak.test_row],
                "split": each.test_split,
                "set": each.test_part,
                "from_id": report.ids[leak.train_row],
                "from_split": each.train_split,
                "from_set": each.train_part,
                "distance": leak.distance,
            }


def _print_report(report: LeakReport) -> None:
    rows = []
    for each in report.comparisons:
        counts = each.counts
        rows += [
            [
                f"{each.test_split} {each.test_part}",
                f"{each.test_rows:,}",
                f"{each.train_split} {each.train_part}",
                kind,
                f"{counts[kind]:,}",
                f"{counts[kind] / each.test_rows:.1%}",
            ]
            for kind in report.checked
        ]
    columns = ["set", "pictures", "leaks from", "by", "leaks", "share"]
    print_table(columns, rows, right=["pictures", "leaks", "share"])
    leaking = {leak.test_row for each in report.comparisons for leak in each.leaks}
    if leaking:
        echo(f"The split leaks {plural(len(leaking), 'picture')}; list each leak with --json")
    else:
        echo(f"No leaks, checked by {', '.join(report.checked)}")
