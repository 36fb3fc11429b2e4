"""The scores of ``artsim knn-eval``: tables for people, objects for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.output import print_table

if TYPE_CHECKING:
    from artsim.evaluation.knn import AnyEvaluation, KnnPlan, MetEvaluation
    from artsim.metrics.knn import AnyScore, KnnEvaluation, MemberEvaluation, ValueEvaluation

__all__ = ["as_dicts", "print_evaluation"]


def as_dicts(evaluation: AnyEvaluation, plan: KnnPlan) -> Iterator[dict[str, Any]]:
    """Yield an object for each k and temperature, with the setting that made it."""
    from artsim.evaluation.knn import MetEvaluation
    from artsim.metrics.knn import KnnEvaluation, MemberEvaluation

    setting = {
        "tap": plan.tap,
        "split": plan.split,
        "groups": list(plan.groups),
        "correct": plan.correct,
        "seed": plan.seed,
    }
    head = {"label": evaluation.label, "protocol": str(plan.protocol)}
    if isinstance(evaluation, MetEvaluation):
        yield head | _met_dict(evaluation) | setting
        return
    hubs = evaluation.hubness
    rest = {
        "chosen_on": evaluation.chosen_on,
        "bank": evaluation.bank_size,
        "hubs_k": hubs.k,
        "hubs_skew": hubs.skew,
        "antihubs": hubs.antihubs,
    }
    if isinstance(evaluation, KnnEvaluation):
        rows = _class_dicts(evaluation)
    elif isinstance(evaluation, MemberEvaluation):
        rows = _member_dicts(evaluation)
    else:
        rows = _value_dicts(evaluation)
    scores: Sequence[AnyScore] = evaluation.scores
    for score, row in zip(scores, rows, strict=True):
        yield head | {"k": score.k, "temperature": score.temperature} | row | rest | setting


def _class_dicts(evaluation: KnnEvaluation) -> Iterator[dict[str, Any]]:
    for score in evaluation.scores:
        yield {
            "top1": score.top1,
            "top5": score.top5,
            "macro_f1": score.macro_f1,
            "balanced_accuracy": score.balanced_accuracy,
            "kappa": score.kappa,
            "majority": score.majority,
            "n": score.n,
            "top1_low": score.interval[0],
            "top1_high": score.interval[1],
        }


def _member_dicts(evaluation: MemberEvaluation) -> Iterator[dict[str, Any]]:
    for score in evaluation.scores:
        ranking = score.ranking
        yield {
            "mAP": ranking.mean_average_precision,
            "iMAP": ranking.image_mean_average_precision,
            "chance": score.chance,
            "n": score.n,
            "mAP_low": score.interval[0],
            "mAP_high": score.interval[1],
            "AP": dict(zip(evaluation.truth.classes, ranking.per_label.tolist(), strict=True)),
        }


def _value_dicts(evaluation: ValueEvaluation) -> Iterator[dict[str, Any]]:
    for each in evaluation.scores:
        yield {
            "MAE": each.score.mae,
            "median_MAE": each.score.median_mae,
            "inside": each.score.inside if evaluation.truth.are_ranges else None,
            "n": each.score.n,
            "MAE_low": each.score.interval[0],
            "MAE_high": each.score.interval[1],
        }


def _met_dict(evaluation: MetEvaluation) -> dict[str, Any]:
    score = evaluation.score
    return {
        "k": score.k,
        "t": score.t,
        "gap": score.gap,
        "gap_minus": score.gap_minus,
        "accuracy": score.accuracy,
        "n": score.n,
        "distractors": score.n_distractors,
        "accuracy_low": score.interval[0],
        "accuracy_high": score.interval[1],
        "validation_gap": score.validation_gap,
        "dimensions": score.dimensions,
        "chosen_on": evaluation.chosen_on,
        "bank": evaluation.bank_size,
    }


def print_evaluation(evaluation: AnyEvaluation) -> None:
    """Print a table with a line for each k and temperature, and what should be known of it."""
    from artsim.evaluation.knn import MetEvaluation
    from artsim.metrics.knn import KnnEvaluation, MemberEvaluation

    head = f"\n{evaluation.label}: "
    pictures = f"{len(evaluation.query_rows):,} pictures"
    if isinstance(evaluation, MetEvaluation):
        click.echo(f"{head}{len(evaluation.classes):,} classes, {pictures}, "
                   f"{evaluation.score.n_distractors:,} of them distractors")  # fmt: skip
        _print_met(evaluation)
        return
    if isinstance(evaluation, KnnEvaluation):
        click.echo(f"{head}{len(evaluation.classes):,} classes, {pictures}, "
                   f"majority {evaluation.scores[0].majority:.3f}")  # fmt: skip
        columns, rows = _class_table(evaluation)
    elif isinstance(evaluation, MemberEvaluation):
        click.echo(f"{head}{len(evaluation.truth.classes):,} classes, several a picture, "
                   f"{pictures}, chance {evaluation.scores[0].chance:.3f}")  # fmt: skip
        columns, rows = _member_table(evaluation)
    else:
        score = evaluation.scores[0].score
        click.echo(f"{head}a number, {pictures}, the median is off by {score.median_mae:.1f}")
        columns, rows = _value_table(evaluation)
    scores: Sequence[AnyScore] = evaluation.scores
    settings = [[each.k, each.temperature] for each in scores]
    width = 2 if len({temperature for _, temperature in settings}) > 1 else 1
    columns = [*("k", "T")[:width], *columns]
    cells = [[*setting[:width], *row] for setting, row in zip(settings, rows, strict=True)]
    print_table(columns, cells, right=columns)
    _print_remarks(evaluation)
    if isinstance(evaluation, KnnEvaluation) and evaluation.unreachable:
        click.echo(
            f"  {evaluation.unreachable:,} pictures have a class that no possible neighbor has: "
            "they count as wrong"
        )


def _class_table(evaluation: KnnEvaluation) -> tuple[list[str], list[list[str]]]:
    rows = [
        [
            f"{score.top1:.3f}",
            _interval(score.interval, 3),
            f"{score.top5:.3f}",
            f"{score.macro_f1:.3f}",
            f"{score.balanced_accuracy:.3f}",
            f"{score.kappa:.3f}",
        ]
        for score in evaluation.scores
    ]
    return ["top-1", "95 %", "top-5", "macro F1", "balanced", "kappa"], rows


def _member_table(evaluation: MemberEvaluation) -> tuple[list[str], list[list[str]]]:
    rows = [
        [
            f"{score.ranking.mean_average_precision:.3f}",
            _interval(score.interval, 3),
            f"{score.ranking.image_mean_average_precision:.3f}",
        ]
        for score in evaluation.scores
    ]
    return ["mAP", "95 %", "iMAP"], rows


def _value_table(evaluation: ValueEvaluation) -> tuple[list[str], list[list[str]]]:
    ranges = evaluation.truth.are_ranges
    rows = [
        [
            f"{each.score.mae:.1f}",
            _interval(each.score.interval, 1),
            *([f"{each.score.inside:.3f}"] if ranges else []),
        ]
        for each in evaluation.scores
    ]
    return ["MAE", "95 %", *(["inside"] if ranges else [])], rows


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


def _print_remarks(evaluation: KnnEvaluation | MemberEvaluation | ValueEvaluation) -> None:
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
