"""What metadata alone predicts: the least that a picture's vector must beat.

The constant, linear models and trees are fitted to train; the one with the best score on validation
is fitted again to train and validation together. If the constant is nevertheless better on the test
rows it is taken, so that the baseline is never worse than what needs no metadata at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artsim.datatypes import Estimate
from artsim.labels import Label, LabelKind
from artsim.metrics.predictions import Predictions, constant_predictions
from artsim.metrics.ranking import Ranking
from artsim.metrics.registry import estimate_main, main_metric
from artsim.metrics.selection import MulticlassTask, MultilabelTask
from artsim.splits import Split

_MOST_CLASSES = 100  # the commonest; a class with fewer rows is not predicted
_MOST_ROWS = 10_000  # to fit, drawn at random where there are more
_STRENGTHS = (0.1, 10.0)  # of linear models
_TREES = 30
_LEAF = 5  # rows of a leaf, at least
_STEPS = 20  # of reweighting, until absolute errors are what is minimized

Features = NDArray[np.floating]
Rows = NDArray[np.int64]
Predictor = Callable[[Features], NDArray[np.floating]]  # (n, M) -> (n, K) scores, or (n,) numbers
Fit = Callable[[Rows], Predictor]


@dataclass(frozen=True, kw_only=True, eq=False)
class MetadataBaseline:
    """What metadata predicts, and how well."""

    method: str  # constant, linear or trees
    predictions: Predictions
    estimate: Estimate  # of the main metric of the label's kind


def metadata_baseline(
    features: Features,
    label: Label,
    split: Split,
    *,
    seed: int = 0,
) -> MetadataBaseline | None:
    """Predict a label from metadata alone; None where the metadata is the same of all train rows.

    Args:
        features: Shape (N, M), on one scale.
        label: Of N rows.
        split: Rows with a value: train to fit, validation to choose the method by, test to score.
        seed: Of the trees and of the resampling.
    """
    train, validation, test, groups = split.train, split.validation, split.test, split.resampled
    features = features[:, np.ptp(features[train], axis=0) > 0]
    if not features.shape[1]:
        return None
    metric = main_metric(label.kind)
    fits = _fits(features, label, seed)
    best, method = _constant(label, train, validation, groups, seed), "constant"
    for name, fit in fits.items():
        found = _predict(fit, features, label, train, validation, groups, seed)
        if metric.is_better(metric.compute(found), metric.compute(best)):
            best, method = found, name
    learned = split.learned
    constant = _constant(label, learned, test, groups, seed)
    if method != "constant":
        found = _predict(fits[method], features, label, learned, test, groups, seed)
        if not metric.is_better(metric.compute(constant), metric.compute(found)):
            return MetadataBaseline(
                method=method.partition(" ")[0], predictions=found, estimate=estimate_main(found)
            )
    return MetadataBaseline(
        method="constant", predictions=constant, estimate=estimate_main(constant)
    )


def _fits(features: Features, label: Label, seed: int) -> dict[str, Fit]:
    """Return what fits each method to rows, by its name."""
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


def _constant(
    label: Label, learned: Rows, rows: Rows, groups: NDArray[np.integer] | None, seed: int
) -> Predictions:
    return constant_predictions(
        Predictions(
            truth=label.take(rows),
            learned=label.take(learned),
            groups=None if groups is None else groups[rows],
            seed=seed,
        )
    )


def _predict(
    fit: Fit,
    features: Features,
    label: Label,
    learned: Rows,
    rows: Rows,
    groups: NDArray[np.integer] | None,
    seed: int,
) -> Predictions:
    """Fit to the rows learned from, and predict others."""
    fitted = learned
    if len(learned) > _MOST_ROWS:
        fitted = np.random.default_rng(seed).permutation(learned)[:_MOST_ROWS]
    empty = _constant(label, learned, rows, groups, seed)
    found = fit(fitted)(features[rows])
    if label.kind == LabelKind.NUMBER:
        return replace(empty, numbers=found.astype(np.float64))
    if label.kind == LabelKind.MULTILABEL:
        return replace(empty, ranking=Ranking.of(empty.truth.matrix, found))
    return replace(empty, ranked=np.argsort(-found, axis=1, kind="stable")[:, :5])


def _common(label: Label, rows: Rows) -> NDArray[np.int64]:
    """Return the commonest classes that some of the rows have and others have not."""
    counts = label.take(rows).counts
    common = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
    return np.sort(common[(counts[common] > 0) & (counts[common] < len(rows))])


def _fit_linear(features: Features, label: Label, rows: Rows, strength: float) -> Predictor:
    """Fit logistic regression, of one class a row or of each class against the rest."""
    common = _common(label, rows)
    if label.kind == LabelKind.MULTICLASS:
        rows = rows[np.isin(label.strata[rows], common)]
        path, classes = MulticlassTask(features, label.strata).fit(rows, [strength])
    else:
        path, places = MultilabelTask(features, label.matrix[:, common]).fit(rows, [strength])
        classes = common[places]
    return lambda x: _spread(x @ path.weights[0] + path.bias[0], classes, len(label.classes))


def _fit_forest(features: Features, label: Label, rows: Rows, seed: int) -> Predictor:
    """Fit a random forest."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(_TREES, min_samples_leaf=_LEAF, random_state=seed)
    common = _common(label, rows)
    if label.kind == LabelKind.MULTICLASS:
        rows = rows[np.isin(label.strata[rows], common)]
        forest.fit(features[rows], label.strata[rows])
        return lambda x: _spread(forest.predict_proba(x), forest.classes_, len(label.classes))
    # Regressed, 0 and 1 give the share of each class in a leaf, in one table for all classes.
    from sklearn.ensemble import RandomForestRegressor

    shares = RandomForestRegressor(_TREES, min_samples_leaf=_LEAF, random_state=seed)
    has = label.take(rows).matrix[:, common].astype(np.float32)
    shares.fit(features[rows], has)
    return lambda x: _spread(
        shares.predict(x).reshape(len(x), len(common)), common, len(label.classes)
    )


def _spread(
    scores: NDArray[np.floating], classes: NDArray[np.int64], n_classes: int
) -> NDArray[np.floating]:
    """Put the scores of some classes among all, below which the others are, shape (n, K)."""
    spread = np.full((len(scores), n_classes), scores.min(initial=0.0) - 1, dtype=scores.dtype)
    spread[:, classes] = scores
    return spread


def _fit_absolute(features: Features, numbers: NDArray[np.float64]) -> Predictor:
    """Fit a linear model by its absolute errors: least squares, reweighted."""
    from sklearn.linear_model import Ridge

    model, weights = Ridge(1.0), np.ones(len(numbers))
    least = max(float(np.ptp(numbers)) * 1e-4, 1e-12)  # an error that weighs no more for being less
    for _ in range(_STEPS):
        model.fit(features, numbers, sample_weight=weights)
        weights = 1 / np.maximum(abs(model.predict(features) - numbers), least)
        weights /= weights.mean()
    return lambda x: np.asarray(model.predict(x))


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
    return lambda x: np.asarray(trees.predict(x))
