"""``artsim review``."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import cloup

from artsim.cli.options.index import index_option, open_store, words_argument
from artsim.cli.options.outputs import format_option
from artsim.cli.options.values import PICTURE, file_option
from artsim.cli.output import echo, print_json_lines, print_notes, print_table
from artsim.datatypes import plural

if TYPE_CHECKING:
    from artsim.store import Store


@cloup.command()
@words_argument("columns", "[COLUMN]", most=1)
@cloup.option_group("Index", index_option)
@cloup.option_group(
    "Review",
    file_option(
        "-o",
        "--output",
        help="Write the predictions to a CSV file to be reviewed, the least confident first.",
    ),
    click.option(
        "--read", "reviewed", metavar="FILE", type=PICTURE, help="Read the decisions of that file."
    ),
    click.option("--reviewer", metavar="NAME", help="Who decided.  [default: the user's name]"),
)
@cloup.option_group("Output", format_option)
def review(
    columns: tuple[str, ...],
    index: Path | None,
    output: Path | None,
    reviewed: Path | None,
    reviewer: str | None,
    as_json: bool,
) -> None:
    """Review stored predictions in a spreadsheet.

    COLUMN is a column of predictions, stored by 'artsim zero-shot --save' or 'artsim teach';
    without it they are listed. In the spreadsheet write accept or reject in the column decision, or
    the right value in the column correction; leave rows empty for later. Reading the file back
    makes the column COLUMN_reviewed: accepted and corrected values, with who decided and when. It
    is a label like any other of the catalog.

    Example:

    \b
        artsim review style_predicted -o review.csv
        artsim review style_predicted --read review.csv --reviewer "A. Curator"
        artsim knn-eval --label style_predicted_reviewed
    """
    if output is not None and reviewed is not None:
        raise click.UsageError("use -o FILE or --read FILE, not both")
    store = open_store(index)
    if not columns:
        _list(store, as_json)
        return
    from artsim.prediction import export_review, read_review

    name = columns[0]
    if reviewed is not None:
        found = read_review(store, name, reviewed, by=reviewer or _user())
        print_notes(*found.problems)
        if as_json:
            print_json_lines([vars(found)], index=store)
        elif not (found.accepted or found.corrected or found.rejected):
            echo(
                f"No row of {reviewed} has a decision; write accept or reject in the column "
                "decision, or the right value in the column correction"
            )
        else:
            done = f"{found.accepted:,} accepted, {found.corrected:,} corrected"
            echo(f"{found.name} in {store}: {done}, {found.rejected:,} rejected")
            echo(f"  {plural(found.open, 'row')} without a decision")
        if found.problems:
            raise click.exceptions.Exit(1)
    elif output is not None:
        written = plural(export_review(store, name, output), "prediction")
        echo(f"{written} written to {output}", err=True)
    else:
        raise click.UsageError("write the predictions with -o FILE, or read decisions with --read")


def _list(store: Store, as_json: bool) -> None:
    from artsim.prediction import stored_predictions

    found = [
        {"column": name, **{key: column.made.get(key) for key in ("by", "created")}}
        for name, column in stored_predictions(store).items()
    ]
    if as_json:
        print_json_lines(found, index=store)
    elif found:
        echo(f"Predictions stored in {store}")
        cells = [
            [each["column"], str(each["created"])[:16].replace("T", " "), each["by"]]
            for each in found
        ]
        print_table(["column", "created", "made"], cells, whole=["column", "created"])
    else:
        echo(f"{store} has no stored predictions; see 'artsim zero-shot --help'")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # in a container the user may have no name
        raise click.UsageError("this user has no name; say who decided with --reviewer") from None
