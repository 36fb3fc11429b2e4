"""Retrieval scores of rankings that can be read by eye, then against scikit-learn."""

import math
import sys

import hypothesis.strategies as st
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings

from artsim.errors import EvaluationError
from artsim.labels import encode, multiclass, multilabel
from artsim.metrics import retrieval
from artsim.metrics.intervals import estimate_mean, wilson
from artsim.metrics.neighbors import Neighbors
from artsim.metrics.pairs import auc, pair_scores
from artsim.metrics.pixels import rmse, ssim
from artsim.metrics.retrieval import evaluate_retrieval, score_rankings
from artsim.splits import Split


def unit(rng, *shape):
    x = rng.standard_normal(shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def at_angles(*degrees):
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def ranking(*rows):
    rows = np.array(rows)
    return Neighbors(-np.arange(rows.size, dtype=np.float32).reshape(rows.shape), rows)


def test_scores_by_eye():
    # right, wrong, right, wrong; three relevant rows in all, one of them not found
    codes = np.array([1, 0, 1, 0, 1])
    scores = score_rankings(
        ranking([0, 1, 2, 3]), codes, np.array([1]), np.array([3]), ks=(1, 2, 4)
    )
    gain = 1 + 1 / np.log2(4)
    expected = {
        "P@1": 1,
        "P@2": 1 / 2,
        "P@4": 2 / 4,
        "HitRate@1": 1,
        "HitRate@2": 1,
        "HitRate@4": 1,
        "mAP@1": 1,
        "mAP@2": 1 / 2,
        "mAP@4": (1 + 2 / 3) / 3,
        "nDCG@1": 1,
        "nDCG@2": 1 / (1 + 1 / np.log2(3)),
        "nDCG@4": gain / (1 + 1 / np.log2(3) + 1 / np.log2(4)),
        "R-precision": 2 / 3,
        "mAP@R": (1 + 2 / 3) / 3,
        "MRR@4": 1,
    }
    assert {name: values.tolist() for name, values in scores.items()} == {
        name: [pytest.approx(value)] for name, value in expected.items()
    }


def test_scores_are_zero_if_nothing_is_found_and_fall_with_the_rank():
    codes = np.array([0, 0, 1])
    scores = score_rankings(
        ranking([0, 1], [0, 2]), codes, np.array([1, 1]), np.array([1, 1]), ks=(2,)
    )
    assert scores["MRR@2"].tolist() == [0, 1 / 2]
    assert scores["HitRate@2"].tolist() == [0, 1]
    assert scores["R-precision"].tolist() == [0, 0]


def test_no_row_is_never_relevant():
    scores = score_rankings(
        ranking([1, -1]), np.array([0, 0]), np.array([0]), np.array([1]), ks=(2,)
    )
    assert scores["P@2"].tolist() == [1 / 2]


def test_every_row_is_a_query_for_its_class():
    result = evaluate_retrieval(
        at_angles(0, 1, 2, 90, 180), multiclass("artist", [*"aab", "b", None]), ks=(1, 3)
    )
    # 2 is nearest to 1 and 0, which are not of its class; 3 to 2, which is
    assert result.query_rows.tolist() == [0, 1, 2, 3]
    assert result.relevant.tolist() == [1, 1, 1, 1]
    assert result.per_query["P@1"].tolist() == [1, 1, 0, 1]
    assert result.per_query["MRR@3"].tolist() == [1, 1, 1 / 3, 1]
    assert result.per_class["P@1"].tolist() == [1, 1 / 2]
    assert result.overall["P@1"] == 3 / 4
    assert result.skipped == 0


def test_rows_that_share_one_of_several_classes_are_relevant_by_how_many_they_share():
    label = multilabel("terms", [["sea", "boat"], ["sea"], ["boat", "sea"], ["dog"], None])
    result = evaluate_retrieval(at_angles(0, 1, 2, 90, 3), label, ks=(1, 2))
    assert (result.query_rows.tolist(), result.skipped) == ([0, 1, 2], 1)
    assert result.relevant.tolist() == [2, 2, 2]
    assert result.per_query["P@1"].tolist() == [1, 1, 1]
    # 0 finds 1, which shares one class, before 2, which shares two
    second = 1 / math.log2(3)
    assert result.per_query["nDCG@1"].tolist() == [1 / 2, 1, 1 / 2]
    assert result.per_query["nDCG@2"][0] == pytest.approx((1 + 2 * second) / (2 + second))
    assert result.counts.tolist() == [2, 0, 3]  # boat, dog, sea


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 30))
def test_graded_gain_equals_scikit_learn(seed, n):
    rng = np.random.default_rng(seed)
    vectors, has = unit(rng, n, 6), rng.random((n, 3)) < 0.5
    has[:2] = True
    label = multilabel("x", [[str(c) for c in np.flatnonzero(row)] or None for row in has])
    rows = label.labeled
    k = int(rng.integers(1, len(rows)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "_RANKING_BYTES", int(rng.integers(1, 1 << 14)))
        result = evaluate_retrieval(vectors, label, ks=(k,))
    for i, row in enumerate(result.query_rows):
        others = rows[rows != row]
        shared = (has[others] & has[row]).sum(axis=1)
        scores = vectors[others] @ vectors[row]
        assert result.relevant[i] == (shared > 0).sum()
        best = shared[np.argsort(-scores)][:k]
        assert result.per_query[f"P@{k}"][i] == pytest.approx((best > 0).mean())
        if len(others) > 1:
            expected = sklearn.metrics.ndcg_score(shared[None], scores[None], k=k)
            assert result.per_query[f"nDCG@{k}"][i] == pytest.approx(expected)


@pytest.mark.parametrize("kind", [multiclass, multilabel])
def test_test_rows_search_among_the_others_of_a_split(kind):
    values = [*"aabba"] if kind is multiclass else [[each] for each in "aabba"]
    split = Split(
        train=np.array([3, 1]), validation=np.array([2]), test=np.array([4, 0]), description=""
    )
    result = evaluate_retrieval(
        at_angles(0, 1, 2, 3, 4), kind("artist", values), split=split, ks=(1, 3)
    )
    assert (result.query_rows.tolist(), result.gallery_size) == ([0, 4], 3)
    assert result.relevant.tolist() == [1, 1]  # row 1 alone: 0 and 4 do not find each other
    assert result.per_query["P@1"].tolist() == [1, 0]
    assert result.per_query["MRR@3"].tolist() == [1, 1 / 3]


def test_intervals_resample_queries_and_whole_groups_of_them():
    label = multiclass("artist", [*"aab", "b", None])
    vectors = at_angles(0, 1, 2, 90, 180)
    found = evaluate_retrieval(vectors, label, ks=(1, 3)).estimates
    assert (found["P@1"].low, found["P@1"].high) == wilson(3, 4)
    expected = estimate_mean(np.array([1, 1, 1 / 3, 1]))
    assert found["MRR@3"].value == pytest.approx(expected.value)
    assert (found["MRR@3"].low, found["MRR@3"].high) == pytest.approx((expected.low, expected.high))
    groups = np.array([0, 1, 0, -1, -1])
    grouped = evaluate_retrieval(vectors, label, resampled=groups, ks=(1,)).estimates
    assert grouped["mAP@1"].groups == 3


def test_views_of_one_object_are_junk_to_each_other():
    vectors = at_angles(0, 1, 2, 90)
    values, objects = ["a", "a", "b", "a"], ["vase", "vase", None, None]
    label, groups = multiclass("artist", values), encode(objects)[0]
    result = evaluate_retrieval(vectors, label, junk=groups, ks=(1, 2))
    assert result.query_rows.tolist() == [0, 1, 3]
    assert result.relevant.tolist() == [1, 1, 2]  # the other view of the vase does not count
    assert result.per_query["MRR@2"].tolist() == [1 / 2, 1 / 2, 1 / 2]
    assert result.skipped == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 40), st.integers(1, 4))
