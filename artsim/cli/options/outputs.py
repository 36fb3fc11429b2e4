"""What a command prints and the files it writes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from artsim.cli.options.values import FOLDER, PLACE, Command, file_option
from artsim.cli.previews import PREVIEWS


def _suits_output(context: click.Context, _: click.Parameter, value: bool | None) -> bool:
    return not sys.stdout.isatty() if value is None else value


format_option = click.option(
    "--json/--table",
    "as_json",
    default=None,
    callback=_suits_output,
    help="Print JSON lines, or a table.  [default: a table on a terminal, else JSON]",
)


allow_loss_option = click.option(
    "--allow-loss",
    is_flag=True,
    help="Update the index even if it loses works: most of its pictures are gone from the "
    "collection, or they have no vector in its new version.",
)

previews_option = click.option(
    "--previews",
    type=click.Choice(PREVIEWS),
    default="auto",
    help="Show small pictures in the terminal.  [default: if the terminal can]",
)


def folder_option(
    what: str, *, default: str, anywhere: bool = False
) -> Callable[[Command], Command]:
    """Add -o for the folder that a command makes, ``anywhere``: in an object store, too."""
    help_ = f"{what} to write.  [default: {default}]"
    type_ = PLACE if anywhere else FOLDER
    return click.option("-o", "--output", metavar="DIR", type=type_, help=help_)


def _rows_file(context: click.Context, parameter: click.Parameter, out: Path | None) -> Path | None:
    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise click.BadParameter(f"{out} is neither .csv nor .parquet", context, parameter)
    return out


def rows_option(what: str) -> Callable[[Command], Command]:
    """Add -o for a table of all results. ``what`` names its rows: "all pairs"."""
    help_ = f"Write {what} to a .csv or .parquet file."
    return file_option("-o", "--output", callback=_rows_file, help=help_)


def csv_option(what: str) -> Callable[[Command], Command]:
    """Add --csv. ``what`` names its rows: "the matches"."""
    return file_option("--csv", help=f"Write {what} to a CSV file.")


def sheet_option(what: str) -> Callable[[Command], Command]:
    """Add --sheet. ``what`` names its pictures: "the groups"."""
    return file_option("--sheet", help=f"Draw a contact sheet of {what} (.png, .jpg).")


def strict_option(what: str) -> Callable[[Command], Command]:
    """Add --strict. ``what`` names the failure: "a picture could not be embedded"."""
    return click.option("--strict", is_flag=True, help=f"Exit with status 1 if {what}.")
