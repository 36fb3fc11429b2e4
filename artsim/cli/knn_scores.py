"""The scores of ``artsim knn-eval`` as tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.output import print_table

if TYPE_CHECKING:
    from artsim.evaluation.knn import AnyEvaluation, AnyScore, KnnEvaluation, MetEvaluation

__all__ = ["print_evaluation"]


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
    first: Any = evaluation.scores[0]
    cells: Callable[[Any], list[str]]
    if label.kind == LabelKind.MULTICLASS:
        click.echo(f"{head}{classes}, {pictures}, majority {first.majority:.3f}")
        columns, cells = ["top-1", "95 %", "top-5", "macro F1", "balanced", "kappa"], _class_cells
    elif label.kind == LabelKind.MULTILABEL:
        click.echo(f"{head}{classes}, several a picture, {pictures}, chance {first.chance:.3f}")
        columns, cells = ["mAP", "95 %", "iMAP"], _member_cells
    else:
        click.echo(f"{head}a number, {pictures}, the median is off by {first.score.median_mae:.1f}")
        columns, cells = ["MAE", "95 %", *(["inside"] if label.are_ranges else [])], _value_cells
    settings = [[each.k, each.temperature] for each in evaluation.scores]
    width = 2 if len({temperature for _, temperature in settings}) > 1 else 1
    stop = width + len(columns)
    rows = [
        [*setting[:width], *_estimate_cells(evaluation, each), *cells(each)][:stop]
        for setting, each in zip(settings, evaluation.scores, strict=True)
    ]
    columns = [*("k", "T")[:width], *columns]
    print_table(columns, rows, right=columns)
    _print_remarks(evaluation)
    if evaluation.unreachable:
        click.echo(
            f"  {evaluation.unreachable:,} pictures have a class that no possible neighbor has: "
            "they count as wrong"
        )


def _estimate_cells(evaluation: KnnEvaluation, score: AnyScore) -> list[str]:
    digits = 1 if evaluation.label.kind.metric == "MAE" else 3
    found = evaluation.estimate(score)
    return [f"{found.value:.{digits}f}", _interval((found.low, found.high), digits)]


def _class_cells(score: Any) -> list[str]:
    scores = (score.top5, score.macro_f1, score.balanced_accuracy, score.kappa)
    return [f"{each:.3f}" for each in scores]


def _member_cells(score: Any) -> list[str]:
    return [f"{score.ranking.image_mean_average_precision:.3f}"]


def _value_cells(each: Any) -> list[str]:
    return [f"{each.score.inside:.3f}"]


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
                f"{score.accuracy:.3f}",
                _interval(score.interval, 3),
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
        f"{hubs.largest:,} pictures, {hubs.antihubs:.1%} of all are nobody's"
    )
    if evaluation.left_out:
        ks = ", ".join(map(str, evaluation.left_out))
        click.echo(f"  k = {ks} left out: no picture has so many neighbors")


def _interval(interval: Sequence[float], digits: int) -> str:
    low, high = interval
    return f"{low:.{digits}f}-{high:.{digits}f}"
