"""Probes of many rows or classes: in blocks, on rows drawn, of the commonest classes."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from search_toys import make_store
from sklearn.linear_model import Ridge
from test_probe import clusters, of_codes, of_matrix, split_of

from artsim.evaluation.knn import evaluate
from artsim.evaluation.probe import ProbePlan
from artsim.evaluation.probe import probe as run_probe
from artsim.labels import number
from artsim.metrics import Predictions, probe, selection, spilling
from artsim.metrics.logistic import fit_multinomial
from artsim.metrics.probe import fit_probe
from artsim.metrics.registry import main_metric, score


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(30, 120), st.integers(1, 12), st.integers(1, 40))
def test_a_number_read_in_blocks_is_scikit_learns_ridge_of_the_whole_matrix(seed, n, d, rows):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)).astype(np.float32) + 3
    years = 1800 + x @ rng.standard_normal(d) + rng.standard_normal(n)
    parts = split_of(*np.split(rng.permutation(n), [n // 2, n * 3 // 4]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spilling, "BLOCK", rows)
        found = fit_probe(x, number("year", years), parts, strengths=(0.1, 10.0, 1000.0))
    errors = []
    for alpha in found.strengths:
        ridge = Ridge(alpha).fit(x[parts.train].astype(float), years[parts.train])
        wrong = ridge.predict(x[parts.validation]) - years[parts.validation]
        errors.append(abs(wrong).mean())
    assert found.validation == pytest.approx(errors, rel=1e-4, abs=1e-3)
    ridge = Ridge(found.head.strength).fit(x[parts.learned].astype(float), years[parts.learned])
    expected = ridge.predict(x[parts.test])
    assert found.predictions.numbers == pytest.approx(expected, rel=0, abs=2e-3)


@pytest.mark.parametrize("kind", ["classes", "sets"])
def test_predictions_in_blocks_are_those_of_all_rows(kind, monkeypatch):
    x, codes = clusters(1, 300, 6, 4, noise=0.5)
    label = of_codes(codes) if kind == "classes" else of_matrix(codes[:, None] <= np.arange(4))
    parts = split_of(np.arange(150), np.arange(150, 200), np.arange(200, 300))
    whole = fit_probe(x, label, parts, strengths=(1.0,))
    monkeypatch.setattr(spilling, "BLOCK", 7)
    blocks = fit_probe(x, label, parts, strengths=(1.0,))
    assert np.array_equal(blocks.predictions.ranked, whole.predictions.ranked)
    assert score(blocks.predictions).keys() == score(whole.predictions).keys()
    for name, value in score(whole.predictions).items():
        found = score(blocks.predictions)[name]
        assert getattr(found, "value", found) == pytest.approx(getattr(value, "value", value))


def test_of_many_rows_some_choose_the_strength_and_all_are_fitted(monkeypatch):
    x, codes = clusters(2, 500, 5, 3, noise=0.6)
    parts = split_of(np.arange(300), np.arange(300, 400), np.arange(400, 500))
    monkeypatch.setattr(selection, "rows_to_choose", lambda n_classes: 20 * n_classes)
    drawn = []
    fit = selection.MulticlassTask.fit
    monkeypatch.setattr(
        selection.MulticlassTask,
        "fit",
        lambda task, rows, grid: drawn.append((len(rows), len(grid))) or fit(task, rows, grid),
    )
    found = fit_probe(x, of_codes(codes), parts, strengths=(0.01, 0.1, 1.0, 10.0))
    assert drawn == [(60, 4), (300, 1), (400, 1)]
    for head, rows in ((found.first, parts.train), (found.head, parts.learned)):
        path = fit_multinomial(x[rows], codes[rows], [found.head.strength])
        assert head.weights == pytest.approx(path.weights[0], abs=1e-3)
        assert head.bias == pytest.approx(path.bias[0], abs=1e-3)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_draw_chooses_about_the_strength_of_all_rows(seed, monkeypatch):
    x, codes = clusters(seed, 6000, 16, 10, noise=0.9)
    parts = split_of(np.arange(4000), np.arange(4000, 5000), np.arange(5000, 6000))
    whole = fit_probe(x, of_codes(codes), parts)
    monkeypatch.setattr(selection, "rows_to_choose", lambda n_classes: 800)
    some = fit_probe(x, of_codes(codes), parts)
    assert abs(np.log10(some.head.strength / whole.head.strength)) <= 1.01
    assert some.estimate.value == pytest.approx(whole.estimate.value, abs=0.01)


def test_of_very_many_classes_the_commonest_are_learned(monkeypatch):
    x, codes = clusters(3, 400, 8, 5, noise=0.3)
    codes = np.where((codes == 4) & (np.arange(400) % 3 > 0), 0, codes)  # class 4 is the rarest
    parts = split_of(np.arange(200), np.arange(200, 300), np.arange(300, 400))
    monkeypatch.setattr(probe, "_MOST_CLASSES", 4)
    found = fit_probe(x, of_codes(codes), parts, strengths=(1.0,))
    assert found.head.classes.tolist() == [0, 1, 2, 3]
    learned = parts.learned[codes[parts.learned] < 4]
    path = fit_multinomial(x[learned], codes[learned], [1.0])
    assert found.head.weights == pytest.approx(path.weights[0], abs=1e-3)
    assert not (found.predictions.ranked == 4).any()
    right = found.predictions.ranked[:, 0] == codes[parts.test]
    assert not right[codes[parts.test] == 4].any()
    assert found.estimate.value == pytest.approx(right.mean())
    assert right[codes[parts.test] < 4].mean() > 0.9


def test_of_very_many_classes_a_row_the_commonest_are_learned(monkeypatch):
    rng = np.random.default_rng(0)
    members = rng.random((300, 4)) < (0.1, 0.5, 0.3, 0.4)
    x = (members @ rng.standard_normal((4, 8)) + 0.3 * rng.standard_normal((300, 8))).astype("f4")
    parts = split_of(np.arange(200), [], np.arange(200, 300))
    monkeypatch.setitem(probe._MOST_SCORES, probe.LabelKind.MULTILABEL, 3 * 200)
    found = fit_probe(x, of_matrix(members), parts, strengths=(1.0,))
    assert found.head.classes.tolist() == [1, 2, 3]
    share = members[found.test_rows, 0].mean()  # the average precision of a class without scores
    scores = Predictions.unfilled(
        of_matrix(members[:, 1:]), parts.train, found.test_rows, None, 0
    ).with_scores(found.head.scores(x[found.test_rows]))
    others = main_metric(probe.LabelKind.MULTILABEL).compute(scores)
    assert found.estimate.value == pytest.approx((3 * others + share) / 4)


def test_classes_without_scores_rank_last_as_equals():
    rng = np.random.default_rng(0)
    label = of_matrix(rng.random((50, 5)) < 0.4)
    unfilled = Predictions.unfilled(label, np.arange(25), np.arange(25, 50), None, 0)
    scores = rng.random((25, 5)).astype(np.float32)
    scores[:, [1, 4]] = -1
    some = np.array([0, 2, 3])
    listed, table = unfilled.with_scores(scores[:, some], some), unfilled.with_scores(scores)
    for name in ("mAP", "iMAP"):
        one, other = (score(each)[name] for each in (listed, table))
        one, other = (
            each if name == "iMAP" else (each.low, each.value, each.high) for each in (one, other)
        )
        assert one == pytest.approx(other)


def test_the_neighbors_of_some_test_pictures_are_the_baseline_and_it_is_said(tmp_path, monkeypatch):
    x, codes = clusters(5, 200, 6, 3, noise=0.3)
    values = {"style": [f"s{code}" for code in codes]}
    ids = [f"i{row}" for row in range(200)]
    store = make_store(tmp_path / "index", ids, {"v": x}, values)
    plan = ProbePlan(tap="v", labels=("style",))
    (whole,) = run_probe(store, plan)
    unknown = (
        "no copies by file; copies that only look the same are not known before 'artsim dupes' has "
        "run"
    )
    assert whole.split.notes == (unknown,)
    monkeypatch.setattr(evaluate, "COMPARED", 15)
    monkeypatch.setattr(probe, "_MOST_CLASSES", 2)
    (found,) = run_probe(store, plan)
    tested = len(found.split.test)
    assert (found.nearest.n, found.knn.n, found.probe.n) == (15, 15, tested)
    assert found.to_json()["notes"] == [
        unknown,
        f"neighbors are those of 15 of {tested} test pictures, drawn at random",
        "the probe learned the 2 commonest of 3 classes, and is wrong for the others; group them "
        "with 'artsim label'",
    ]