def test_equals_scikit_learn(seed, n, n_classes):
    rng = np.random.default_rng(seed)
    vectors, codes = unit(rng, n, 6), rng.integers(0, n_classes, n)
    codes[1] = codes[0]
    depth, k = n - 1, int(rng.integers(1, n))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "_RANKING_BYTES", int(rng.integers(1, 1 << 14)))
        label = multiclass("x", [str(c) for c in codes])
        result = evaluate_retrieval(vectors, label, ks=sorted({k, depth}))
    for i, row in enumerate(result.query_rows):
        others = np.delete(np.arange(n), row)
        truth, scores = codes[others] == codes[row], vectors[others] @ vectors[row]
        per_query = {name: values[i] for name, values in result.per_query.items()}
        assert per_query[f"mAP@{depth}"] == pytest.approx(
            sklearn.metrics.average_precision_score(truth, scores)
        )
        assert per_query[f"nDCG@{k}"] == pytest.approx(
            sklearn.metrics.ndcg_score(truth[None], scores[None], k=k) if depth > 1 else 1
        )
        first = truth[np.argsort(-scores)][:k]
        assert per_query[f"P@{k}"] == pytest.approx(first.mean())
        assert per_query[f"HitRate@{k}"] == first.any()
        best = truth[np.argsort(-scores)]
        assert per_query["R-precision"] == pytest.approx(best[: truth.sum()].mean())
        assert per_query[f"MRR@{depth}"] == pytest.approx(1 / (best.argmax() + 1))
    for name, values in result.per_query.items():
        assert result.overall[name] == pytest.approx(values.mean())
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -2)  # itself is last, and not relevant
    same = (codes[:, None] == codes) & ~np.eye(n, dtype=bool)
    asked = result.query_rows
    assert result.overall[f"mAP@{depth}"] == pytest.approx(
        sklearn.metrics.label_ranking_average_precision_score(same[asked], similarity[asked])
    )


