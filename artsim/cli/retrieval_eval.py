"""``artsim retrieval-eval``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.collection import where_option
from artsim.cli.options.computing import seed_option
from artsim.cli.options.index import index_argument, index_option, open_store, tap_option
from artsim.cli.options.labels import (
    column_option,
    count_among,
    k_option,
    keep_copies_option,
    label_option,
    qualified_option,
    read_among,
)
from artsim.cli.options.outputs import format_option
from artsim.cli.output import echo, fixed, note_left_out, print_json_lines, print_table
from artsim.datatypes import plural

if TYPE_CHECKING:
    from artsim.evaluation.retrieval import PixelScores, Retrieval

_BY_K = ("P", "HitRate", "mAP", "nDCG")
_ALONE = ("R-precision", "mAP@R")


@cloup.command("retrieval-eval")
@index_argument
@cloup.option_group("Index", index_option, tap_option())
@cloup.option_group(
    "Labels",
    label_option,
    qualified_option,
    where_option,
    click.option(
        "--split",
        metavar="SPLIT",
        help="Search with the test pictures of a split among its other pictures: a stored "
        "split, or a column with the values train and test.",
    ),
    keep_copies_option,
    column_option(
        "--junk",
        help="Ignore results with the query's value, such as other views of the same object.",
    ),
)
@cloup.option_group(
    "Method",
    k_option("Ranks to evaluate at", default="1,5,10,20,100"),
    click.option(
        "--pixels",
        is_flag=True,
        help="Also compare 100 queries with their first 20 results by pixels: SSIM and RMSE.",
    ),
    seed_option,
)
@cloup.option_group(
    "Output",
    click.option("--per-class", is_flag=True, help="List every class, the worst first."),
    format_option,
)
def retrieval_eval(
    index: Path | None,
    tap: str | None,
    where: str | None,
    per_class: bool,
    as_json: bool,
    **choice: Any,
) -> None:
    """Measure how well pictures retrieve others of their class.

    Every picture is a query, and the R others of its class are relevant; a picture that is alone in
    its class is no query. With --split the test pictures are the queries, and all others are
    searched. If a label has several values, a picture that shares one is relevant, and nDCG counts
    how many it shares. P@k: share of relevant pictures among the first k. HitRate@k: 1 if any of
    the first k is relevant. mAP@k: mean precision at the relevant ranks up to k, divided by min(R,
    k). nDCG@k: discounted cumulative gain with 1 / log2(rank + 1), as a share of the best possible.
    R-precision: P@R. mAP@R: mAP@k at k = R. MRR@k: 1 / rank of the first relevant result, 0 beyond
    k. All are means over the queries, with 95% intervals of resampled queries (of whole groups of
    them with --junk). Copies of a query are neither right nor wrong, as with --junk; --keep-copies
    counts them.

    100,000 random pairs of one class and of two classes show how far the similarities differ, and
    how often the pair of one class is the more similar (AUC). --pixels adds SSIM (Wang et al.
    2004) and RMSE (of 255 gray levels) between gray copies of 128 x 128 pixels. They compare the
    same pixels at the same place, and do not distinguish good from bad retrieval.

    Example:

    \b
        artsim retrieval-eval --label artist
        artsim retrieval-eval --label object_type --junk object_id -k 1,5,10 --per-class
        artsim retrieval-eval --label style --pixels
    """
    store = open_store(index)
    from artsim.evaluation.retrieval import RetrievalPlan, retrieve

    plan = RetrievalPlan(tap=store.tap(tap).name, among=read_among(store, where), **choice)
    found = list(retrieve(store, plan))
    if as_json:
        setting = {"tap": plan.tap, "split": plan.split, "junk": plan.junk, "seed": plan.seed}
        print_json_lines((_as_dict(each) | setting for each in found), index=store)
        if per_class:
            rows = (row for each in found for row in _classes(each))
            print_json_lines(rows, index=store)
        return
    ignored = f", same {plan.junk} ignored" if plan.junk else ""
    pictures = count_among(store, plan.among)
    echo(f"Retrieval on {store} ({pictures}, by {plan.tap}{ignored})")
    note_left_out(zeros=found[0].without_vector)
    for each in found:
        _print_retrieval(each)
        if per_class:
            _print_classes(each)


def _as_dict(each: Retrieval) -> dict[str, Any]:
    from artsim.metrics import scores_to_json

    scores, pixels = each.scores, each.pixels
    found = {
        "label": scores.label,
        "classes": len(scores.classes),
        "queries": len(scores.query_rows),
        "skipped": scores.skipped,
        "gallery": scores.gallery_size,
        **scores_to_json(dict(scores.estimates)),
        "true_pairs": _quantiles(each.true_pairs),
        "other_pairs": _quantiles(each.other_pairs),
        "auc": each.auc,
        **each.split.facts,
        "qualified_left_out": each.label.qualified,
        "without_vector": each.without_vector,
        "notes": list(each.split.notes),
    }
    if pixels is None:
        return found
    return found | {
        **pixels.overall,
        "ssim_right": _quantiles(pixels.right),
        "ssim_wrong": _quantiles(pixels.wrong),
        "ssim_auc": pixels.auc,
        "pixel_queries": pixels.queries,
        "unreadable": pixels.unreadable,
    }


def _quantiles(pairs: Any) -> dict[str, float] | None:
    from artsim.evaluation.retrieval import QUANTILES

    if not len(pairs):
        return None
    return {f"{100 * q:g} %": float(pairs[int(q * (len(pairs) - 1))]) for q in QUANTILES}


def _classes(each: Retrieval) -> list[dict[str, Any]]:
    """List the classes that have queries, worst mAP@R first."""
    import numpy as np

    scores = each.scores
    counts = scores.counts
    worst = np.argsort(scores.per_class["mAP@R"], kind="stable")  # NaN is last
    return [
        {"label": scores.label, "class": scores.classes[code], "queries": int(counts[code])}
        | {name: float(values[code]) for name, values in scores.per_class.items()}
        for code in worst
        if counts[code]
    ]


def _print_retrieval(each: Retrieval) -> None:
    scores = each.scores
    alone = plural(scores.skipped, "picture alone in its class", "pictures alone in their class")
    echo(
        f"\n{scores.label}: {len(scores.classes):,} classes, {len(scores.query_rows):,} queries "
        f"among {scores.gallery_size:,}" + (f"; not queries: {alone}" if scores.skipped else "")
    )
    pixels = {} if each.pixels is None else each.pixels.overall
    columns = [f"{name}@k" for name in _BY_K]
    columns += ["SSIM@k", "RMSE@k"] if pixels else []
    rows = [[k, *(_at(scores.overall | pixels, name, k) for name in columns)] for k in scores.ks]
    print_table(["k", *columns], rows, right=["k", *columns])
    for note in each.split.notes:
        echo(f"  {note[0].upper()}{note[1:]}")
    rest = [name for name in scores.overall if name in _ALONE or name.startswith("MRR")]
    echo("  " + ", ".join(f"{name} {scores.estimates[name]}" for name in rest))
    if not math.isnan(each.auc):
        true, other = (_middle(pairs) for pairs in (each.true_pairs, each.other_pairs))
        echo(
            f"  Cosine of two pictures of one class {true}, of two classes {other};\n"
            f"  the first is higher for {each.auc:.1%} of random pairs (AUC)"
        )
    if each.pixels is not None:
        _print_pixels(each.pixels)


def _at(overall: dict[str, float], name: str, k: int) -> str:
    score = overall.get(name.replace("@k", f"@{k}"))
    return fixed(score, 1 if name == "RMSE@k" else 3)


def _print_pixels(pixels: PixelScores) -> None:
    unreadable = f"; unreadable pictures: {pixels.unreadable:,}" if pixels.unreadable else ""
    queries = f"{pixels.queries:,} queries and their first results"
    echo(f"  SSIM and RMSE between {queries}{unreadable}")
    if not math.isnan(pixels.auc):
        right, wrong = (_middle(some) for some in (pixels.right, pixels.wrong))
        echo(
            f"  SSIM of a relevant result {right}, of another {wrong};\n"
            f"  the first is higher in {pixels.auc:.1%} of pairs (AUC; chance: 50%)"
        )


def _middle(pairs: Any) -> str:
    quantiles = list((_quantiles(pairs) or {}).values())
    return f"{quantiles[2]:.3f} ({quantiles[0]:.3f} to {quantiles[-1]:.3f})"


def _print_classes(each: Retrieval) -> None:
    names = [next(iter(each.scores.per_class)), *_ALONE]
    rows = [
        [row["class"], f"{row['queries']:,}", *(fixed(row[name]) for name in names)]
        for row in _classes(each)
    ]
    print_table(["class", "queries", *names], rows, right=["queries", *names])
