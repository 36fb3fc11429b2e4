"""What an evaluation measures: labels, their split, the groups kept together, and k."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from artsim.cli.options.complete import complete_column, complete_split
from artsim.cli.options.values import Command, numbers, split_names

_STRATIFIED = "70/10/20, stratified"


label_option = click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="LABEL,...",
    callback=split_names,
    shell_complete=complete_column,
    help='Columns, derived labels or "NAME = EXPRESSION".  '
    "[default: every column with one class per picture]",
)


def split_option(default: str = _STRATIFIED) -> Callable[[Command], Command]:
    """Add --split.

    Args:
        default: What is done without a split.
    """
    return click.option(
        "--split",
        metavar="NAME",
        is_eager=True,  # read before --no-leaks
        shell_complete=complete_split,
        help="Split made with 'artsim split', or a column with the values train, val and test.  "
        f"[default: {default}]",
    )


keep_copies_option = click.option(
    "--keep-copies",
    is_flag=True,
    help="Train on copies of test pictures too, and let copies be neighbors.",
)


def split_options(default: str = _STRATIFIED) -> Callable[[Command], Command]:
    """Add --split, --keep-copies and --no-leaks, and refuse the last without the first.

    Args:
        default: What is done without a split.
    """

    def decorate(command: Command) -> Command:
        for option in (
            click.option(
                "--no-leaks",
                is_flag=True,
                callback=_needs_split,
                help="Stop if training and test set share a file or picture: see 'artsim leaks'.",
            ),
            keep_copies_option,
            split_option(default),
        ):
            command = option(command)
        return command

    return decorate


def group_option(help_: str, *, several: bool = False) -> Callable[[Command], Command]:
    """Add --group: columns whose values keep pictures together.

    Args:
        help_: What happens to pictures that share a value.
        several: Whether the command takes several columns, as ``groups``.
    """
    more: dict[str, Any] = {"multiple": True, "callback": split_names} if several else {}
    return click.option(
        "--group",
        "groups" if several else "group",
        metavar="COLUMN,..." if several else "COLUMN",
        shell_complete=complete_column,
        help=help_,
        **more,
    )


def k_option(what: str, *, default: str) -> Callable[[Command], Command]:
    """Add -k: numbers from 1, sorted.

    Args:
        what: What k is: "Numbers of neighbors that vote".
        default: What is taken where none is given.
    """
    return click.option(
        "-k",
        "--k",
        "ks",
        multiple=True,
        metavar="K,...",
        callback=lambda context, parameter, texts: numbers(texts, "-k"),
        help=f"{what}.  [default: {default}]",
    )


def _needs_split(context: click.Context, _: click.Parameter, value: bool) -> bool:
    if value and context.params["split"] is None:
        raise click.UsageError("--no-leaks checks a split; name one with --split", context)
    return value
