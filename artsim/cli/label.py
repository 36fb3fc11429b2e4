"""``artsim label``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from artsim.cli.options import format_option, index_option, open_store
from artsim.cli.output import print_json_lines, print_table, wants_json

_SHOWN = 20  # classes of the table; JSON has all


@click.command()
@click.argument("label", required=False)
@click.option("--remove", metavar="NAME", help="Take a derived label out of the index.")
@index_option
@format_option
def label(label: str | None, remove: str | None, index: Path | None, as_json: bool | None) -> None:
    """Derive a label from the catalog's columns, and note it in the index by its name.

    LABEL is "NAME = EXPRESSION": columns, numbers, 'text', + - * / //, comparisons, ~ and !~
    (contains, in any case), in ('a', 'b'), and, or, not, begin and end of a range of years.
    A condition gives the classes NAME and 'not NAME'; what is missing stays missing. Without
    LABEL the index's derived labels are listed.

    Example:

    \b
        artsim label "lithograph = medium ~ 'lithograph'"
        artsim label "century = year // 100 + 1"
        artsim knn-eval --label century
    """
    if label is not None and remove is not None:
        raise click.UsageError("give a label, or --remove NAME, not both")
    store = open_store(index)
    from artsim.labels import add_label, derived_labels, remove_label

    if remove is not None:
        remove_label(store.path, remove)
        click.echo(f"Removed {remove!r} from {store.path}", err=True)
        return
    if label is None:
        known = derived_labels(store).items()
        if wants_json(as_json):
            print_json_lines({"label": name, "expression": text} for name, text in known)
        elif known:
            print_table(["label", "expression"], list(known))
        else:
            click.echo(f"{store.path} has no derived label; see 'artsim label --help'")
        return
    derivation, values = add_label(store.path, label)
    counts = Counter(value for value in values if value is not None)
    missing = len(values) - sum(counts.values())
    if wants_json(as_json):
        found = {"label": derivation.name, "expression": derivation.expression}
        print_json_lines([found | {"classes": dict(counts.most_common()), "missing": missing}])
        return
    click.echo(f"{derivation.name} in {store.path}: {len(counts):,} classes, {missing:,} missing")
    rows = [[name, f"{count:,}"] for name, count in counts.most_common(_SHOWN)]
    if rows:
        print_table(["class", "pictures"], rows, right=["pictures"])
    if len(counts) > _SHOWN:
        click.echo(f"  and {len(counts) - _SHOWN:,} more")
