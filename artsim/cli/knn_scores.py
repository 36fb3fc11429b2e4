"""The scores of ``artsim knn-eval`` as tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from artsim.cli.output import print_table

if TYPE_CHECKING:
<<<<<<< HEAD
    from artsim.evaluation.knn import AnyEvaluation, AnyScore, KnnEvaluation, KnnPlan, MetEvaluation
    from artsim.labels import Label
    from artsim.splits import Split

__all__ = ["as_dicts", "print_evaluation"]


def as_dicts(evaluation: AnyEvaluation, plan: KnnPlan, split: Split) -> Iterator[dict[str, Any]]:
    """Yield an object for each k and temperature, with the setting that made it."""
    from artsim.evaluation.knn import MetEvaluation

    setting = {
        "tap": plan.tap,
        "split": plan.split,
        "copies_left_out": split.copies_left_out,
        "groups": list(plan.groups),
        "correct": plan.correct,
        "seed": plan.seed,
    }
    head = {"label": evaluation.label.name, "protocol": str(plan.protocol)}
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
    row = {"top1": _class_dict, "mAP": _member_dict, "MAE": _value_dict}[
        evaluation.label.kind.metric
    ]
    for score in evaluation.scores:
        yield (
            head
            | {"k": score.k, "temperature": score.temperature}
            | evaluation.estimate(score).to_json(evaluation.label.kind.metric)
            | row(score, evaluation.label)
            | rest
            | setting
        )


def _class_dict(score: Any, truth: Label) -> dict[str, Any]:
    return {
        "top5": score.top5,
        "macro_f1": score.macro_f1,
        "balanced_accuracy": score.balanced_accuracy,
        "kappa": score.kappa,
        "majority": score.majority,
        "n": score.n,
    }


def _member_dict(score: Any, truth: Label) -> dict[str, Any]:
    ranking = score.ranking
    return {
        "iMAP": ranking.image_mean_average_precision,
        "chance": score.chance,
        "n": score.n,
        "AP": dict(zip(truth.classes, ranking.per_label.tolist(), strict=True)),
    }


def _value_dict(each: Any, truth: Label) -> dict[str, Any]:
    return {
        "median_MAE": each.score.median_mae,
        "inside": each.score.inside if truth.are_ranges else None,
        "n": each.score.n,
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
=======
    from artsim.evaluation.knn import AnyEvaluation, KnnEvaluation, MetEvaluation

__all__ = ["print_evaluation"]
>>>>>>> d319b16 (import artsim is the front door: an index as an object, one function for each task, results as tables)


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
