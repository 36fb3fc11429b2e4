"""The Met protocol by eye, then against its definition written out."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.decomposition import PCA

from artsim.errors import EvaluationError
from artsim.metrics.met import confidences, evaluate_met, whiten
from artsim.metrics.neighbors import Neighbors, nearest
from artsim.splits import Split


def unit(rng, *shape):
    x = rng.standard_normal(shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def split_of(train, validation, test, groups=None):
    train, validation, test = (np.asarray(rows, dtype=int) for rows in (train, validation, test))
    return Split(train=train, validation=validation, test=test, description="", groups=groups)


def test_confidence_is_the_softmax_over_the_nearest_member_of_each_class():
    neighbors = Neighbors(np.float32([[0.5, 0.25, 0.125]]), np.array([[0, 1, 2]]))
    sure = confidences(neighbors, np.array([7, 7, 8]), 10, t=2.0)
    first, second = np.exp(1), np.exp(0.25)
    np.testing.assert_allclose(
        sure, [[first / (first + 9), first / (first + 9), first / (first + second + 8)]]
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.sampled_from([0.01, 5.0, 500.0]))
def test_confidences_equal_the_definition(seed, n, t):
    rng = np.random.default_rng(seed)
    bank, codes, queries = unit(rng, n, 3), rng.integers(0, 5, n), unit(rng, 4, 3)
    n_classes = len(np.unique(codes))
    found = nearest(queries, bank, n)
    sure = confidences(found, codes, n_classes, t)
    for i in range(4):
        for k in range(1, n + 1):
            best = {}
            for row, score in zip(
                found.rows[i, :k], found.scores[i, :k].astype(float), strict=True
            ):
                best[codes[row]] = max(best.get(codes[row], 0.0), score)
            terms = [np.exp(t * score) for score in best.values()]
            expected = max(terms) / (sum(terms) + n_classes - len(best))
            assert sure[i, k - 1] == pytest.approx(expected)


def test_whitened_vectors_have_equal_variance_in_every_direction():
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((500, 6)) * [9, 5, 3, 1, 0.1, 0] + 4).astype(np.float32)
    whitening = whiten(x, 4)
    turned = (x - whitening.mean) @ whitening.axes
    np.testing.assert_allclose(np.cov(turned.T, bias=True), np.eye(4), atol=1e-3)
    peer = PCA(4, whiten=True).fit(x).transform(x)
    np.testing.assert_allclose(abs(turned), abs(peer) * np.sqrt(500 / 499), atol=1e-2)
    np.testing.assert_allclose(np.linalg.norm(whitening(x), axis=1), 1, rtol=1e-5)
    assert whiten(x, 6).axes.shape == (6, 5)  # the last direction never varies


def test_clusters_are_recognized_and_distractors_only_lower_gap():
    rng = np.random.default_rng(0)
    codes = np.arange(120) % 6
    centers = unit(rng, 6, 8)
    vectors = centers[codes] + 0.05 * rng.standard_normal((120, 8)).astype(np.float32)
    vectors[110:] = unit(rng, 10, 8)
    codes[110:] = -1
    split = split_of(np.arange(60), np.arange(60, 90), np.arange(90, 120))
    score = evaluate_met(vectors, codes, split)
    assert (score.n, score.n_distractors) == (30, 10)
    assert (score.accuracy.value, score.gap_minus, score.validation_gap) == (1, 1, 1)
    assert score.accuracy.low == pytest.approx(0.839, abs=1e-3)  # Wilson of 20 of 20
    assert 0.5 < score.gap <= 1
    assert (score.k, score.t) == (1, 0.01)  # the first of the grid, as all are perfect
    assert score.predicted[:20].tolist() == codes[90:110].tolist()


def test_rows_of_the_same_group_do_not_vote():
    vectors = unit(np.random.default_rng(0), 6, 3)
    vectors[4] = vectors[0]
    codes, groups = np.array([0, 1, 0, 1, 0, 1]), np.array([5, 6, 7, 8, 5, -1])
    parts = ([0, 1], [2, 3], [4])
    score = evaluate_met(vectors, codes, split_of(*parts))
    assert (score.predicted.tolist(), score.neighbors.rows[:, 0].tolist()) == ([0], [0])
    grouped = evaluate_met(vectors, codes, split_of(*parts, groups))
    assert (grouped.predicted.tolist(), grouped.neighbors.rows[:, 0].tolist()) == ([1], [1])
    alone = evaluate_met(vectors, codes, split_of(*parts, np.array([5, 5, 7, 8, 5, -1])))
    assert (alone.predicted.tolist(), alone.gap) == ([-1], 0)


def test_the_protocol_equals_its_definition_written_out():
    """Whiten by train, choose K and t by GAP on validation, then score test: one row at a time."""
    rng = np.random.default_rng(1)
    codes = np.arange(150) % 5
    vectors = unit(rng, 5, 8)[codes] + 0.9 * unit(rng, 150, 8)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    codes[rng.choice(np.arange(80, 150), 20, replace=False)] = -1  # distractors
    train, validation, test = np.split(np.arange(150), [80, 110])

    mean = vectors[train].mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov((vectors[train] - mean).T, bias=True))
    order = np.argsort(-variances)[:6]
    white = (vectors - mean) @ (axes[:, order] / np.sqrt(variances[order]))
    white /= np.linalg.norm(white, axis=1, keepdims=True)

    def answer(row, k, t):
        similarity = white[train] @ white[row]
        best = np.zeros(5)  # a class without a member among the K has similarity 0
        for place in np.argsort(-similarity)[:k]:
            code = codes[train][place]
            best[code] = max(best[code], similarity[place])
        likely = np.exp(t * best) / np.exp(t * best).sum()
        return codes[train][similarity.argmax()], likely[codes[train][similarity.argmax()]]

    def gap(rows, k, t):
        answers = sorted((-sure, code == codes[row]) for row in rows
                         for code, sure in [answer(row, k, t)])  # fmt: skip
        right = [is_right for _, is_right in answers]
        precision = [sum(right[: i + 1]) / (i + 1) for i in range(len(right))]
        total = sum(p for p, is_right in zip(precision, right, strict=True) if is_right)
        return total / sum(codes[row] >= 0 for row in rows)

    ks, ts = (1, 3, 10), (1.0, 5.0, 20.0)
    k, t = max(((k, t) for t in ts for k in ks), key=lambda each: gap(validation, *each))
    score = evaluate_met(
        vectors, codes, split_of(train, validation, test), ks=ks, sharpnesses=ts, dimensions=6
    )
    assert (score.k, score.t) == (k, t)
    known = test[codes[test] >= 0]
    right = np.mean([answer(row, k, t)[0] == codes[row] for row in known])
    assert (score.validation_gap, score.gap, score.gap_minus, score.accuracy.value) == (
        pytest.approx(gap(validation, k, t)),
        pytest.approx(gap(test, k, t)),
        pytest.approx(gap(known, k, t)),
        right,
    )
    assert 0.3 < score.gap < score.gap_minus < 1


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": []}, "the split has no train rows"),
        ({"validation": [3]}, "all queries are distractors"),
    ],
)
def test_wrong_arguments_are_explained(parts, message):
    parts = {"train": [0, 1], "validation": [2], "test": [4]} | parts
    vectors = unit(np.random.default_rng(0), 5, 3)
    with pytest.raises(EvaluationError, match=message):
        evaluate_met(vectors, np.array([0, 1, 0, -1, 1]), split_of(**parts))


def test_vectors_that_are_all_the_same_cannot_be_whitened():
    with pytest.raises(EvaluationError, match="there is nothing to whiten"):
        whiten(np.ones((4, 3), dtype=np.float32))
