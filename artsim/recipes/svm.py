"""A linear support vector machine on frozen features, its penalty chosen on validation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from artsim.labels import Label
from artsim.metrics import accuracy
from artsim.splits import Split
from artsim.training import Run

_PENALTIES = (1e-4, 1e-3, 1e-2)  # of features standardized by the training rows


def svm_accuracy(features: NDArray[np.float32], target: Label, split: Split, run: Run) -> float:
    """Fit one-vs-rest SVMs on train, choose C on validation, and score them on test.

    Args:
        features: Of all rows, (N, D).
        target: A label of one class a picture.
        split: Its rows.
        run: Its seed.
    """
    truth, train = target.strata, split.train

    def fit(penalty: float) -> Pipeline:
        machine = LinearSVC(C=penalty, dual=len(train) < features.shape[1], random_state=run.seed)
        return make_pipeline(StandardScaler(), machine).fit(features[train], truth[train])

    def score(machines: Pipeline, rows: NDArray[np.int64]) -> float:
        return accuracy(truth[rows], machines.predict(features[rows]))

    best = max(map(fit, _PENALTIES), key=lambda machines: score(machines, split.validation))
    return score(best, split.test)