def trec_eval(hits, relevant, k):
    """Score one ranking as trec_eval and pytrec_eval do, rank by rank."""
    found = precision = gain = reciprocal = at_r = 0
    for rank, is_hit in enumerate(hits, start=1):
        found += is_hit
        if is_hit and rank <= k:
            precision += found / rank
            gain += 1 / np.log2(rank + 1)
            reciprocal = reciprocal or 1 / rank
        if rank == relevant:
            at_r = found
    ideal = sum(1 / np.log2(rank + 1) for rank in range(1, min(relevant, k) + 1))
    return {
        f"P@{k}": sum(hits[:k]) / k,  # P_k
        f"HitRate@{k}": float(any(hits[:k])),  # success_k
        f"mAP@{k}": precision / min(relevant, k),  # map_cut_k divides by all relevant ones
        f"nDCG@{k}": gain / ideal,  # ndcg_cut_k
        f"MRR@{k}": reciprocal,  # recip_rank
        "R-precision": at_r / relevant,  # Rprec
    }


@pytest.mark.parametrize("k", [1, 5, 30])
def test_scores_equal_those_of_trec_eval(k):
    rng = np.random.default_rng(k)
    codes = rng.integers(0, 3, 60)
    rows = np.stack([rng.permutation(60)[:30] for _ in range(20)])
    truth, relevant = rng.integers(0, 3, 20), rng.integers(1, 31, 20)
    hits = codes[rows] == truth[:, None]
    relevant = np.maximum(hits.sum(axis=1), relevant)
    scores = score_rankings(ranking(*rows), codes, truth, relevant, ks=(k,))
    for i in range(20):
        expected = trec_eval(hits[i], relevant[i], k)
        assert {name: scores[name][i] for name in expected} == pytest.approx(expected)


