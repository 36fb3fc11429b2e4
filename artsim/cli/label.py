"""``artsim label``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click
import cloup

from artsim.cli.options.index import index_option, open_store, words_argument
from artsim.cli.options.labels import column_option
from artsim.cli.options.outputs import format_option
from artsim.cli.output import echo, print_counts, print_json_lines, print_notes, print_table
from artsim.datatypes import plural


@cloup.command()
@words_argument("labels", "[LABEL]", most=1)
@cloup.option_group("Index", index_option)
@cloup.option_group(
    "Labels",
    column_option(
        "--remove",
        metavar="LABEL",
        help="Remove a derived label, or a column of predictions, from the index.",
    ),
)
@cloup.option_group("Output", format_option)
def label(labels: tuple[str, ...], remove: str | None, index: Path | None, as_json: bool) -> None:
    """Derive a label from the catalog's columns.

    LABEL is "NAME = EXPRESSION", where EXPRESSION is SQL over the columns, as in --where. A
    condition gives the classes NAME and 'not NAME'; missing values stay missing. Write
    years.begin and years.end for a range of years. A column with several values is compared by
    each of them: tags = 'oil' holds if one is oil, tags <> 'oil' if none is. century(year) is 19
    for 1801 to 1900 and -4 for 400 to 301 BCE, and takes a range by its middle. The label is
    stored in the index, in place of another of its name. Without LABEL the derived labels are
    listed.

    Example:

    \b
        artsim label "lithograph = medium ILIKE '%lithograph%'"
        artsim label "century = century(year)"
        artsim knn-eval --label century
    """
    label = labels[0] if labels else None
    if label is not None and remove is not None:
        raise click.UsageError("use a label or --remove LABEL, not both")
    store = open_store(index)
    from artsim.labels import add_label, derived_labels, remove_label

    if remove is not None:
        remove_label(store.path, remove)
        echo(f"Removed {remove!r} from {store}", err=True)
        return
    if label is None:
        known = derived_labels(store).items()
        if as_json:
            print_json_lines(
                ({"label": name, "expression": text} for name, text in known), index=store
            )
        elif known:
            echo(f"Derived labels of {store}")
            print_table(["label", "expression"], list(known))
        else:
            echo(f"{store} has no derived labels; see 'artsim label --help'")
        return
    derivation, values, before = add_label(store.path, label)
    if before is not None:
        print_notes(f"it replaces another {derivation.name!r}, which was: {before}")
    counts = Counter(value for value in values if value is not None)
    missing = len(values) - sum(counts.values())
    if as_json:
        found: dict[str, Any] = {"label": derivation.name, "expression": derivation.expression}
        found |= {"classes": dict(counts.most_common()), "missing": missing}
        print_json_lines([found], index=store)
        return
    classes = plural(len(counts), "class", "classes")
    echo(f"{derivation.name} in {store}: {classes}, {missing:,} missing")
    print_counts(dict(counts.most_common()))
