"""Logistic regression against scikit-learn's optimum, strength by strength."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.linear_model import LogisticRegression

from artsim.errors import EvaluationError
from artsim.metrics.logistic import (
    STRENGTHS,
    fit_multinomial,
    fit_one_vs_rest,
    fit_weighted,
)

GRID = (1e-6, 1e-3, 1e-1, 1.0, 10.0, 1e3)


def clusters(seed, n, d, n_classes, noise=1.0):
    """Unit vectors in uneven clusters that overlap, with a long tail of directions."""
    rng = np.random.default_rng(seed)
    codes = np.minimum(rng.geometric(0.35, n) - 1, n_classes - 1)
    codes[: 2 * n_classes] = np.tile(np.arange(n_classes), 2)
    centers = rng.standard_normal((n_classes, d))
    x = (centers[codes] + 2 * noise * rng.standard_normal((n, d))) / np.sqrt(np.arange(1, d + 1))
    x[:, 0] += 1
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), codes


def objective(x, codes, weights, bias, strength):
    """The objective written out, with a column of scores a class."""
    scores = x.astype(np.float64) @ weights + bias
    losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(x)), codes]
    return losses.mean() + (weights**2).sum() / (2 * strength * len(x))


def scikit_learn(x, codes, strength):
    peer = LogisticRegression(C=strength, tol=1e-7, max_iter=20_000).fit(x.astype(float), codes)
    return peer.coef_.T, peer.intercept_


@pytest.mark.parametrize(("n", "d", "n_classes"), [(300, 8, 3), (200, 40, 7)])
def test_every_strength_reaches_scikit_learns_optimum(n, d, n_classes):
    x, codes = clusters(0, n, d, n_classes)
    path = fit_multinomial(x, codes, GRID)
    assert path.converged.all()
    assert path.strengths.tolist() == list(GRID)
    for i, strength in enumerate(GRID):
        weights, bias = scikit_learn(x, codes, strength)
        ours = objective(x, codes, path.weights[i].astype(float), path.bias[i], strength)
        best = objective(x, codes, weights, bias, strength)
        assert ours <= best * (1 + 1e-4)
        assert path.objective[i] == pytest.approx(ours, rel=1e-4)
        agree = (x @ path.weights[i] + path.bias[i]).argmax(1) == (x @ weights + bias).argmax(1)
        assert agree.mean() > 0.99


def test_two_classes_are_one_column_as_in_scikit_learn():
    x, codes = clusters(1, 200, 6, 2)
    path = fit_multinomial(x, codes, (0.1, 10.0))
    assert path.weights.shape == (2, 6, 1)
    for i, strength in enumerate((0.1, 10.0)):
        weights, bias = scikit_learn(x, codes, strength)
        np.testing.assert_allclose(path.weights[i], weights, atol=0.01 * abs(weights).max())
        np.testing.assert_allclose(path.bias[i], bias, atol=0.01 * abs(weights).max())


def test_one_vs_rest_fits_each_label_separately():
    x, codes = clusters(2, 250, 10, 4)
    members = np.stack([codes == 0, codes == 1, (codes == 2) | (codes == 0)], axis=1)
    path = fit_one_vs_rest(x, members, (0.1, 10.0, 1e3))
    for label in range(3):
        alone = fit_multinomial(x, members[:, label].astype(int), (0.1, 10.0, 1e3))
        together = x @ path.weights[:, :, label : label + 1] + path.bias[:, None, label : label + 1]
        single = x @ alone.weights + alone.bias[:, None, :]
        np.testing.assert_allclose(together, single, atol=0.02 * abs(single).max())


def test_the_default_grid_converges_on_separable_classes():
    x, codes = clusters(3, 150, 60, 5, noise=0.1)  # the loss goes to 0 as the penalty does
    path = fit_multinomial(x, codes)
    assert len(path.strengths) == len(STRENGTHS) == 45
    assert path.converged.all()
    assert (np.diff(path.objective) < 0).all()
    assert path.objective[-1] < 1e-3


def test_a_constant_feature_has_no_weight():
    x, codes = clusters(4, 120, 5, 3)
    x[:, 4] = 0.25
    path = fit_multinomial(x, codes, (1.0, 1e4))
    assert abs(path.weights[:, 4]).max() < 1e-3 * abs(path.weights).max()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 80), st.integers(1, 12), st.integers(3, 5))
def test_the_gradient_at_the_optimum_is_zero(seed, n, d, n_classes):
    x, codes = clusters(seed, n, d, n_classes)
    path = fit_multinomial(x, codes, (0.01, 1.0))
    for i, strength in enumerate((0.01, 1.0)):
        scores = x.astype(np.float64) @ path.weights[i] + path.bias[i]
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        residual = (p - np.eye(n_classes)[codes]) / n
        gradient = x.T @ residual + path.weights[i] / (strength * n)
        assert abs(gradient).max() < 1e-3
        assert abs(residual.sum(axis=0)).max() < 1e-3  # the intercept's


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: fit_multinomial(x, np.array([0, 0, 0])), "but there is one class"),
        (lambda x: fit_multinomial(x, np.array([0, 2, 0])), "but class 1 has no row"),
        (lambda x: fit_multinomial(x * np.nan, np.array([0, 1, 0])), "of finite numbers"),
        (lambda x: fit_multinomial(x, np.array([0, 1, 0]), (0.0,)), "strengths must be numbers ab"),
        (lambda x: fit_one_vs_rest(x, x > 1), "no row has label 0; leave it out of the probe"),
        (lambda x: fit_one_vs_rest(x, x < 2), "every row has label 0; leave it out"),
    ],
)
def test_wrong_arguments_are_explained(call, message):
    with pytest.raises(EvaluationError, match=message):
        call(np.eye(3, dtype=np.float32))


def test_copies_of_a_few_rows_are_fitted():
    rng = np.random.default_rng(34)
    kinds = rng.integers(1, 6)
    centers = rng.standard_normal((kinds, 1280)).astype(np.float32)
    own = rng.integers(0, kinds, 20)
    noise = rng.standard_normal((20, 1280)) * 10.0 ** rng.integers(-9, -3)
    features = centers[own] + noise.astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    codes = np.arange(20) % 2
    path = fit_multinomial(features.astype(np.float32), codes, [1.0])
    assert np.isfinite(path.objective).all()


@pytest.mark.parametrize(("n", "d"), [(120, 6), (40, 90)])
def test_weighted_rows_count_as_scikit_learns_do(n, d):
    x, codes = clusters(4, n, d, 2)
    weights = np.random.default_rng(0).uniform(0.02, 3, n)
    path = fit_weighted(x, codes == 1, weights, (0.1, 10.0))
    assert path.converged.all()
    for i, strength in enumerate((0.1, 10.0)):
        peer = LogisticRegression(C=strength, tol=1e-7, max_iter=20_000)
        peer.fit(x.astype(float), codes, sample_weight=weights)
        np.testing.assert_allclose(path.weights[i].T, peer.coef_, atol=0.01 * abs(peer.coef_).max())
        assert path.bias[i] == pytest.approx(peer.intercept_, abs=0.02)


def test_a_row_of_weight_two_is_two_rows():
    x, codes = clusters(5, 60, 5, 2)
    weights = np.where(np.arange(60) < 20, 2.0, 1.0)
    twice = np.r_[np.arange(60), np.arange(20)]
    one = fit_weighted(x, codes == 1, weights, (1.0,))
    two = fit_multinomial(x[twice], codes[twice], (1.0,))
    np.testing.assert_allclose(one.weights, two.weights, atol=0.01 * abs(two.weights).max())


@pytest.mark.parametrize(
    ("positive", "weights", "said"),
    [
        ([True] * 4, [1.0] * 4, "rows of yes and rows of no"),
        ([True, False] * 2, [0.0] * 4, "above"),
    ],
)
def test_weighted_rows_of_one_kind_are_refused(positive, weights, said):
    with pytest.raises(EvaluationError, match=said):
        fit_weighted(np.eye(4), np.array(positive), np.array(weights))