def test_true_pairs_are_of_one_class_and_false_pairs_of_two():
    vectors = np.repeat(np.eye(3, dtype=np.float32), [4, 2, 1], axis=0)
    true, false = pair_scores(vectors, np.repeat([0, 1, 2], [4, 2, 1]), 500, seed=0)
    assert set(true.tolist()) == {1.0}
    assert set(false.tolist()) == {0.0}
    assert len(true) == len(false) == 500


def test_no_row_is_paired_with_itself():
    vectors = unit(np.random.default_rng(0), 12, 3)
    true, _ = pair_scores(vectors, np.repeat([0, 1, 2, 3], 3), 400, seed=0)
    allowed = {
        np.float32(vectors[i] @ vectors[j]).round(4).item()
        for i in range(12)
        for j in range(12)
        if i != j and i // 3 == j // 3
    }
    assert {score.round(4).item() for score in true} == allowed


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (
            list("aab"),
            {"ks": (3,)},
            "ks must be between 1 and 2, the rows with a 'artist' that",
        ),
        (list("aab"), {"ks": (0,)}, "ks must be between 1 and 2"),
        (list("abc"), {"ks": (1,)}, "no two rows that may find each other share a 'artist'"),
        (list("ab"), {"ks": (1,)}, "label 'artist' has 2 values for 3 vectors"),
        (list("aab"), {"ks": (1,), "junk": np.array([0])}, "junk has 1 values for 3 vectors"),
    ],
)
def test_wrong_arguments_are_explained(values, options, message):
    with pytest.raises(EvaluationError, match=message):
        evaluate_retrieval(at_angles(0, 1, 2), multiclass("artist", values), **options)


def test_a_ranking_too_short_for_its_scores_is_refused():
    with pytest.raises(EvaluationError, match="the ranking is 2 deep; it must reach the largest k"):
        score_rankings(ranking([0, 1]), np.array([0, 0]), np.array([0]), np.array([1]), ks=(3,))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1), st.lists(st.integers(0, 5), min_size=1))
def test_the_share_of_ordered_pairs_is_the_area_under_the_roc_curve(true, other):
    found = auc(np.sort(true), np.sort(other))
    truth = [True] * len(true) + [False] * len(other)
    assert found == pytest.approx(sklearn.metrics.roc_auc_score(truth, true + other))
    assert np.isnan(auc(np.array([]), np.sort(other)))


def test_ssim_is_that_of_wang_et_al():
    """Written out: means, variances and covariance under a Gaussian window of 11 pixels."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (24, 30), dtype=np.uint8)
    b = np.clip(a + rng.normal(0, 40, a.shape), 0, 255).astype(np.uint8)
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2

    def blur(x):
        views = np.lib.stride_tricks.sliding_window_view(x.astype(float), (11, 11))
        return (views * window).sum(axis=(2, 3))

    mean_a, mean_b = blur(a), blur(b)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    var_a, var_b = blur(a.astype(float) ** 2) - mean_a**2, blur(b.astype(float) ** 2) - mean_b**2
    both = blur(a.astype(float) * b) - mean_a * mean_b
    expected = ((2 * mean_a * mean_b + c1) * (2 * both + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    )
    assert ssim(a, b) == pytest.approx(expected.mean(), abs=1e-6)
    assert ssim(a, a) == 1
    assert rmse(np.array([[0, 10]], np.uint8), np.array([[10, 0]], np.uint8)) == 10


def test_without_scikit_image_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(EvaluationError, match=r"pip install 'artsim\[train\]'"):
        ssim(np.zeros((12, 12), np.uint8), np.zeros((12, 12), np.uint8))


def test_pairs_need_two_classes():
    with pytest.raises(EvaluationError, match="need two classes, one of them with two rows"):
        pair_scores(at_angles(0, 1), np.array([0, 1]), 5, seed=0)
