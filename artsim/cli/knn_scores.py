"""The scores of ``artsim knn-eval`` as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from artsim.cli.output import print_table

if TYPE_CHECKING:
    from artsim.evaluation.knn import AnyEvaluation, KnnEvaluation, KnnScore, MetEvaluation

_COLUMNS = {
    "top1": "top-1",
    "top5": "top-5",
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced",
    "kappa": "kappa",
    "mAP": "mAP",
    "iMAP": "iMAP",
    "MAE": "MAE",
    "inside": "inside",
}


def print_evaluation(evaluation: AnyEvaluation) -> None:
    """Print a table with a line for each k and temperature, and what should be known of it."""
    from artsim.evaluation.knn import MetEvaluation
    from artsim.labels import LabelKind

    label = evaluation.label
    head = f"\n{label.name}: "
    classes, pictures = f"{len(label.classes):,} classes", f"{len(label):,} pictures"
    if isinstance(evaluation, MetEvaluation):
        click.echo(f"{head}{classes}, {pictures}, "
                   f"{evaluation.score.n_distractors:,} of them distractors")  # fmt: skip
        _print_met(evaluation)
        return
    scores = evaluation.scores
    value = evaluation.baseline.value
    if label.kind == LabelKind.MULTICLASS:
        click.echo(f"{head}{classes}, {pictures}, majority {value:.3f}")
    elif label.kind == LabelKind.MULTILABEL:
        click.echo(f"{head}{classes}, several a picture, {pictures}, chance {value:.3f}")
    else:
        click.echo(f"{head}a number, {pictures}, the median is off by {value:.1f}")
    names = [name for name in scores[0].metrics if name in _COLUMNS]
    if label.kind == LabelKind.NUMBER and not label.are_ranges:
        names.remove("inside")
    columns = [_COLUMNS[name] for name in names]
    columns.insert(1, "95 %")
    settings = [[each.k, each.temperature] for each in scores]
    width = 2 if len({temperature for _, temperature in settings}) > 1 else 1
    rows = [
        [*setting[:width], *_cells(each, names)]
        for setting, each in zip(settings, scores, strict=True)
    ]
    columns = [*("k", "T")[:width], *columns]
    print_table(columns, rows, right=columns)
    _print_remarks(evaluation)
    if label.qualified:
        click.echo(
            f"  {label.qualified:,} qualified values are left out "
            '(such as "after" and "workshop of")'
        )
    if evaluation.unreachable:
        click.echo(
            f"  {evaluation.unreachable:,} pictures have a class that no possible neighbor has: "
            "they count as wrong"
        )


def _cells(score: KnnScore, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        value = score.metrics[name]
        if isinstance(value, float):
            yield f"{value:.3f}"
        else:
            digits = 1 if name == "MAE" else 3
            yield f"{value.value:.{digits}f}"
            yield f"{value.low:.{digits}f}-{value.high:.{digits}f}"


def _print_met(evaluation: MetEvaluation) -> None:
    score = evaluation.score
    columns = ["k", "t", "GAP", "GAP-", "ACC", "95 %"]
    print_table(
        columns,
        [
            [
                score.k,
                f"{score.t:g}",
                f"{score.gap:.3f}",
                f"{score.gap_minus:.3f}",
                f"{score.accuracy.value:.3f}",
                f"{score.accuracy.low:.3f}-{score.accuracy.high:.3f}",
            ]
        ],
        right=columns,
    )
    click.echo(
        f"  k and t chosen on {evaluation.chosen_on:,} validation pictures (GAP "
        f"{score.validation_gap:.3f}), vectors whitened to {score.dimensions:,} dimensions"
    )


def _print_remarks(evaluation: KnnEvaluation) -> None:
    hubs = evaluation.hubness
    if evaluation.chosen_on:
        (score,) = evaluation.scores
        what = f"k = {score.k}" + (f", T = {score.temperature:g}" if score.temperature else "")
        click.echo(f"  {what} chosen on {evaluation.chosen_on:,} validation pictures")
    click.echo(
        f"  Hubs at k = {hubs.k}: skew {hubs.skew:.2f}, the greatest is a neighbor of "
        f"{hubs.largest:,} pictures, {hubs.antihubs:.1%} of all are nobody's neighbor"
    )
    if evaluation.left_out:
        ks = ", ".join(map(str, evaluation.left_out))
        click.echo(f"  k = {ks} left out: no picture has that many neighbors")
