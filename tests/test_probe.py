"""Probes on directions that a line can tell apart, then against scikit-learn."""

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.optimize
import sklearn.metrics
from hypothesis import given, settings
from sklearn.linear_model import LogisticRegression, Ridge

from artsim.errors import EvaluationError
from artsim.labels import Label, LabelKind, number
from artsim.metrics.logistic import LinearPath
from artsim.metrics.probe import fit_probe, fit_ridge
from artsim.metrics.registry import baseline
from artsim.metrics.selection import calibrate, choose, restrain
from artsim.splits import Split, split

GRID = (0.01, 0.1, 1.0, 10.0, 100.0)


def clusters(seed, n, d, n_classes, noise):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_classes, n)
    x = rng.standard_normal((n_classes, d))[codes] + noise * rng.standard_normal((n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), codes


def split_of(train, validation, test, groups=None):
    train, validation, test = (np.asarray(rows, dtype=int) for rows in (train, validation, test))
    return Split(train=train, validation=validation, test=test, description="", resampled=groups)


def of_codes(codes):
    classes = tuple(map(str, range(codes.max() + 1)))
    return Label(name="x", kind=LabelKind.MULTICLASS, strata=codes, classes=classes)


def of_matrix(members):
    return Label(
        name="x",
        kind=LabelKind.MULTILABEL,
        strata=np.where(members.any(axis=1), members.argmax(axis=1), -1),
        classes=tuple(map(str, range(members.shape[1]))),
        starts=np.append(0, np.cumsum(members.sum(axis=1))),
        codes=np.nonzero(members)[1],
    )


def test_strength_is_chosen_on_validation_and_test_is_used_once():
    x, codes = clusters(0, 500, 16, 6, noise=2.5)
    train, validation, test = split(codes, (0.6, 0.2, 0.2), seed=0)
    probe = fit_probe(x, of_codes(codes), split_of(train, validation, test), strengths=GRID)
    peers = [LogisticRegression(C=c, tol=1e-6, max_iter=5000) for c in GRID]
    right = [
        peer.fit(x[train], codes[train]).score(x[validation], codes[validation]) for peer in peers
    ]
    np.testing.assert_allclose(probe.validation, right, atol=0.011)  # one row of a hundred
    losses = [
        sklearn.metrics.log_loss(codes[validation], peer.predict_proba(x[validation]))
        for peer in peers
    ]
    assert probe.head.strength == GRID[int(np.argmin(losses))]  # all others are within an error
    both = np.concatenate([train, validation])
    peer = LogisticRegression(C=probe.head.strength, tol=1e-6, max_iter=5000)
    predicted = peer.fit(x[both], codes[both]).predict(x[test])
    assert probe.estimate.value == pytest.approx((predicted == codes[test]).mean(), abs=0.011)
    assert (probe.predictions.ranked[:, 0] == predicted).mean() > 0.98
    assert probe.predictions.truth.strata.tolist() == codes[test].tolist()
    assert (len(probe.predictions.truth), len(probe.predictions.learned)) == (len(test), len(both))
    assert probe.estimate.value <= probe.metrics["top5"].value
    assert probe.estimate.low < probe.estimate.value < probe.estimate.high


class Told:
    """A task whose accuracy and log loss at each strength are given."""

    features = np.zeros((100, 1))

    def __init__(self, accuracy, losses):
        self.accuracy, self.losses = accuracy, losses

    def quality(self, rows, scores, classes):
        return self.accuracy[int(scores[0, 0])]

    def choices(self, rows, scores, classes):
        other = np.log(np.expm1(self.losses[int(scores[0, 0])]))
        return np.array([[0.0, other]], dtype=np.float32), np.array([0])


@pytest.mark.parametrize(
    ("accuracy", "losses", "chosen"),
    [
        ([0.50, 0.70, 0.69, 0.68], [3.0, 2.0, 1.0, 4.0], 2),  # one row fewer, much less loss
        ([0.50, 0.70, 0.60, 0.40], [0.1, 2.0, 0.1, 0.1], 1),  # an error is 0.046 of 0.70
        ([0.50, 0.70, 0.66, 0.65], [0.1, 3.0, 2.0, 0.1], 2),
        ([1.00, 1.00, 0.99, 1.00], [0.4, 0.3, 0.1, 0.2], 3),  # there is no error of 1
    ],
)
def test_the_lowest_log_loss_within_one_standard_error_of_the_best_is_chosen(
    accuracy, losses, chosen
):
    path = LinearPath(
        strengths=np.array([1.0, 2, 3, 4]),
        weights=np.zeros((4, 1, 1), dtype=np.float32),
        bias=np.arange(4, dtype=np.float32)[:, None],
        objective=np.zeros(4),
        converged=np.ones(4, dtype=bool),
    )
    place, quality = choose(Told(accuracy, losses), path, np.arange(1), np.arange(100))
    assert (place, quality.tolist()) == (chosen, accuracy)


def test_of_equally_accurate_strengths_the_lower_log_loss_is_chosen():
    x, codes = clusters(0, 120, 6, 3, noise=0.05)  # separable at every strength
    parts = split_of(np.arange(60), np.arange(60, 90), np.arange(90, 120))
    probe = fit_probe(x, of_codes(codes), parts, strengths=GRID)
    assert probe.validation[1:].tolist() == [1, 1, 1, 1]
    losses = [
        sklearn.metrics.log_loss(
            codes[60:90],
            LogisticRegression(C=c, tol=1e-6).fit(x[:60], codes[:60]).predict_proba(x[60:90]),
        )
        for c in GRID
    ]
    assert probe.head.strength == GRID[int(np.argmin(losses))] == 100
    members = np.eye(3, dtype=bool)[codes]
    assert fit_probe(x, of_matrix(members), parts, strengths=GRID).head.strength == 100


def test_no_head_is_more_confident_than_its_validation_rows_allow():
    scores = np.array([[9.0, 0.0], [0.0, 9.0], [9.0, 0.0]])
    temperature = restrain(scores, 1.0, 3)
    assert 1 / (1 + np.exp(-9 / temperature)) == pytest.approx(4 / 5, abs=0.01)
    assert restrain(scores / 9, 2.0, 3) == 2.0


def test_two_classes_get_a_column_each_and_probabilities_that_add_up():
    x, codes = clusters(1, 120, 4, 2, noise=0.5)
    probe = fit_probe(x, of_codes(codes + 7), split_of(np.arange(80), [], np.arange(80, 120)))
    assert probe.head.classes.tolist() == [7, 8]
    np.testing.assert_allclose(probe.head.probabilities(x).sum(axis=1), 1)
    assert probe.predictions.ranked[:, 2:].tolist() == [[-1, -1, -1]] * 40
    assert probe.estimate.value > 0.8


def test_rows_without_a_label_are_ignored_and_unknown_classes_are_wrong():
    x, codes = clusters(2, 90, 5, 3, noise=0.05)
    codes[:5] = -1
    codes[89] = 9  # no train row has it
    codes[85] = -1
    parts = split_of(np.arange(60), [], np.arange(60, 90))
    probe = fit_probe(x, of_codes(codes), parts, strengths=(10.0,))
    assert probe.test_rows.tolist() == [row for row in range(60, 90) if row != 85]
    assert len(probe.predictions.learned) == 55
    assert probe.estimate.value == 28 / 29


def test_a_head_predicts_new_features_as_in_the_test():
    x, codes = clusters(3, 150, 6, 4, noise=0.8)
    probe = fit_probe(x, of_codes(codes), split_of(np.arange(100), [], np.arange(100, 150)))
    probabilities = probe.head.probabilities(x[100:])
    best = probe.head.classes[probabilities.argmax(axis=1)]
    assert best.tolist() == probe.predictions.ranked[:, 0].tolist()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 5))
