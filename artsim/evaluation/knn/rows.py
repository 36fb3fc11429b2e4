"""The scores of an evaluation as plain values, a row for each k and temperature."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from artsim.evaluation.knn.evaluate import KnnScore
from artsim.evaluation.knn.plan import KnnPlan
from artsim.evaluation.knn.run import AnyEvaluation, MetEvaluation
from artsim.labels import Label, LabelKind
from artsim.metrics import average_precisions, scores_to_json
from artsim.splits import Split

_BASELINES = {  # the main metric of what is predicted without looking at a picture
    LabelKind.MULTICLASS: "majority",
    LabelKind.MULTILABEL: "chance",
    LabelKind.NUMBER: "median_MAE",
}


def result_rows(evaluation: AnyEvaluation, plan: KnnPlan, split: Split) -> Iterator[dict[str, Any]]:
    """Yield an object for each k and temperature, with the settings that made it."""
    setting = {
        "tap": plan.tap,
        "split": plan.split,
        "copies_left_out": split.copies_left_out,
        "qualified_left_out": evaluation.label.qualified,
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
        _BASELINES[evaluation.label.kind]: evaluation.baseline.value,
        "n": len(evaluation.label),
        "chosen_on": evaluation.chosen_on,
        "bank": evaluation.bank_size,
        "hubs_k": hubs.k,
        "hubs_skew": hubs.skew,
        "antihubs": hubs.antihubs,
    }
    for score in evaluation.scores:
        yield (
            head
            | {"k": score.k, "temperature": score.temperature}
            | scores_to_json(score.metrics)
            | _details(score, evaluation.label)
            | rest
            | setting
        )


def _details(score: KnnScore, truth: Label) -> dict[str, Any]:
    if truth.kind == LabelKind.MULTILABEL:
        each = average_precisions(score.predictions.ranking)
        return {"AP": dict(zip(truth.classes, each.tolist(), strict=True))}
    return {}


def _met_dict(evaluation: MetEvaluation) -> dict[str, Any]:
    score = evaluation.score
    return {
        "k": score.k,
        "t": score.t,
        "gap": score.gap,
        "gap_minus": score.gap_minus,
        **score.accuracy.to_json("accuracy"),
        "n": score.n,
        "distractors": score.n_distractors,
        "validation_gap": score.validation_gap,
        "dimensions": score.dimensions,
        "chosen_on": evaluation.chosen_on,
        "bank": evaluation.bank_size,
    }
