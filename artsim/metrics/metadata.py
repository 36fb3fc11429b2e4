"""How well metadata alone predicts a label: the baseline that vectors must beat.

A constant, linear models and trees are fitted to train; the best on validation is fitted again to
train and validation together. If the constant still beats it on the test rows, the constant is the
baseline, so that the baseline is never worse than a prediction without metadata.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.labels import Label, LabelKind
from artsim.metrics.predictions import Predictions
from artsim.metrics.registry import estimate_main, main_metric
from artsim.metrics.selection import MulticlassTask, MultilabelTask
from artsim.splits import Split

_MOST_CLASSES = 100  # the commonest; others are never predicted
_MOST_ROWS = 10_000  # to fit, drawn at random where there are more
_STRENGTHS = (0.1, 10.0)  # of linear models
_TREES = 30
_LEAF = 5  # rows of a leaf, at least
_STEPS = 20  # of reweighting, to go from squared to absolute errors

_NO_CLASSES = np.zeros(0, dtype=np.int64)

Features = NDArray[np.floating]
Rows = NDArray[np.int64]
# (n, M) -> (n, C) scores and the codes of the C classes; or (n,) numbers and none
Predictor = Callable[[Features], tuple[NDArray[np.floating], NDArray[np.int64]]]
Fit = Callable[[Rows], Predictor]


@dataclass(frozen=True, kw_only=True, eq=False)
class MetadataBaseline:
    """What metadata predicts, and how well."""

    method: str  # constant, linear or trees
    predictions: Predictions
    estimate: Estimate  # of the main metric of the label's kind


def metadata_baseline(
    features: Features, label: Label, split: Split, *, seed: int = 0
) -> MetadataBaseline | None:
    """Predict a label from metadata alone; None if the metadata of all train rows is the same.

    Args:
        features: Shape (N, M), on one scale.
        label: Of N rows.
        split: Rows with a value: train to fit, validation to choose the method by, test to score.
        seed: Of the trees and of the resampling.
    """
    features = features[:, np.ptp(features[split.train], axis=0) > 0]
    if not features.shape[1]:
        return None
    metric = main_metric(label.kind)
    fits = _fits(features, label, seed)

    def predict(method: str, learned: Rows, rows: Rows) -> Predictions:
        unfilled = Predictions.unfilled(label, learned, rows, split.resampled, seed)
        if method == "constant":
            return unfilled.constant()
        if len(learned) > _MOST_ROWS:
            learned = np.random.default_rng(seed).permutation(learned)[:_MOST_ROWS]
        return _fill_in(unfilled, *fits[method](learned)(features[rows]))

    method = "constant"
    best = metric.compute(predict(method, split.train, split.validation))
    for name in fits:
        value = metric.compute(predict(name, split.train, split.validation))
        if metric.is_better(value, best):
            best, method = value, name
    found = predict(method, split.learned, split.test)
    constant = predict("constant", split.learned, split.test)
    if metric.is_better(metric.compute(constant), metric.compute(found)):
        method, found = "constant", constant
    return MetadataBaseline(
        method=method.partition(" ")[0], predictions=found, estimate=estimate_main(found)
    )


def _fits(features: Features, label: Label, seed: int) -> dict[str, Fit]:
    """Return the function that fits each method to rows, by name."""
    if label.kind == LabelKind.NUMBER:
        numbers = label.numbers
        return {
            "linear": lambda rows: _fit_absolute(features[rows], numbers[rows]),
            "trees": lambda rows: _fit_boosted(features[rows], numbers[rows], seed),
        }
    linear = {
        f"linear {strength:g}": lambda rows, c=strength: _fit_linear(features, label, rows, c)
        for strength in _STRENGTHS
    }
    return linear | {"trees": lambda rows: _fit_forest(features, label, rows, seed)}


def _fill_in(
    unfilled: Predictions, found: NDArray[np.floating], classes: NDArray[np.int64]
) -> Predictions:
    kind = unfilled.truth.kind
    if kind == LabelKind.NUMBER:
        return replace(unfilled, numbers=found.astype(np.float64))
    if kind == LabelKind.MULTILABEL:
        return unfilled.with_scores(found, classes)
    return replace(unfilled, ranked=classes[np.argsort(-found, axis=1, kind="stable")[:, :5]])


def _common(label: Label, rows: Rows) -> tuple[Rows, NDArray[np.int64]]:
    """Return the commonest classes that only some of the rows have, and the rows to fit to.

    Of a multiclass label these are the rows of such a class.
    """
    counts = label.take(rows).counts
    common = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
    common = np.sort(common[(counts[common] > 0) & (counts[common] < len(rows))])
    if label.kind == LabelKind.MULTICLASS:
        rows = rows[np.isin(label.strata[rows], common)]
    return common, rows


def _fit_linear(features: Features, label: Label, rows: Rows, strength: float) -> Predictor:
    """Fit logistic regression, one-vs-rest for several classes a row."""
    classes, rows = _common(label, rows)
    if label.kind == LabelKind.MULTICLASS:
        path, classes = MulticlassTask(features, label.strata).fit(rows, [strength])
    else:
        kept = label.keep_classes(np.isin(np.arange(len(label.classes)), classes))
        path, columns = MultilabelTask(features, kept.matrix).fit(rows, [strength])
        classes = classes[columns]
    return lambda x: (x @ path.weights[0] + path.bias[0], classes)


def _fit_forest(features: Features, label: Label, rows: Rows, seed: int) -> Predictor:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    settings = {"n_estimators": _TREES, "min_samples_leaf": _LEAF, "random_state": seed}
    common, rows = _common(label, rows)
    if label.kind == LabelKind.MULTICLASS:
        forest = RandomForestClassifier(**settings).fit(features[rows], label.strata[rows])
        return lambda x: (forest.predict_proba(x), forest.classes_)
    # Regression on 0 and 1 gives the share of each class in a leaf, for all classes at once.
    shares = RandomForestRegressor(**settings)
    shares.fit(features[rows], label.take(rows).matrix[:, common].astype(np.float32))
    return lambda x: (shares.predict(x).reshape(len(x), len(common)), common)


def _fit_absolute(features: Features, numbers: NDArray[np.float64]) -> Predictor:
    """Fit a linear model by its absolute errors: least squares, reweighted."""
    from sklearn.linear_model import Ridge

    model, weights = Ridge(1.0), np.ones(len(numbers))
    least = max(float(np.ptp(numbers)) * 1e-4, 1e-12)  # smaller errors get no more weight
    for _ in range(_STEPS):
        model.fit(features, numbers, sample_weight=weights)
        weights = 1 / np.maximum(abs(model.predict(features) - numbers), least)
        weights /= weights.mean()
    return lambda x: (np.asarray(model.predict(x)), _NO_CLASSES)


def _fit_boosted(features: Features, numbers: NDArray[np.float64], seed: int) -> Predictor:
    """Fit boosted trees by their absolute errors."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    trees = HistGradientBoostingRegressor(
        loss="absolute_error",
        max_iter=_TREES,
        max_leaf_nodes=15,
        min_samples_leaf=_LEAF * 2,
        early_stopping=False,
        random_state=seed,
    )
    with threadpool_limits(1, "openmp"):  # threads that wait for each other take ten times as long
        trees.fit(features, numbers)
    return lambda x: (np.asarray(trees.predict(x)), _NO_CLASSES)
