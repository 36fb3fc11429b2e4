"""The metrics of each kind of label. To add one, write a function and an entry in the table.

kNN evaluation, probes, leaderboards and reports show all metrics of a label's kind. Settings are
chosen by the first of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.labels import LabelKind
from artsim.metrics import scores
from artsim.metrics.intervals import estimate_map, estimate_mean, estimate_share
from artsim.metrics.predictions import Predictions
from artsim.metrics.ranking import Ranking, average_precisions


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of one kind of label."""

    name: str  # in JSON and in tables
    description: str  # one line
    kind: LabelKind
    compute: Callable[[Predictions], float]
    estimate: Callable[[Predictions], Estimate] | None = None  # the value with its interval
    higher_is_better: bool = True

    def is_better(self, one: float, other: float) -> bool:
        """Whether a value beats another."""
        return one > other if self.higher_is_better else one < other


def mean_average_precision(predictions: Predictions) -> float:
    """Average over the classes that can be learned and that a test row has."""
    each = average_precisions(_learnable(predictions))
    return float(np.nanmean(each)) if not np.isnan(each).all() else float("nan")


def image_mean_average_precision(predictions: Predictions) -> float:
    """Average over the test rows, each with its classes ranked by their scores."""
    ranking = predictions.ranking
    by_row = Ranking.listed(
        predictions.truth.row_codes[::-1],
        ranking.classes,
        ranking.rows,
        ranking.scores,
        (len(ranking.relevant), ranking.n),
    )
    return float(np.nanmean(average_precisions(by_row)))


def r2(predictions: Predictions) -> float:
    """Compute the share of the variance that is explained; NaN without variance."""
    truth = predictions.truth.numbers
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float((predictions.errors**2).sum()) / spread if spread > 0 else float("nan")


def _right(predictions: Predictions, top: int = 1) -> NDArray[np.bool_]:
    truth = predictions.truth.strata[:, None]
    right: NDArray[np.bool_] = (predictions.ranked[:, :top] == truth).any(axis=1)
    return right


def _estimate_inside(predictions: Predictions) -> Estimate:
    inside = predictions.errors == 0
    some = inside if predictions.truth.are_ranges else inside[:0]  # nothing is inside a number
    return estimate_share(some, predictions.groups, seed=predictions.seed)


def _learnable(predictions: Predictions) -> Ranking:
    ranking = predictions.ranking
    return replace(ranking, relevant=np.where(predictions.learnable, ranking.relevant, 0))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="top1",
            description="share of test pictures whose class is predicted",
            kind=LabelKind.MULTICLASS,
            compute=lambda p: float(_right(p).mean()),
            estimate=lambda p: estimate_share(_right(p), p.groups, seed=p.seed),
        ),
        Metric(
            name="top5",
            description="share of test pictures whose class is among the top five",
            kind=LabelKind.MULTICLASS,
            compute=lambda p: scores.top_accuracy(p.truth.strata, p.ranked[:, :5]),
            estimate=lambda p: estimate_share(_right(p, 5), p.groups, seed=p.seed),
        ),
        Metric(
            name="macro_f1",
            description="mean F1 of the classes, each weighted equally",
            kind=LabelKind.MULTICLASS,
            compute=lambda p: scores.macro_f1(p.truth.strata, p.ranked[:, 0]),
        ),
        Metric(
            name="balanced_accuracy",
            description="mean recall of the classes",
            kind=LabelKind.MULTICLASS,
            compute=lambda p: scores.balanced_accuracy(p.truth.strata, p.ranked[:, 0]),
        ),
        Metric(
            name="kappa",
            description="agreement beyond chance, Cohen's kappa",
            kind=LabelKind.MULTICLASS,
            compute=lambda p: scores.cohen_kappa(p.truth.strata, p.ranked[:, 0]),
        ),
        Metric(
            name="mAP",
            description="mean average precision of the classes",
            kind=LabelKind.MULTILABEL,
            compute=mean_average_precision,
            estimate=lambda p: estimate_map(_learnable(p), p.groups, seed=p.seed),
        ),
        Metric(
            name="iMAP",
            description="mean average precision of each test picture's ranked classes",
            kind=LabelKind.MULTILABEL,
            compute=image_mean_average_precision,
        ),
        Metric(
            name="MAE",
            description="mean absolute error: 0 within an interval, else to its nearer end",
            kind=LabelKind.NUMBER,
            compute=lambda p: float(p.errors.mean()),
            estimate=lambda p: estimate_mean(p.errors, p.groups, seed=p.seed),
            higher_is_better=False,
        ),
        Metric(
            name="r2",
            description="share of the variance that is explained",
            kind=LabelKind.NUMBER,
            compute=r2,
        ),
        Metric(
            name="inside",
            description="share of predictions within the true interval; NaN without intervals",
            kind=LabelKind.NUMBER,
            compute=lambda p: float((p.errors == 0).mean()) if p.truth.are_ranges else np.nan,
            estimate=lambda p: _estimate_inside(p),
        ),
    )
}


def metrics_of(kind: LabelKind) -> list[Metric]:
    """Return the metrics of a kind of label, in the order of the table."""
    return [metric for metric in METRICS.values() if metric.kind == kind]


def main_metric(kind: LabelKind) -> Metric:
    """Return the metric by which settings are chosen and methods compared."""
    return metrics_of(kind)[0]


def score(predictions: Predictions) -> dict[str, Estimate | float]:
    """Compute every metric of the label's kind, by name, with its interval where it has one."""
    return {
        metric.name: metric.estimate(predictions)
        if metric.estimate
        else metric.compute(predictions)
        for metric in metrics_of(predictions.truth.kind)
    }


def baseline(predictions: Predictions) -> Estimate:
    """Estimate the main metric of what is predicted without looking at a picture."""
    return estimate_main(predictions.constant())


def estimate_main(predictions: Predictions) -> Estimate:
    """Estimate the main metric of the label's kind."""
    estimate = main_metric(predictions.truth.kind).estimate
    assert estimate is not None  # every main metric has one
    return estimate(predictions)


def scores_to_json(found: dict[str, Estimate | float]) -> dict[str, float | None]:
    """Return scores as plain values: NAME, and NAME_low and NAME_high of an interval."""
    plain: dict[str, float | None] = {}
    for name, value in found.items():
        if isinstance(value, Estimate):
            plain |= value.to_json(name)
        else:
            plain[name] = None if np.isnan(value) else value
    return plain
