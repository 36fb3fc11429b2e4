"""The metrics of each kind of label. To add one, write a function and an entry in the table.

kNN evaluation, probes, leaderboards and reports show all metrics of a label's kind. Settings are
chosen by the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Estimate, finite
from artsim.labels import LabelKind
from artsim.metrics import scores
from artsim.metrics.intervals import estimate_map, estimate_mean, estimate_share
from artsim.metrics.paired import Difference, best_share, paired_map, paired_mean, paired_share
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
    difference: Callable[[Predictions, Predictions], Difference] | None = None  # of main metrics
    higher_is_better: bool = True
    of_probabilities: bool = False  # left out where there are none

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


def _calibration_error(predictions: Predictions) -> float:
    assert predictions.confidence is not None  # see `Metric.of_probabilities`
    return scores.expected_calibration_error(predictions.confidence, _right(predictions))


def _brier(predictions: Predictions) -> NDArray[np.float64]:
    assert predictions.brier is not None  # see `Metric.of_probabilities`
    return predictions.brier


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
            difference=lambda p, q: paired_share(_right(p), _right(q), p.groups, seed=p.seed),
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
            name="ece",
            description="expected calibration error: how far confidence is from accuracy",
            kind=LabelKind.MULTICLASS,
            compute=lambda p: _calibration_error(p),
            higher_is_better=False,
            of_probabilities=True,
        ),
        Metric(
            name="brier",
            description="Brier score: squared error of the probabilities of all classes, 0 to 2",
            kind=LabelKind.MULTICLASS,
            compute=lambda p: float(_brier(p).mean()),
            estimate=lambda p: estimate_mean(_brier(p), p.groups, seed=p.seed),
            higher_is_better=False,
            of_probabilities=True,
        ),
        Metric(
            name="mAP",
            description="mean average precision of the classes",
            kind=LabelKind.MULTILABEL,
            compute=mean_average_precision,
            estimate=lambda p: estimate_map(_learnable(p), p.groups, seed=p.seed),
            difference=lambda p, q: paired_map(_learnable(p), _learnable(q), p.groups, seed=p.seed),
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
            difference=lambda p, q: paired_mean(p.errors, q.errors, p.groups, seed=p.seed),
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
        if predictions.confidence is not None or not metric.of_probabilities
    }


def class_scores(predictions: Predictions) -> list[dict[str, str | int | float | None]]:
    """Score each class that the test rows have or that is predicted; macro F1 is their mean F1.

    None of a class that no row has, or that is never predicted, where its score divides by 0.
    """
    from sklearn.metrics import precision_recall_fscore_support

    if predictions.truth.kind != LabelKind.MULTICLASS:
        return []
    truth, predicted = predictions.truth.strata, predictions.ranked[:, 0]
    codes = np.union1d(truth, predicted[predicted >= 0])
    found = precision_recall_fscore_support(truth, predicted, labels=codes, zero_division=np.nan)
    names = ("precision", "recall", "f1")
    return [
        {"class": predictions.truth.classes[code], "n": int(count)}
        | {name: finite(float(value)) for name, value in zip(names, values, strict=True)}
        for code, *values, count in zip(codes, *found, strict=True)
    ]


def baseline(predictions: Predictions) -> Estimate:
    """Estimate the main metric of what is predicted without looking at a picture."""
    return estimate_main(predictions.constant())


def estimate_main(predictions: Predictions) -> Estimate:
    """Estimate the main metric of the label's kind."""
    estimate = main_metric(predictions.truth.kind).estimate
    assert estimate is not None  # every main metric has one
    return estimate(predictions)


def difference(first: Predictions, second: Predictions) -> Difference:
    """Estimate how much the second's main metric is above the first's, of the same test rows."""
    compare = main_metric(first.truth.kind).difference
    assert compare is not None  # every main metric has one
    return compare(first, second)


def best_of(several: Sequence[Predictions]) -> tuple[int, list[float]] | None:
    """Find the best of several predictions of the same rows, see `best_share`.

    None if there are fewer than two, or rows are not right or wrong each on their own, as
    McNemar's test takes them.
    """
    first = several[0]
    if len(several) < 2 or first.groups is not None or first.truth.kind != LabelKind.MULTICLASS:
        return None
    return best_share([_right(each) for each in several])


def scores_to_json(found: dict[str, Estimate | float]) -> dict[str, float | None]:
    """Return scores as plain values: NAME, and NAME_low and NAME_high of an interval."""
    plain: dict[str, float | None] = {}
    for name, value in found.items():
        if isinstance(value, Estimate):
            plain |= value.to_json(name)
        else:
            plain[name] = None if np.isnan(value) else value
    return plain
