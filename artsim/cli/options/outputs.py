"""What a command prints and the files it writes."""

from __future__ import annotations

from collections.abc import Callable

import click

from artsim.cli.options.values import FOLDER, NEW_FILE, Command

format_option = click.option(
    "--json/--table",
    "as_json",
    default=None,
    help="Print JSON lines, or a table.  [default: a table on a terminal, else JSON]",
)


def folder_option(what: str, *, default: str) -> Callable[[Command], Command]:
    """Add -o for the folder that a command makes.

    Args:
        what: The folder: "Index folder".
        default: Where it is made else.
    """
    return click.option(
        "-o",
        "--output",
        metavar="DIR",
        type=FOLDER,
        help=f"{what} to write.  [default: {default}]",
    )


def rows_option(what: str) -> Callable[[Command], Command]:
    """Add -o for a table of all results.

    Args:
        what: Its rows: "all pairs".
    """
    return click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=NEW_FILE,
        help=f"Write {what} to a .csv or .parquet file.",
    )


def csv_option(what: str) -> Callable[[Command], Command]:
    """Add --csv.

    Args:
        what: Its rows: "the matches".
    """
    return click.option("--csv", metavar="FILE", type=NEW_FILE, help=f"Write {what} to a CSV file.")


def html_option(help_: str) -> Callable[[Command], Command]:
    """Add --html.

    Args:
        help_: What the page shows.
    """
    return click.option("--html", metavar="FILE", type=NEW_FILE, help=help_)


def sheet_option(what: str) -> Callable[[Command], Command]:
    """Add --sheet.

    Args:
        what: The pictures on it: "the query and its matches".
    """
    return click.option(
        "--sheet",
        metavar="FILE",
        type=NEW_FILE,
        help=f"Draw a contact sheet of {what} (.png, .jpg).",
    )


def strict_option(what: str) -> Callable[[Command], Command]:
    """Add --strict.

    Args:
        what: When the exit status is 1: "a picture could not be embedded".
    """
    return click.option("--strict", is_flag=True, help=f"Exit with status 1 if {what}.")
