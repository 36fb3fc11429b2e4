"""The scores of an evaluation as plain values, a row for each k and temperature."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from artsim.evaluation.knn.plan import KnnPlan
from artsim.evaluation.knn.run import AnyEvaluation, MetEvaluation
from artsim.labels import Label
from artsim.splits import Split

__all__ = ["result_rows"]


def result_rows(evaluation: AnyEvaluation, plan: KnnPlan, split: Split) -> Iterator[dict[str, Any]]:
    """Yield an object for each k and temperature, with the settings that made it."""
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
