"""``artsim split``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.computing import seed_option
from artsim.cli.options.index import index_argument, index_option, open_store
from artsim.cli.options.labels import column_option, group_option
from artsim.cli.options.outputs import format_option
from artsim.cli.options.values import count_option
from artsim.cli.output import echo, print_json_lines, print_notes, print_table

if TYPE_CHECKING:
    from artsim.splits import StoredSplit
    from artsim.store import Store

_OFF = 0.02  # of the pictures: a set that is more than so far from its fraction has a note


@cloup.command()
@index_argument
@cloup.option_group("Index", index_option)
@cloup.option_group(
    "Split",
    click.option(
        "--name", metavar="NAME", help="Name of the new split.  [default: list the splits]"
    ),
    click.option(
        "--fractions",
        metavar="A/B[/C]",
        help="Percentages of train/test or train/val/test, as 70/10/20.  [default: 80/20]",
    ),
    count_option(
        "--folds", least=2, help="Make N folds for cross-validation by 'artsim knn-eval' instead."
    ),
    column_option(
        "--stratify",
        metavar="LABEL",
        help="Split each class of this label in the same proportions.",
    ),
    group_option("Keep pictures with the same value of this column together: artist."),
    count_option(
        "--per-class",
        help="Sample N pictures of each class first. Without --fractions or --folds the sample "
        "is not split.",
    ),
    click.option("--replace", is_flag=True, help="Replace an existing split."),
    seed_option,
)
@cloup.option_group("Output", format_option)
def split(
    name: str | None,
    fractions: str | None,
    folds: int | None,
    stratify: str | None,
    per_class: int | None,
    replace: bool,
    index: Path | None,
    as_json: bool,
    **choice: Any,
) -> None:
    """Split an index into training, validation and test sets.

    The split is stored in the index by picture id, so it stays the same when the index grows;
    pictures added later belong to none of its sets. Use it with --split NAME in 'artsim knn-eval',
    'artsim probe' and others.

    Example:

    \b
        artsim split --name honest --stratify style --group artist
        artsim split --name small --per-class 2000 --stratify medium --fractions 70/10/20
        artsim split --name cv --folds 5 --stratify style
    """
    if folds is not None and fractions is not None:
        raise click.UsageError("use --fractions or --folds, not both")
    if per_class is not None and stratify is None:
        raise click.UsageError("--per-class samples the classes of a label; add --stratify LABEL")
    store = open_store(index)
    from artsim.splits import SplitPlan, make_split, read_stored_split, stored_splits

    if name is None:
        drawn = [read_stored_split(store, each) for each in stored_splits(store)]
        if not drawn and not as_json:
            echo(f"{store} has no splits; make one with --name NAME")
    else:
        if fractions is None and folds is None and per_class is None:
            fractions = "80/20"
        plan = SplitPlan(
            fractions=_fractions(fractions) if fractions else None,
            folds=folds,
            stratify=stratify,
            per_class=per_class,
            **choice,
        )
        drawn = [make_split(store, name, plan, replace=replace)]
    if as_json:
        print_json_lines(map(_describe, drawn), index=store)
    else:
        for each in drawn:
            _print_split(each, store)


def _fractions(text: str) -> tuple[float, ...]:
    """Read 70/10/20 (percent) or 0.7/0.1/0.2."""
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    total = 100 if sum(numbers) > 2 else 1
    if len(numbers) not in (2, 3) or min(numbers) <= 0 or abs(sum(numbers) - total) > 1e-6:
        raise click.BadParameter(
            f"{text!r} is not of the form 80/20 or 70/10/20, adding up to 100",
            param_hint="--fractions",
        )
    return tuple(number / total for number in numbers)


def _describe(split: StoredSplit) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "split": split.name,
        "sets": split.counts,
        "left_out": split.left_out,
        "unassigned": split.unassigned,
        "gone": split.gone,
        **(asdict(split.plan) if split.plan else {}),
    }


def _print_split(split: StoredSplit, store: Store) -> None:
    plan = split.plan
    if plan is not None:
        notes = [f"seed {plan.seed}"]
        notes += [f"stratified by {plan.stratify}"] if plan.stratify else []
        notes += [f"grouped by {plan.group}"] if plan.group else []
        notes += [f"{plan.per_class:,} of each class"] if plan.per_class else []
        echo(f"{split.name} in {store}: {', '.join(notes)}")
    rows = [[part, f"{count:,}"] for part, count in split.counts.items()]
    for what, count in (
        ("not sampled", split.left_out),
        ("added later, in no set", split.unassigned),
        ("gone from the index", split.gone),
    ):
        rows += [[what, f"{count:,}"]] if count else []
    print_table(["set", "pictures"], rows, right=["pictures"])
    if plan is not None and plan.fractions is not None and _is_off(split, plan.fractions):
        asked, found = (
            "/".join(f"{100 * each:.0f}" for each in some)
            for some in (plan.fractions, _shares(split))
        )
        why = " and ".join(
            filter(
                None,
                (
                    plan.stratify and f"classes of few pictures of {plan.stratify}",
                    plan.group and f"whole groups by {plan.group}",
                ),
            )
        )
        print_notes(
            f"the sets are {found}%, not {asked}%, as {why or 'few pictures'} allow no other"
        )


def _shares(split: StoredSplit) -> list[float]:
    return [count / sum(split.counts.values()) for count in split.counts.values()]


def _is_off(split: StoredSplit, fractions: tuple[float, ...]) -> bool:
    """Return whether a set has many more or fewer pictures than was asked for."""
    shares, n = _shares(split), sum(split.counts.values())
    if split.gone or len(shares) != len(fractions):
        return False
    off = max(abs(one - other) for one, other in zip(shares, fractions, strict=True))
    return off > max(_OFF, 1 / n)