def test_calibration_minimizes_the_log_loss(seed, sharpness):
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((60, 4)) * sharpness
    columns = (scores + rng.gumbel(size=(60, 4))).argmax(axis=1)

    def loss(temperature):
        logs = scores / temperature
        return (np.log(np.exp(logs).sum(axis=1)) - logs[np.arange(60), columns]).mean()

    best = scipy.optimize.minimize_scalar(loss, bounds=(0.01, 100), method="bounded")
    assert loss(calibrate(scores, columns)) <= best.fun + 1e-6


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.integers(1, 20))
def test_ridge_equals_scikit_learn(seed, n, d):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), 1800 + 50 * rng.standard_normal(n)
    alphas = (0.01, 1.0, 100.0)
    path = fit_ridge(x, y, alphas)
    for i, alpha in enumerate(alphas):
        peer = Ridge(alpha=alpha).fit(x, y)
        np.testing.assert_allclose(path.weights[i][:, 0], peer.coef_, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(path.bias[i][0], peer.intercept_, rtol=1e-4)


def test_years_are_predicted_from_a_direction():
    rng = np.random.default_rng(0)
    angles = rng.random(300) * np.pi / 2
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    years = 1800 + 100 * x[:, 1] + rng.standard_normal(300)
    years[3] = np.nan
    label = number("year", years)
    probe = fit_probe(x, label, split_of(np.arange(200), [], np.arange(200, 300)))
    found = probe.estimate
    assert 0.5 < found.value < 1.2  # the noise's mean is 0.8
    assert found.low < found.value < found.high
    assert baseline(probe.predictions).value > 20
    assert probe.metrics["r2"] > 0.99
    assert (found.n, len(probe.predictions.learned)) == (100, 199)
    assert found.value == pytest.approx(abs(probe.predictions.numbers - years[200:]).mean())


def test_correlated_labels_are_predicted_separately():
    rng = np.random.default_rng(0)
    members = rng.random((300, 3)) < 0.4
    x = (members @ rng.standard_normal((3, 8)) + 0.3 * rng.standard_normal((300, 8))).astype("f4")
    probe = fit_probe(x, of_matrix(members), split_of(np.arange(200), [], np.arange(200, 300)))
    scores = probe.head.scores(x[probe.test_rows])
    true = members[probe.test_rows]
    expected = [sklearn.metrics.average_precision_score(true[:, i], scores[:, i]) for i in range(3)]
    assert probe.estimate.value == pytest.approx(np.mean(expected))
    assert probe.estimate.value > 0.95
    assert 0.3 < baseline(probe.predictions).value < 0.7
    kept = members[200:].any(axis=1)
    assert probe.test_rows.tolist() == (200 + np.flatnonzero(kept)).tolist()


def test_a_class_missing_in_train_is_left_out():
    rng = np.random.default_rng(0)
    members = np.column_stack([rng.random((60, 2)) < 0.6, np.zeros(60, dtype=bool)])
    members[45, 2] = True
    x = rng.standard_normal((60, 4)).astype(np.float32)
    probe = fit_probe(x, of_matrix(members), split_of(np.arange(40), [], np.arange(40, 60)))
    assert probe.head.classes.tolist() == [0, 1]


def test_validation_rows_keep_groups_whole():
    x, codes = clusters(4, 200, 4, 2, noise=0.5)
    groups = np.arange(200) // 10
    parts = split_of(np.arange(150), [], np.arange(150, 200), groups)
    probe = fit_probe(x, of_codes(codes), parts, strengths=(1.0,))
    assert len(probe.predictions.learned) == 150


EIGHT = np.eye(8, dtype=np.float32)
CODES = np.array([0, 1] * 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": []}, "no test row has a label; choose another split or label"),
        ({"train": [0, 2, 4], "validation": [1]}, "but there is one class"),
    ],
)
def test_wrong_arguments_are_explained(options, message):
    parts = {"train": [0, 1, 2, 3], "validation": [], "test": [6, 7]} | options
    with pytest.raises(EvaluationError, match=message):
        fit_probe(EIGHT, of_codes(CODES), split_of(**parts))
