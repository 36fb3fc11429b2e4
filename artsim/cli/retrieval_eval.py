"""``artsim retrieval-eval``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.options import format_option, index_option, open_store, tap_option
from artsim.cli.output import print_json_lines, print_table, wants_json

if TYPE_CHECKING:
    from artsim.retrieving import Retrieval

_BY_K = ("P", "HitRate", "mAP", "nDCG")
_ALONE = ("R-precision", "mAP@R")


@click.command("retrieval-eval")
@index_option
@tap_option
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="LABEL",
    help='Pictures that share it are what is to be found: a column, derived label, or "NAME = '
    'EXPRESSION". Repeat for more.  [default: every column that can be a label]',
)
@click.option(
    "-k",
    "--k",
    "ks",
    multiple=True,
    metavar="N,M",
    help="Ranks to cut at. Repeat for more.  [default: 1,5,10,20,100]",
)
@click.option(
    "--junk",
    metavar="COLUMN",
    help="Pictures that share its value, say views of one object, are neither right nor wrong.",
)
@click.option("--per-class", is_flag=True, help="List every class, the worst first.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the pairs that are drawn.",
)
@format_option
def retrieval_eval(
    index: Path | None,
    tap: str | None,
    labels: tuple[str, ...],
    ks: tuple[str, ...],
    junk: str | None,
    per_class: bool,
    seed: int,
    as_json: bool | None,
) -> None:
    """Measure how much of what shares a label each picture brings up when it is asked for others.

    Every picture is a query, and the others of its class are relevant, R in number; a class's only
    picture is no query. P@k is the relevant share of the first k. HitRate@k is 1 if any of them is
    relevant. mAP@k is the mean over the relevant ones among the first k of the precision down to
    them, out of min(R, k). nDCG@k weighs a rank by 1 / log2(rank + 1), out of the most possible.
    R-precision is P@R, mAP@R is mAP@k at k = R. MRR@k is 1 / the first relevant rank, or 0 beyond
    k. All are means over the queries.

    Example:

    \b
        artsim retrieval-eval --label artist
        artsim retrieval-eval --label object_type --junk object_id -k 1,5,10 --per-class
    """
    store = open_store(index)
    from artsim.retrieving import RetrievalPlan, retrieve

    plan = RetrievalPlan(
        tap=store.tap(tap).name, labels=labels, ks=_ranks(ks), junk=junk, seed=seed
    )
    found = list(retrieve(store, plan))
    if wants_json(as_json):
        setting = {"tap": plan.tap, "junk": junk, "seed": seed}
        print_json_lines(_as_dict(each) | setting for each in found)
        if per_class:
            print_json_lines(row for each in found for row in _class_dicts(each))
        return
    apart = f", {junk} is junk" if junk else ""
    click.echo(f"Retrieval on {store.path} ({store.rows:,} pictures, by {plan.tap}{apart})")
    for each in found:
        _print_retrieval(each)
        if per_class:
            _print_classes(each)


def _ranks(texts: tuple[str, ...]) -> tuple[int, ...]:
    numbers = []
    for part in ",".join(texts).split(",") if texts else []:
        if not part.strip().isdecimal() or int(part) < 1:
            raise click.BadParameter(
                f"{part!r} is not a rank from 1, as in 1,5,10", param_hint="-k"
            )
        numbers.append(int(part))
    return tuple(sorted(set(numbers)))


def _as_dict(each: Retrieval) -> dict[str, Any]:
    scores = each.scores
    return {
        "label": scores.label,
        "classes": len(scores.classes),
        "queries": len(scores.query_rows),
        "skipped": scores.skipped,
        **scores.overall,
        "true_pairs": _quantiles(each.true_pairs),
        "other_pairs": _quantiles(each.other_pairs),
        "told_apart": None if math.isnan(each.told_apart) else each.told_apart,
    }


def _quantiles(pairs: Any) -> dict[str, float] | None:
    from artsim.retrieving import QUANTILES

    if not len(pairs):
        return None
    return {f"{100 * q:g} %": float(pairs[int(q * (len(pairs) - 1))]) for q in QUANTILES}


def _class_rows(each: Retrieval) -> list[tuple[int, int]]:
    """Return the classes that have queries and how many, worst mAP@R first."""
    import numpy as np

    counts = np.bincount(each.scores.truth, minlength=len(each.scores.classes))
    worst = np.argsort(each.scores.per_class["mAP@R"], kind="stable")  # NaN is last
    return [(int(code), int(counts[code])) for code in worst if counts[code]]


def _class_dicts(each: Retrieval) -> list[dict[str, Any]]:
    return [
        {"label": each.scores.label, "class": each.scores.classes[code], "queries": count}
        | {name: float(values[code]) for name, values in each.scores.per_class.items()}
        for code, count in _class_rows(each)
    ]


def _print_retrieval(each: Retrieval) -> None:
    scores = each.scores
    click.echo(
        f"\n{scores.label}: {len(scores.classes):,} classes, {len(scores.query_rows):,} queries"
        + (f", {scores.skipped:,} pictures have none to find" if scores.skipped else "")
    )
    ks = [int(name.partition("@")[2]) for name in scores.overall if name.startswith("P@")]
    rows = [[k, *(f"{scores.overall[f'{name}@{k}']:.3f}" for name in _BY_K)] for k in ks]
    columns = ["k", *(f"{name}@k" for name in _BY_K)]
    print_table(columns, rows, right=columns)
    rest = [name for name in scores.overall if name in _ALONE or name.startswith("MRR")]
    click.echo("  " + ", ".join(f"{name} {scores.overall[name]:.3f}" for name in rest))
    if not math.isnan(each.told_apart):
        true, other = (_middle(pairs) for pairs in (each.true_pairs, each.other_pairs))
        click.echo(
            f"  Cosine of two pictures of one class {true}, of two classes {other};\n"
            f"  the first is higher in {each.told_apart:.1%} of draws"
        )


def _middle(pairs: Any) -> str:
    quantiles = list((_quantiles(pairs) or {}).values())
    return f"{quantiles[2]:.3f} ({quantiles[0]:.3f} to {quantiles[-1]:.3f})"


def _print_classes(each: Retrieval) -> None:
    names = [next(iter(each.scores.per_class)), *_ALONE]
    rows = [
        [
            each.scores.classes[code],
            f"{count:,}",
            *(f"{each.scores.per_class[name][code]:.3f}" for name in names),
        ]
        for code, count in _class_rows(each)
    ]
    print_table(["class", "queries", *names], rows, right=["queries", *names])
