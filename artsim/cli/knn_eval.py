"""``artsim knn-eval``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.options import NEW_FILE, format_option, index_option, open_store, tap_option
from artsim.cli.output import print_json_lines, print_table, wants_json

if TYPE_CHECKING:
    from artsim.annotations import Split
    from artsim.assess import KnnRun
    from artsim.evaluation.knn import KnnEvaluation, KnnScore


@click.command("knn-eval")
@index_option
@tap_option
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="LABEL",
    help='Judge this column, derived label, or "NAME = EXPRESSION". Repeat for more.  '
    "[default: every column that can be a label]",
)
@click.option(
    "--split",
    metavar="NAME",
    help="A split of 'artsim split', or a column: its 'train' rows are the neighbours, its 'test' "
    "rows ask.  [default: leave-one-out]",
)
@click.option(
    "--no-leaks",
    is_flag=True,
    help="Refuse a split whose sides share a file or a picture: see 'artsim leaks'.",
)
@click.option(
    "--group",
    metavar="COLUMN",
    help="Pictures that share its value are never neighbours: artist, when judging style.",
)
@click.option(
    "-k",
    "ks",
    multiple=True,
    type=click.IntRange(1),
    help="Neighbours that vote. Repeat for more.  [default: 1 5 10 20 100 200]",
)
@click.option(
    "--protocol",
    type=click.Choice(["weighted", "plain", "both"]),
    default="weighted",
    show_default=True,
    help="Votes weigh exp(cosine / 0.07), or all the same.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the bootstrap intervals.",
)
@click.option(
    "--predictions",
    metavar="FILE",
    type=NEW_FILE,
    help="Write every prediction, with the neighbours that voted, to a CSV file.",
)
@format_option
def knn_eval(
    index: Path | None,
    tap: str | None,
    labels: tuple[str, ...],
    split: str | None,
    no_leaks: bool,
    group: str | None,
    ks: tuple[int, ...],
    protocol: str,
    seed: int,
    predictions: Path | None,
    as_json: bool | None,
) -> None:
    """Measure how well the nearest neighbours know each label, beside the majority baseline.

    Every picture is classified by its k nearest others (leave-one-out), or the test rows of a
    split by its train rows. This is the baseline that a heavier model must beat.

    Example:

    \b
        artsim knn-eval
        artsim knn-eval --label style --group artist -k 1 -k 20
    """
    if no_leaks and split is None:
        raise click.UsageError("--no-leaks looks at a split; name one with --split")
    store = open_store(index)
    from artsim.annotations import read_split
    from artsim.assess import KnnPlan, predictions_writer
    from artsim.assess import knn_eval as evaluate
    from artsim.evaluation.knn import KS, Protocol

    plan = KnnPlan(
        tap=store.tap(tap).name,
        labels=labels,
        split=split,
        no_leaks=no_leaks,
        group=group,
        ks=tuple(ks) or KS,
        protocols=tuple(Protocol) if protocol == "both" else (Protocol(protocol),),
        seed=seed,
    )
    run = evaluate(store, plan)
    drawn = read_split(store, split) if split is not None else None
    _print_notes(run, drawn, store.rows)
    in_json = wants_json(as_json)
    if not in_json:
        way = "leave-one-out" if drawn is None else f"{split}: {_way(drawn)}"
        apart = f", never within the same {group}" if group else ""
        click.echo(f"kNN on {store.path} ({store.rows:,} pictures, by {plan.tap}), {way}{apart}")
    setting = {"tap": plan.tap, "split": split, "group": group, "seed": seed}
    writer = predictions_writer(store, predictions) if predictions else nullcontext()
    with writer as write:
        for evaluation in run:
            if write is not None:
                write(evaluation)
            if in_json:
                _print_json(evaluation, setting)
            else:
                _print_evaluation(evaluation)
    if not in_json:
        _print_end(run, predictions)


def _print_notes(run: KnnRun, drawn: Split | None, rows: int) -> None:
    if drawn is not None and drawn.unassigned:
        click.echo(
            f"Note: {drawn.unassigned:,} pictures came after the split {drawn.name!r} was made and "
            "are on no side of it",
            err=True,
        )
    if run.without_vector:
        click.echo(
            f"Note: left out, because their vectors are all zeros: {run.without_vector:,} of "
            f"{rows:,} pictures",
            err=True,
        )


def _print_end(run: KnnRun, predictions: Path | None) -> None:
    for name, reason in run.not_labels.items():
        click.echo(f"Not a label: {name} ({reason})")
    if predictions is not None:
        click.echo(f"Predictions written to {predictions}")


def _way(split: Split) -> str:
    if split.is_folds:
        return f"each of {len(split.counts)} folds by the others"
    if "train" not in split.counts:
        return f"leave-one-out among {sum(split.counts.values()):,}"
    return "train to test" if "test" in split.counts else "train to val"


def _print_json(evaluation: KnnEvaluation, setting: dict[str, Any]) -> None:
    print_json_lines(_as_dict(score) | setting for score in evaluation.scores)
    if not evaluation.scores:
        click.echo(f"Note: {evaluation.label}: {_left_out(evaluation)}", err=True)


def _as_dict(score: KnnScore) -> dict[str, Any]:
    low, high = score.interval
    return {
        "label": score.label,
        "protocol": str(score.protocol),
        "k": score.k,
        "top1": score.top1,
        "top5": score.top5,
        "macro_f1": score.macro_f1,
        "balanced_accuracy": score.balanced_accuracy,
        "majority": score.majority,
        "n": score.n,
        "top1_low": low,
        "top1_high": high,
    }


def _print_evaluation(evaluation: KnnEvaluation) -> None:
    head = (
        f"\n{evaluation.label}: {len(evaluation.classes):,} classes, "
        f"{len(evaluation.query_rows):,} pictures"
    )
    if evaluation.scores:
        click.echo(f"{head}, majority {evaluation.scores[0].majority:.3f}")
        _print_scores(evaluation.scores)
    else:
        click.echo(head)
    if evaluation.left_out:
        click.echo(f"  {_left_out(evaluation)}")
    if evaluation.unreachable:
        click.echo(
            f"  {evaluation.unreachable:,} pictures have a class that no possible neighbour has: "
            "they count as wrong"
        )


def _print_scores(scores: tuple[KnnScore, ...]) -> None:
    columns = ["k", "top-1", "95 %", "top-5", "macro F1", "balanced"]
    several = len({score.protocol for score in scores}) > 1
    rows = [
        [
            *([score.protocol] if several else []),
            score.k,
            f"{score.top1:.3f}",
            f"{score.interval[0]:.3f}-{score.interval[1]:.3f}",
            f"{score.top5:.3f}",
            f"{score.macro_f1:.3f}",
            f"{score.balanced_accuracy:.3f}",
        ]
        for score in scores
    ]
    print_table([*(["protocol"] if several else []), *columns], rows, right=columns)


def _left_out(evaluation: KnnEvaluation) -> str:
    ks = ", ".join(map(str, evaluation.left_out))
    return f"k = {ks} left out: no picture has so many neighbours"
