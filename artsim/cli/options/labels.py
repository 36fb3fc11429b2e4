"""What an evaluation measures: labels, their split, the groups kept together, and k."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.options.complete import complete_column, complete_split
from artsim.cli.options.values import Command, count_option, numbers, split_names
from artsim.cli.output import note_unknown
from artsim.datatypes import plural

if TYPE_CHECKING:
    from artsim.splits import Among
    from artsim.store import Store

_STRATIFIED = "70/10/20, stratified"


def column_option(*names: str, **attributes: Any) -> Callable[[Command], Command]:
    """Make an option for a column or label of the index."""
    attributes.setdefault("metavar", "COLUMN")
    return click.option(*names, shell_complete=complete_column, **attributes)


label_option = column_option(
    "--label",
    "labels",
    multiple=True,
    metavar="LABEL,...",
    callback=split_names,
    help='Columns, derived labels or "NAME = EXPRESSION".  '
    "[default: every column with one class per picture]",
)


qualified_option = click.option(
    "--qualified",
    "keep_qualified",
    type=click.Choice(["leave-out", "keep"]),
    default="leave-out",
    show_default=True,
    callback=lambda _context, _option, value: value == "keep",
    help='Values with a qualifier, such as "after" or "workshop of" an artist: leave them out of '
    "the label, or keep them as the artist's own.",
)


def _read_hierarchy(_context: click.Context, _: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    from artsim.labels.trees import read_hierarchy

    return read_hierarchy(value)


hierarchy_option = click.option(
    "--hierarchy",
    metavar="FILE|iconclass",
    callback=_read_hierarchy,
    help="Which classes are below which: a CSV file with the columns child and parent, SKOS as "
    ".ttl, or iconclass if the labels are its notations. Predictions are also scored by the "
    "classes above them, and backed off to the deepest level that is sure enough.",
)


def split_option(default: str = _STRATIFIED) -> Callable[[Command], Command]:
    """Add --split; ``default`` says what is done without."""
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


def _needs_split(context: click.Context, _: click.Parameter, value: bool) -> bool:
    if value and context.params["split"] is None:
        raise click.UsageError("--no-leaks checks a split; name one with --split", context)
    return value


no_leaks_option = click.option(
    "--no-leaks",
    is_flag=True,
    callback=_needs_split,
    help="Stop if training and test set share a file or picture: see 'artsim leaks'.",
)


split_options = (split_option(), keep_copies_option, no_leaks_option)


def group_option(help_: str) -> Callable[[Command], Command]:
    """Add --group: a column whose values keep pictures together."""
    return column_option("--group", help=help_)


def k_option(what: str, *, default: str) -> Callable[[Command], Command]:
    """Add -k: sorted numbers from 1. ``what`` describes them: "Numbers of neighbors"."""
    return click.option(
        "-k",
        "--k",
        "ks",
        multiple=True,
        metavar="K,...",
        callback=lambda context, parameter, texts: numbers(texts, "-k"),
        help=f"{what}.  [default: {default}]",
    )


queries_option = count_option(
    "--queries",
    default=100_000,
    help="Evaluate at most N test pictures, drawn at random.",
)


min_confidence_option = click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="P",
    help="Predict nothing if no class is this likely.  [default: always predict]",
)


def read_among(store: Store, where: str | None) -> Among | None:
    """Read which works --where limits an evaluation to; note those of unknown values."""
    if where is None:
        return None
    from artsim.search import Works

    works = Works(store)
    among = works.among(where)
    note_unknown(works.filter.unknown(where, ()))
    return among


def count_among(store: Store, among: Among | None) -> str:
    """Say how many pictures there are, or how many of them take part and which."""
    every = plural(store.rows, "picture")
    return every if among is None else f"{among.rows.sum():,} of {every} where {among.where}"
